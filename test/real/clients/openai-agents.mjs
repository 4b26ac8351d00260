// @openai/agents with a hosted MCP tool. Its approvals are answered by a function, and the run goes on with a replay of
// everything that it has seen.
import OpenAI from 'openai';
import { Agent, hostedMcpTool, OpenAIResponsesModel, run as runAgent, setTracingDisabled, tool } from '@openai/agents';
import { apiKey, baseURL, countingFetch, mcpTool, model, own, ownTool, prompt, run } from './seen.mjs';

const [, , approval, form, shared] = process.argv;
setTracingDisabled(true);

await run(`openai-agents ${approval} ${form}`, async () => {
  let asked = 0;
  const onApproval = async () => {
    asked++;
    return { approve: true };
  };
  const client = new OpenAI({ apiKey, baseURL, fetch: countingFetch });
  const agent = new Agent({
    name: 'tester',
    model: new OpenAIResponsesModel(client, model),
    tools: [
      hostedMcpTool({
        serverLabel: mcpTool.server_label,
        serverUrl: mcpTool.server_url,
        ...(approval === 'never' ? { requireApproval: 'never' } : { requireApproval: 'always', onApproval }),
      }),
      ...(shared ? [tool({ ...ownTool, strict: false, execute: () => own.run() })] : []),
    ],
  });
  const stream = form === 'stream';
  const result = await runAgent(agent, prompt, { stream });
  if (stream) await result.completed;
  const hosted = result.newItems.map((item) => item.rawItem).filter((item) => item.type === 'hosted_tool_call');
  return {
    text: result.finalOutput,
    asked,
    toolCalls: own.calls,
    items: result.newItems.map((item) => item.rawItem.name ?? item.rawItem.type),
    calls: hosted
      .filter((item) => item.providerData?.type === 'mcp_call')
      .map(({ output, arguments: args, providerData }) => ({ server: providerData.server_label, name: providerData.name, arguments: args, output })),
    usage: { input: result.rawResponses.at(-1).usage.inputTokens, output: result.rawResponses.at(-1).usage.outputTokens },
  };
});
