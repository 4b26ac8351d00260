// openai's responses API: the stream() helper, create() without a stream, and approvals that are answered by
// previous_response_id, granted and denied.
import OpenAI from 'openai';
import { apiKey, askingTool, baseURL, countingFetch, mcpTool, model, outputOf, prompt, run } from './seen.mjs';

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

const modes = {
  async stream() {
    const { response, events } = await streamed({ model, input: prompt, tools: [mcpTool] });
    return { ...outputOf(response), events };
  },
  async create() {
    return outputOf(await client.responses.create({ model, input: prompt, tools: [mcpTool] }));
  },
  approve: () => approval(true),
  deny: () => approval(false),
  'approve-stream': approvalStreamed,
};

await run(`openai responses ${which}`, modes[which]);
