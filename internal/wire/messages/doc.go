// Package messages speaks Anthropic's Messages API, in both directions: [Door] towards clients, [Upstream] towards providers.
//
// A request of a client is kept as the bytes it came in. Replies are relayed as they come where nobody must read them.
//
// # Between the halves
//
// What only this wire has a word for travels in llm.Extra with Wire "messages":
//
//   - A Text or Thinking event without text has in Extra.Choice a delta of the block at hand, as it came:
//     {"type":"signature_delta",…}, {"type":"citations_delta",…}. Where Extra.Choice is a block in place of a delta,
//     {"type":"text",…}, a block of its own begins there.
//   - An Other event has in Extra.Choice one whole content block: {"type":"redacted_thinking",…}, {"type":"server_tool_use",…}.
//   - The End event has in Extra.Top the members of the message_delta's delta: "stop_reason":"stop_sequence","stop_sequence":"x".
//   - An Other event that ends a turn has in Extra.Delta the turn as the model must see it again: "content":[…], all blocks of it.
//
// # What crosses to other wires
//
// Members that change the answer and that no other wire has a word for are told in llm.Params.Left. Left out without a word
// are those that only advise: cache_control, context_management, metadata beside user_id, betas, anthropic_beta,
// anthropic_version, speed, diagnostics, user_profile_id, workspace_id, billing_policy, fallback_credit_token, and of
// output_config the task_budget; of tools input_examples,
// eager_input_streaming and defer_loading, since a tool that is offered at once does all that one offered later does, and for
// the same reason the tool_search_tool_… server tools and the tool_addition blocks that refer to a tool; thinking.display is obeyed here. Redacted thinking and the signatures
// of thinking mean nothing to other providers.
//
// Sources: the Messages API reference with its chapters on streaming, errors, tool use, extended thinking and token counting
// (https://docs.anthropic.com/en/api/messages), the documentation of the MCP connector
// (https://docs.anthropic.com/en/docs/agents-and-tools/mcp-connector), and the types of @anthropic-ai/sdk and
// anthropic-sdk-go.
package messages

// Name is the wire's name, the one in llm.Frame.
const Name = "messages"
