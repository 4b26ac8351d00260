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
package responses

// Name is the wire's name, the one in llm.Frame.
const Name = "responses"
