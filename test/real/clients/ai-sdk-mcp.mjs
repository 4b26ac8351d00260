// The AI SDK's clients of the two dialects that know MCP: openai's responses, an Open Responses client, and Anthropic's
// messages. No error part may come, and what the gateway has run is no tool call that the SDK answers itself.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenResponses } from '@ai-sdk/open-responses';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { apiKey, baseURL, countingFetch, failed, mcpTool, model, own, ownTool, prompt, run } from './seen.mjs';

const [, , which, option, store] = process.argv; // with store or nostore there is a tool of the client, too
const settings = { apiKey, baseURL, fetch: countingFetch };
const openai = createOpenAI(settings);
const stopWhen = stepCountIs(5);
globalThis.AI_SDK_LOG_WARNINGS = false;

function mcp(requireApproval) {
  return { [mcpTool.server_label]: openai.tools.mcp({ serverLabel: mcpTool.server_label, serverUrl: mcpTool.server_url, requireApproval }) };
}

// callOf tells a call that the gateway has run. The two providers show it differently: "mcp.echo" with an object that has
// the text as output, and "echo" with content parts.
function callOf({ toolName, input, output }) {
  const text = Array.isArray(output) ? output.map((part) => part.text).join('') : output.output;
  return { server: output.serverLabel, name: toolName.replace(/^mcp\./, ''), arguments: JSON.stringify(input), output: text };
}

// What a result with all its steps says, streamed or not.
async function seenIn(result) {
  const steps = await result.steps;
  const content = steps.flatMap((step) => step.content);
  const usage = await result.totalUsage;
  return {
    text: content.filter((part) => part.type === 'text').map((part) => part.text).join(''),
    finish: await result.finishReason,
    usage: { input: usage.inputTokens, output: usage.outputTokens },
    steps: steps.length,
    items: content.map((part) => part.type),
    toolCalls: content.filter((part) => part.type === 'tool-call' && !part.providerExecuted).length,
    calls: content.filter((part) => part.type === 'tool-result' && part.providerExecuted).map(callOf),
    asked: content.filter((part) => part.type === 'tool-approval-request').length,
  };
}

async function stream(request) {
  const result = streamText({ ...request, stopWhen, onError: ({ error }) => failed(error) });
  for await (const part of result.fullStream) if (part.type === 'error') failed(part.error);
  return seenIn(result);
}

async function text(request) {
  return seenIn(await generateText({ ...request, stopWhen }));
}

// A round trip of an approval. With store the SDK refers to items by their ids, without it the request for approval does
// not come back at all.
async function approval(kept, ask) {
  const request = { model: openai.responses(model), tools: mcp('always'), providerOptions: { openai: { store: kept } }, stopWhen };
  const messages = [{ role: 'user', content: prompt }];
  const result = await ask({ ...request, messages });
  const steps = await result.steps;
  const asked = steps.flatMap((step) => step.content).filter((part) => part.type === 'tool-approval-request');
  messages.push(...(await result.response).messages);
  messages.push({
    role: 'tool',
    content: asked.map(({ approvalId }) => ({ type: 'tool-approval-response', approvalId, approved: true, providerExecuted: true })),
  });
  const second = await ask({ ...request, messages });
  return { ...(await seenIn(second)), asked: asked.length };
}

// streamText, read to its end.
async function streamedToTheEnd(request) {
  const result = streamText({ ...request, onError: ({ error }) => failed(error) });
  await result.consumeStream();
  return result;
}

// The client's own tool, which the SDK runs.
const ownTools = {
  [ownTool.name]: tool({ description: ownTool.description, inputSchema: jsonSchema(ownTool.parameters), execute: () => own.run() }),
};
const mcpServers = [{ type: 'url', name: mcpTool.server_label, url: mcpTool.server_url }];
const clients = {
  responses: () => ({ model: openai.responses(model), tools: mcp('never'), prompt }),
  'open-responses': () => ({
    model: createOpenResponses({
      name: 'fairlead',
      apiKey,
      url: `${baseURL}/responses`,
      // The client has no MCP tool of its own.
      fetch: (url, init) => countingFetch(url, { ...init, body: JSON.stringify({ ...JSON.parse(init.body), tools: [mcpTool] }) }),
    })(model),
    prompt,
  }),
  anthropic: () => ({ model: createAnthropic(settings)(model), providerOptions: { anthropic: { mcpServers } }, prompt }),
};

await run(`ai ${which} ${option}`, () => {
  if (which === 'approval') return approval(option !== 'nostore', option === 'store-stream' ? streamedToTheEnd : generateText);
  const request = clients[which]();
  if (store !== undefined) Object.assign(request, { tools: { ...request.tools, ...ownTools } });
  if (store === 'nostore') request.providerOptions = { openai: { store: false } };
  return { stream, text }[option](request);
});
