// The AI SDK's streamText over openai.chat or openai-compatible: no error part, one step.
// openai.chat cannot put an MCP entry into a chat request and names the servers by header; openai-compatible can.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { stepCountIs, streamText } from 'ai';
import { apiKey, baseURL, countingFetch, failed, headers, mcpServers, mcpTool, model, prompt, run } from './seen.mjs';

const which = process.argv[2];

await run(`ai ${which}`, async () => {
  const settings = { apiKey, baseURL, fetch: countingFetch };
  const provider =
    which === 'openai'
      ? createOpenAI({ ...settings, headers: { ...headers, 'x-fairlead-mcp': mcpServers } }).chat(model)
      : createOpenAICompatible({
          ...settings,
          headers,
          name: 'fairlead',
          includeUsage: true,
          transformRequestBody: (body) => ({ ...body, tools: [mcpTool] }),
        })(model);
  const result = streamText({
    model: provider,
    prompt,
    stopWhen: stepCountIs(5),
    onError: ({ error }) => failed(error),
  });
  const parts = {};
  for await (const part of result.fullStream) {
    parts[part.type] = (parts[part.type] ?? 0) + 1;
    if (part.type === 'error') failed(part.error);
  }
  const usage = await result.totalUsage;
  return {
    text: await result.text,
    finish: await result.finishReason,
    usage: { input: usage.inputTokens, output: usage.outputTokens },
    toolCalls: (await result.toolCalls).length,
    steps: (await result.steps).length,
    parts,
  };
});
