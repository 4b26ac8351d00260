// The official TypeScript clients log in: the first generation, or the second with "2" as argument. No browser is there: what a user would
// be sent to is fetched, and where that leads to has the code.
const second = process.argv[2] === '2';
const from = second ? '@modelcontextprotocol/client' : '@modelcontextprotocol/sdk/client';
const { Client } = await import(second ? from : `${from}/index.js`);
const { StreamableHTTPClientTransport } = await import(second ? from : `${from}/streamableHttp.js`);

const seen = { scopes: [], tools: [], result: '', stepUp: '' };
const url = new URL(process.env.URL_OF_MCP);
const kept = {};
let code;

const provider = {
  redirectUrl: 'http://localhost:1/callback',
  clientMetadata: { client_name: 'test', redirect_uris: ['http://localhost:1/callback'], grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none' },
  clientInformation: () => kept.client,
  saveClientInformation: (c) => { kept.client = c; },
  tokens: () => kept.tokens,
  saveTokens: (t) => { kept.tokens = t; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (v) => { kept.verifier = v; },
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (d) => { kept.discovery = d; },
  redirectToAuthorization: async (to) => {
    seen.scopes.push(to.searchParams.get('scope') ?? '');
    const back = new URL((await fetch(to, { redirect: 'manual' })).headers.get('location'));
    code = second ? back.searchParams : back.searchParams.get('code');
  },
};

// asAsked does something, and once more when the user has been sent to log in.
async function asAsked(transport, what) {
  code = undefined;
  try {
    return await what(transport());
  } catch (e) {
    if (code === undefined) throw e;
    const t = transport();
    await t.finishAuth(code);
    return await what(transport());
  }
}

const transport = () => new StreamableHTTPClientTransport(url, { authProvider: provider });
const connect = async (t) => {
  const c = new Client({ name: 'fairlead-test', version: '1' });
  await c.connect(t);
  return c;
};
const client = await asAsked(transport, connect);
seen.tools = (await client.listTools()).tools.map((t) => t.name);
const call = async (c, name, args) => (await c.callTool({ name, arguments: args })).content[0].text;
seen.result = await call(client, 'open-echo', { message: 'hello' });
seen.stepUp = await asAsked(transport, async (t) => call(await connect(t), 'files-echo', { message: 'again' }));
await client.close();
console.log(JSON.stringify(seen));
process.exit(0);
