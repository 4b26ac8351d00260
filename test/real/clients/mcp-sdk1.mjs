// The first generation of the official TypeScript client.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { run } from './mcp-visits.mjs';

await run(async (url, headers) => {
  const client = new Client({ name: 'fairlead-test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client;
});
