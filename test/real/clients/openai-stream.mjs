// openai's .stream() helper: the accumulated message.
import OpenAI from 'openai';
import { apiKey, baseURL, countingFetch, headers, mcpTool, model, prompt, run } from './seen.mjs';

await run('openai .stream()', async () => {
  const client = new OpenAI({ apiKey, baseURL, fetch: countingFetch, defaultHeaders: headers });
  const done = [];
  const stream = client.chat.completions
    .stream({
      model,
      messages: [{ role: 'user', content: prompt }],
      tools: [mcpTool],
      stream_options: { include_usage: true },
    })
    .on('content.done', (event) => done.push(event.content));
  const completion = await stream.finalChatCompletion();
  const { message, finish_reason: finish } = completion.choices[0];
  return {
    text: message.content,
    finish,
    usage: { input: completion.usage.prompt_tokens, output: completion.usage.completion_tokens },
    toolCalls: message.tool_calls?.length ?? 0,
    contentDone: done,
    fields: Object.keys(message.provider_specific_fields ?? {}).sort(),
    results: message.provider_specific_fields?.mcp_call_results ?? [],
  };
});
