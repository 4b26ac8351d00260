// The AI SDK's streamText over openai.chat or openai-compatible: no error part, one step.
// It cannot name MCP servers in a chat request, so it does by header.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { stepCountIs, streamText } from 'ai';
import { apiKey, baseURL, countingFetch, failed, mcpServers, model, prompt, run } from './seen.mjs';

const which = process.argv[2];

await run(`ai ${which}`, async () => {
  const settings = { apiKey, baseURL, fetch: countingFetch, headers: { 'x-fairlead-mcp': mcpServers } };
  const provider =
    which === 'openai'
      ? createOpenAI(settings).chat(model)
      : createOpenAICompatible({ name: 'fairlead', includeUsage: true, ...settings })(model);
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
