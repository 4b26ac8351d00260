// Package responses speaks OpenAI's Responses API, in both directions: [Door] towards clients, [Upstream] towards providers.
//
// A request of a client is kept as the bytes it came in, and both halves edit those bytes. The facts of the wire are those of
// OpenAI's API reference (Responses, and its streaming events), of the types in OpenAI's own SDKs, and of the Open Responses
// specification (https://www.openresponses.org), whose rules for the reply and its events hold for everything the door writes.
//
// # What the two halves agree on
//
// The Index of a request's Raw frame is an *envelope; scan makes one for a body. [Door.Decode] may replace Raw by a body in
// which what the request refers to stands in its place. After it, `input` is a list that holds, of what the gateway made:
//
//   - no previous_response_id and no item_reference of the gateway's own;
//   - no mcp_list_tools, and of mcp_approval_request and mcp_approval_response only those of the provider's own;
//   - mcp_call items: each is for the model a call with its result. The name under which it is told is that of
//     llm.Request.NameOf for {Label: server_label, Tool: name}; the call's id is the item's. A call that the client refused is
//     one with an error for its output;
//   - items without `id`, where the id was the gateway's: a provider does not know it.
//
// An event of the upstream half that this wire alone has a word for is llm.Other with Extra{Wire: Name, Choice: item}, where
// item is a complete output item as it came: reasoning, web_search_call, compaction and whatever is to come, but no message,
// function_call or custom_tool_call. Thinking events with the text of a reasoning item's summary come before the item's
// Other event; with Extra{Wire: Name, Choice: `"id":"rs_…"`} they name the item, so that the door opens it with its own id.
// Text events may have Extra{Wire: Name, Choice: …} with `"phase":"commentary"` (the message's phase; a change of it begins
// another message), `"annotation":{…}` (of the text so far) or `"refusal":true` (the text is a refusal).
// The Delta of an Other event is for later rounds, and the door does not look at it. The Call.Extra of a call's first event has
// the members of a function_call item that no other field says, `"namespace":"…"` say; for a custom_tool_call it begins with
// `"type":"custom"`.
//
// # What the door decides
//
// Ids that the gateway makes have _fl_ behind their prefix: resp_fl_…, msg_fl_…, mcp_fl_…. By them it knows what it has to
// look up, and what no provider may be sent. A request that has none of them, no background and no item of hosted MCP, goes to a
// Responses provider byte for byte, if it names no server either.
//
//   - store is true unless the request says otherwise; the response says whether it was kept. A reply that was broken off after it
//     began is kept as failed or cancelled, with what it has.
//   - A reply that goes on from a provider's own response is not kept: nobody could go on from it here.
//   - conversation objects are not kept here: a request that names one can only be relayed.
//   - Entries with connector_id or tunnel_id, and the MCP items that come of them, are left to a Responses provider.
//   - defer_loading: true is refused: all tools of a server are offered at once. allowed_callers must have "direct" in it.
//   - An mcp_list_tools item is shown for each label, unless the conversation has one of that label already.
//   - A call is shown under the server's own name of its tool; under the offered one where a label has two tools of that name.
//   - Calls of one turn that run side by side have their items open at the same time.
//   - A call of the client's that a broken stream has cut off is not closed, lest somebody run it.
//   - The text of each round is a message of its own. Where the answer must be a JSON document only the last round's is
//     shown, since SDKs parse the text of all messages as one.
//   - A stream begins when the model does, or when a call that was let run does: what goes wrong before is an HTTP error.
//     Vendor data are members of known objects (usage.x_fairlead): clients refuse events that they do not know.
//   - With servers that the request itself does not name, or with x-fairlead-stream: hidden, there are no items of MCP but the
//     questions and the calls that came of them. Turns with calls of both are kept in any case, and put back with the client's next request unless that has
//     the items of the gateway's calls.
//   - An mcp_call of the gateway's that comes back without its output gets the one that was kept.
//   - A cancelled background reply ends in response.failed with the status cancelled, for the same reason.
//   - The context is as full as the last round's input: that is usage.input_tokens; output is summed, and what is billed
//     stands in usage.x_fairlead.
//   - response.tools shows MCP entries without authorization, headers, and the user and query of their address.
//
// # What crosses to other wires
//
// Members that change the answer and that no other wire has a word for are named in llm.Params.Left: prompt, tools that a
// provider runs, and whatever is not known here. Left out
// without a word are those that only advise: metadata, client_metadata, include, truncation, context_management,
// prompt_cache_retention, prompt_cache_options, stream_options, reasoning.summary, and the encrypted content of reasoning. So
// is the tool web_search, which agents such as codex send unasked: without it the model answers from what it knows. The functions
// of a namespace are offered under their own names, and a custom tool as a function with one text, input; the client gets
// calls of both as it knows them. Items and parts that only a provider can read, such as compaction or a file_id, are refused.
package responses

// Name is the wire's name, the one in llm.Frame.
const Name = "responses"
