// Package cohere speaks version 2 of Cohere's Chat API (POST /v2/chat) towards providers. There is no door of this wire.
//
// # Between a reply and the next request
//
// An Other event that ends a turn has in llm.Extra.Delta, with Wire "cohere", what the model must see again beside its calls:
// "content":[…] with its thinking, and "tool_plan":"…". The API signs nothing, so that a turn of another model is told in the
// same terms.
//
// A tool plan is what the model says before it calls a tool ("I will search for …"). It comes as Text, as what other models say
// in that place does, and the text of a turn with calls goes back as its tool plan: a client whose dialect has no such word
// sends it back all the same. Citations say where in the text a source is; no other wire has a word for them, and they are
// left out.
//
// # What is asked
//
// System messages stay where they are. The results of a turn's calls stand directly behind it, each one document whose data is
// {"content":"…"}, which is what the model cites; a call without a result gets one that says so, and a result without a call
// is told by the user. Users show images; files that are text are said as text.
//
// The API knows two tool choices, REQUIRED and NONE, and takes none for auto. Where the caller names the tools that may be
// called, only those are offered: with REQUIRED, a tool of that name is called. strict_tools is said where all tools on offer
// are strict, since it holds for all of them.
//
// top_p is p, which lies between 0.01 and 0.99; top_k is k. Reasoning is asked for by thinking, with the budget that the
// caller names or an effort stands for; none turns it off. What was thought before goes back as a block of thinking, where it
// came from this API or where reasoning is asked for.
//
// Refused by name, since it changes the answer: n above 1, logprobs, which come in tokens of Cohere's own, a response_format
// together with tools, which the API does not take, and audio and files that are no text. Left out without a word, since it
// only advises: parallel_tool_calls, verbosity, the user's name, service tier, cache key.
//
// # Usage
//
// billed_units counts what is charged for; tokens counts what the model has read and written, the API's own preambles and the
// definitions of tools among it. Input and Output are billed_units, since prices are made for those, and tokens only where a
// reply (of a deployment of one's own, say) bills nothing. cached_tokens are a part of the input.
//
// Sources: the API reference (https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream), the
// chapters on tool use and its streaming (https://docs.cohere.com/docs/tool-use-overview,
// https://docs.cohere.com/docs/tool-use-streaming), reasoning (https://docs.cohere.com/docs/reasoning) and structured outputs
// (https://docs.cohere.com/docs/structured-outputs), and the types of github.com/cohere-ai/cohere-go/v2.
package cohere

// Name is the wire's name, the one in llm.Extra.
const Name = "cohere"
