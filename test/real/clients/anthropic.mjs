// @anthropic-ai/sdk: the stream helpers of the stable and the beta API, create() without a stream, and the tool runner.
// The runner asks for a thread first, is refused, and sends everything again without one.
import Anthropic from '@anthropic-ai/sdk';
import { apiKey, baseURL, countingFetch, mcpTool, model, own, ownTool, prompt, run } from './seen.mjs';

const which = process.argv[2];
// The SDK adds /v1 itself.
const client = new Anthropic({ apiKey, baseURL: baseURL.replace(/\/v1$/, ''), fetch: countingFetch });

const server = mcpTool.server_label;
const request = { model, max_tokens: 1000, messages: [{ role: 'user', content: prompt }] };
const mcp = {
  mcp_servers: [{ type: 'url', name: server, url: mcpTool.server_url }],
  tools: [{ type: 'mcp_toolset', mcp_server_name: server }],
};
const betas = ['mcp-client-2025-11-20'];

function seenIn(message) {
  const result = (id) => message.content.find((block) => block.type === 'mcp_tool_result' && block.tool_use_id === id);
  return {
    text: message.content.filter((block) => block.type === 'text').map((block) => block.text).join(''),
    finish: message.stop_reason,
    usage: { input: message.usage.input_tokens, output: message.usage.output_tokens },
    items: message.content.map((block) => block.type),
    toolCalls: message.content.filter((block) => block.type === 'tool_use').length,
    calls: message.content
      .filter((block) => block.type === 'mcp_tool_use')
      .map((block) => ({
        server: block.server_name,
        name: block.name,
        arguments: JSON.stringify(block.input),
        output: result(block.id)?.content.map((part) => part.text).join(''),
      })),
  };
}

async function runner({ tools, ...more }) {
  const { parameters: input_schema, ...tool } = ownTool;
  const runner = client.beta.messages.toolRunner({
    ...request,
    ...more,
    tools: [...tools, { ...tool, input_schema, parse: (input) => input, run: () => own.run() }],
  });
  return { ...seenIn(await runner), toolCalls: own.calls };
}

const modes = {
  create: async () => seenIn(await client.beta.messages.create({ ...request, ...mcp, betas })),
  'beta-stream': async () => seenIn(await client.beta.messages.stream({ ...request, ...mcp, betas }).finalMessage()),
  stream: async () =>
    seenIn(await client.messages.stream({ ...request, ...mcp }, { headers: { 'anthropic-beta': betas[0] } }).finalMessage()),
  runner: () => runner({ tools: [] }),
  'runner-shared': () => runner({ ...mcp, betas }),
};

await run(`anthropic ${which}`, modes[which]);
