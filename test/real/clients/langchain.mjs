// LangChain's ChatOpenAI, streamed and put together with concat. bindTools with an MCP tool would leave for the
// responses API, so the servers are named by header.
import { ChatOpenAI } from '@langchain/openai';
import { apiKey, baseURL, countingFetch, headers, mcpServers, model, prompt, run } from './seen.mjs';

await run('langchain ChatOpenAI', async () => {
  const chat = new ChatOpenAI({
    model,
    apiKey,
    streamUsage: true,
    configuration: { baseURL, fetch: countingFetch, defaultHeaders: { ...headers, 'x-fairlead-mcp': mcpServers } },
  });
  let whole;
  for await (const chunk of await chat.stream(prompt)) whole = whole ? whole.concat(chunk) : chunk;
  return {
    text: whole.text,
    finish: whole.response_metadata.finish_reason,
    usage: { input: whole.usage_metadata?.input_tokens, output: whole.usage_metadata?.output_tokens },
    toolCalls: whole.tool_calls?.length ?? 0,
  };
});
