// The official SDK's client over HTTP+SSE, the transport of 2024-11-05. It prints what it saw as one line of JSON.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';

const auth = { Authorization: `Bearer ${process.env.API_KEY}` };
const transport = new SSEClientTransport(new URL(process.env.BASE_URL + process.argv[2]), {
  requestInit: { headers: auth },
  eventSourceInit: { fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...auth } }) },
});
const client = new Client({ name: 'sse', version: '1' }, { capabilities: { roots: {} } });
await client.connect(transport);
const { tools } = await client.listTools();
const progress = [];
const echo = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
const long = await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 2 } }, undefined, {
  onprogress: (p) => progress.push(p.progress),
});
console.log(JSON.stringify({ tools: tools.map((t) => t.name), echo: echo.content[0].text, long: long.content[0].text, progress }));
await client.close();
