// The second generation of the official TypeScript client, in the era that the first argument names: auto or legacy.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { run } from './mcp-visits.mjs';

await run(async (url, headers) => {
  const client = new Client({ name: 'fairlead-test', version: '1' }, { versionNegotiation: { mode: process.argv[2] } });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client;
});
