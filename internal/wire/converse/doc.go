// Package converse speaks Amazon Bedrock's Converse and ConverseStream towards providers: [Upstream]. No client speaks it.
//
// # Between this wire and itself
//
// What only this wire has a word for travels in llm.Extra with Wire "converse": where a turn has more than texts and calls, an
// Other event that ends it has in Extra.Delta the turn as the model must see it again, "content":[…], all blocks of it, in
// which reasoningContent has its text and its signature literally as they came. A block of a whole reply without a word of ours
// (citationsContent, an image) is an Other event with Extra.Choice, too.
//
// # What becomes of a request
//
// System messages at the start are system; later ones are said by the user. Roles alternate and the user speaks first: what
// one role says in a row is one message, and all results of a turn are one message of the user directly behind it, each
// call's exactly one. In a turn of the model the text comes before the calls. Blank texts are left out. A document stands
// beside a text, and has a name of the characters that Bedrock takes. Ids of calls that Bedrock would not take are hashed.
//
// The API wants toolConfig whenever a conversation has tool blocks, and has no word for a choice of "none". So where no tool
// is on offer, or none may be called, toolConfig is left out, and what was called in the past is told by the user in words,
// name, arguments and result: nothing that the model could answer with a call.
//
// temperature, top_p, the limit of the answer and its stop sequences are inferenceConfig; top_k and reasoning are
// additionalModelRequestFields, in the words of the model's family ([families]): thinking for Claude, reasoningConfig for
// Nova 2, reasoning_effort for gpt-oss. A JSON schema for the answer is outputConfig.textFormat.
//
// Refused, by name, because it changes the answer and cannot be said: n, frequency_penalty, presence_penalty, seed, logprobs,
// a response_format that is any JSON object, a reasoning effort for models that have none, media by URL and audio. Left out,
// because it only advises: parallel_tool_calls, verbosity, the service tier, the cache key, the user's name.
//
// # Usage
//
// inputTokens, cacheReadInputTokens and cacheWriteInputTokens do not overlap: they are Input, CacheRead and CacheWrite.
// outputTokens is Output; reasoning is a part of it that the API does not tell apart.
//
// Sources: the Bedrock API reference of Converse and ConverseStream
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html), the Bedrock User Guide on inference
// parameters, tool use, reasoning and structured output (https://docs.aws.amazon.com/bedrock/latest/userguide/), and the types
// of aws-sdk-go-v2/service/bedrockruntime.
package converse

// Name is the wire's name, the one in llm.Frame.
const Name = "converse"
