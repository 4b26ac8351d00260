// openai's runTools: it answers every tool call that it sees, so it must see its own alone.
import OpenAI from 'openai';
import { apiKey, baseURL, countingFetch, headers, mcpTool, model, prompt, run } from './seen.mjs';

await run('openai runTools', async () => {
  const client = new OpenAI({ apiKey, baseURL, fetch: countingFetch, defaultHeaders: headers });
  let own = 0;
  const runner = client.chat.completions.runTools({
    model,
    stream: true,
    messages: [{ role: 'user', content: prompt }],
    tools: [
      mcpTool,
      {
        type: 'function',
        function: {
          name: 'client_side',
          description: 'A tool of the client.',
          parameters: { type: 'object', properties: {} },
          parse: JSON.parse,
          function: () => {
            own++;
            return 'by the client';
          },
        },
      },
    ],
    stream_options: { include_usage: true },
  });
  const completion = await runner.finalChatCompletion();
  return {
    text: await runner.finalContent(),
    finish: completion.choices[0].finish_reason,
    usage: { input: completion.usage.prompt_tokens, output: completion.usage.completion_tokens },
    toolCalls: own,
  };
});
