// openai's responses API: the stream() helper, create() without a stream, approvals that are answered by
// previous_response_id, granted and denied, and a tool of the client beside those of the gateway.
import OpenAI from 'openai';
import { apiKey, askingTool, baseURL, countingFetch, mcpTool, model, outputOf, own, ownTool, prompt, run } from './seen.mjs';

const which = process.argv[2];
const client = new OpenAI({ apiKey, baseURL, fetch: countingFetch });

// The events of a stream and the response that the helper made of them.
async function streamed(request) {
  const events = {};
  const stream = client.responses.stream(request).on('event', ({ type }) => (events[type] = (events[type] ?? 0) + 1));
  return { response: await stream.finalResponse(), events };
}

// Answers every request of a response for approval, as the API's documentation does.
function answers(response, approve) {
  return response.output
    .filter((item) => item.type === 'mcp_approval_request')
    .map((item) => ({ type: 'mcp_approval_response', approval_request_id: item.id, approve }));
}

async function approval(approve) {
  const tools = [askingTool];
  const first = await client.responses.create({ model, input: prompt, tools });
  const input = answers(first, approve);
  const second = await client.responses.create({ model, input, tools, previous_response_id: first.id });
  return { ...outputOf(second), asked: input.length };
}

async function approvalStreamed() {
  const tools = [askingTool];
  const { response: first } = await streamed({ model, input: prompt, tools });
  const input = answers(first, true);
  const { response, events } = await streamed({ model, input, tools, previous_response_id: first.id });
  return { ...outputOf(response), events, asked: input.length };
}

// A turn that has calls of the gateway and of the client, which goes on by the response's id or with all of it.
async function shared(store) {
  const tools = [mcpTool, { type: 'function', strict: false, ...ownTool }];
  const first = await client.responses.create({ model, input: prompt, tools, store });
  const answers = first.output
    .filter((item) => item.type === 'function_call')
    .map((item) => ({ type: 'function_call_output', call_id: item.call_id, output: own.run() }));
  const again = store
    ? { previous_response_id: first.id, input: answers }
    : { input: [{ role: 'user', content: prompt }, ...first.output, ...answers] };
  return { ...outputOf(await client.responses.create({ model, tools, store, ...again })), toolCalls: own.calls };
}

const modes = {
  async stream() {
    const { response, events } = await streamed({ model, input: prompt, tools: [mcpTool] });
    return { ...outputOf(response), events };
  },
  async create() {
    return outputOf(await client.responses.create({ model, input: prompt, tools: [mcpTool] }));
  },
  shared: () => shared(true),
  'shared-nostore': () => shared(false),
  approve: () => approval(true),
  deny: () => approval(false),
  'approve-stream': approvalStreamed,
};

await run(`openai responses ${which}`, modes[which]);
