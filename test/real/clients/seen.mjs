// What the clients share: where to go, a fetch that counts, and the one line of JSON that says what was seen.
const env = process.env;

export const baseURL = env.BASE_URL;
export const apiKey = env.API_KEY;
export const model = env.MODEL;
export const prompt = env.PROMPT;
export const mcpServers = env.MCP_SERVERS;
export const headers = { 'x-fairlead-stream': env.STREAM_MODE };

export const mcpTool = {
  type: 'mcp',
  server_label: 'tools',
  server_url: `fairlead/mcp/${mcpServers}`,
  require_approval: 'never',
};

// The same servers, whose calls wait for the client.
export const askingTool = { ...mcpTool, require_approval: 'always' };

// A tool of the client, what it answers, and how often it was called.
export const ownTool = { name: 'client_side', description: 'A tool of the client.', parameters: { type: 'object', properties: {} } };
export const own = {
  calls: 0,
  run() {
    this.calls++;
    return 'by the client';
  },
};

// outputOf is what a response of the responses API holds.
export function outputOf(response) {
  return {
    text: response.output_text,
    finish: response.status,
    usage: { input: response.usage.input_tokens, output: response.usage.output_tokens },
    items: response.output.map((item) => item.type),
    toolCalls: response.output.filter((item) => item.type === 'function_call').length,
    calls: response.output
      .filter((item) => item.type === 'mcp_call')
      .map((item) => ({ server: item.server_label, name: item.name, arguments: item.arguments, output: item.output })),
    asked: response.output.filter((item) => item.type === 'mcp_approval_request').length,
  };
}

let requests = 0;
const errors = [];

export function countingFetch(input, init) {
  requests++;
  return fetch(input, init);
}

export function failed(error) {
  errors.push(String(error?.message ?? error));
}

// report prints {client, text, finish, usage, requests, errors, …}; usage as {input, output}.
export function report(client, seen) {
  console.log(JSON.stringify({ client, ...seen, requests, errors }));
}

// run catches what main throws, so that the line is printed whatever happens.
export async function run(client, main) {
  let seen = {};
  try {
    seen = await main();
  } catch (error) {
    failed(error);
  }
  report(client, seen);
}
