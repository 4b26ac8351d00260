// LangChain with MCP: ChatOpenAI, which leaves for the responses API when it is given an MCP tool, ChatAnthropic, and
// LangGraph's agent around ChatOpenAI, which must find no call to answer.
import { ChatAnthropic } from '@langchain/anthropic';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { ChatOpenAI } from '@langchain/openai';
import { apiKey, baseURL, countingFetch, mcpTool, model, own, ownTool, prompt, run } from './seen.mjs';

const which = process.argv[2];

function openai() {
  return new ChatOpenAI({ model, apiKey, streamUsage: true, configuration: { baseURL, fetch: countingFetch } });
}

function anthropic() {
  return new ChatAnthropic({
    model,
    apiKey,
    anthropicApiUrl: baseURL.replace(/\/v1$/, ''),
    clientOptions: { fetch: countingFetch },
    maxTokens: 1000,
    betas: ['mcp-client-2025-11-20'],
    invocationKwargs: {
      mcp_servers: [{ type: 'url', name: mcpTool.server_label, url: mcpTool.server_url }],
      tools: [{ type: 'mcp_toolset', mcp_server_name: mcpTool.server_label }],
    },
  });
}

async function whole(stream) {
  let message;
  for await (const chunk of stream) message = message ? message.concat(chunk) : chunk;
  return seenIn(message);
}

// callsOf finds the calls where OpenAI's items are kept, or among Anthropic's blocks.
function callsOf(message, blocks) {
  const items = message.additional_kwargs.tool_outputs ?? [];
  const result = (id) => blocks.find((block) => block.type === 'mcp_tool_result' && block.tool_use_id === id);
  return [
    ...items
      .filter((item) => item.type === 'mcp_call')
      .map((item) => ({ server: item.server_label, name: item.name, arguments: item.arguments, output: item.output })),
    ...blocks
      .filter((block) => block.type === 'mcp_tool_use')
      .map((block) => ({
        server: block.server_name,
        name: block.name,
        arguments: JSON.stringify(block.input),
        output: result(block.id)?.content.map((part) => part.text).join(''),
      })),
  ];
}

function seenIn(message) {
  const blocks = Array.isArray(message.content) ? message.content : [];
  const { response_metadata: metadata, additional_kwargs: more } = message;
  return {
    text: message.text,
    finish: metadata.status ?? metadata.stop_reason ?? more.stop_reason,
    usage: { input: message.usage_metadata?.input_tokens, output: message.usage_metadata?.output_tokens },
    toolCalls: message.tool_calls?.length ?? 0,
    items: blocks.map((block) => block.type),
    calls: callsOf(message, blocks),
  };
}

async function langgraph(tools) {
  const agent = createReactAgent({ llm: openai(), tools: [mcpTool, ...tools] });
  const { messages } = await agent.invoke({ messages: [{ role: 'user', content: prompt }] });
  return { ...seenIn(messages.at(-1)), steps: messages.length - 1, toolCalls: own.calls };
}

const modes = {
  openai: async () => whole(await openai().bindTools([mcpTool]).stream(prompt)),
  'openai-invoke': async () => seenIn(await openai().bindTools([mcpTool]).invoke(prompt)),
  anthropic: async () => whole(await anthropic().stream(prompt)),
  'anthropic-invoke': async () => seenIn(await anthropic().invoke(prompt)),
  langgraph: () => langgraph([]),
  'langgraph-shared': () => langgraph([tool(() => own.run(), { ...ownTool, schema: ownTool.parameters })]),
};

await run(`langchain ${which}`, modes[which]);
