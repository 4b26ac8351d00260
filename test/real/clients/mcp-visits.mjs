// What the MCP clients share: VISITS says which addresses of BASE_URL to visit and which tools to call there, and one line
// of JSON tells what was listed and answered.
const visits = JSON.parse(process.env.VISITS);
const headers = { authorization: `Bearer ${process.env.API_KEY}` };

// answerOf is what a call came to: the text of its result, or of its error.
async function answerOf(client, call) {
  try {
    const result = await client.callTool({ name: call.tool, arguments: call.arguments });
    const text = result.content.map((block) => block.text ?? block.type).join('\n');
    return { tool: call.tool, text, failed: result.isError === true };
  } catch (error) {
    return { tool: call.tool, text: String(error.message), failed: true };
  }
}

// run visits one address after the other. connect makes a client that is connected to a URL with these headers.
export async function run(connect) {
  const seen = [];
  for (const { path, calls } of visits) {
    const visit = { path };
    try {
      const client = await connect(new URL(process.env.BASE_URL + path), headers);
      visit.revision = client.getNegotiatedProtocolVersion?.() ?? client.transport.protocolVersion;
      visit.tools = (await client.listTools()).tools.map((tool) => tool.name);
      visit.answers = [];
      for (const call of calls) {
        visit.answers.push(await answerOf(client, call));
      }
      await client.close();
    } catch (error) {
      visit.error = String(error.stack ?? error);
    }
    seen.push(visit);
  }
  console.log(JSON.stringify(seen));
}
