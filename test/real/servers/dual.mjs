// A server made with the official TypeScript SDK that speaks both eras on one address: http://127.0.0.1:$PORT.
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';

const two = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] };

function make() {
  const server = new McpServer({ name: 'typescript', version: '1' });
  const tool = { description: 'Adds two numbers.', inputSchema: fromJsonSchema(two) };
  server.registerTool('add', tool, ({ a, b }) => ({ content: [{ type: 'text', text: `${a} + ${b} = ${a + b}` }] }));
  return server;
}

createServer(toNodeHandler(createMcpHandler(make))).listen(Number(process.env.PORT), '127.0.0.1');
