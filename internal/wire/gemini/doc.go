// Package gemini speaks Google's Gemini API (models/{model}:generateContent and :streamGenerateContent) towards providers: the
// Gemini API of AI Studio and Vertex AI, which have it in common. There is no door of this wire.
//
// # Between a reply and the next request
//
// An Other event that ends a turn has in llm.Extra.Delta, with Wire "gemini", the turn as the model must see it again:
// "parts":[…], all parts of it with their thoughtSignatures. Pieces of a text that a stream has cut are joined, unless one of
// them is signed. A ToolCall event has in Call.Extra the id that the model gave the call, if it gave one, and the signature of
// its part: "id":"…","thoughtSignature":"…". A call comes in one piece; one without arguments has "{}", and one without an id gets one that is made of the reply's id and
// the call's place, so that the same reply always has the same.
//
// Gemini 3 refuses a conversation whose calls have lost their signatures, and documents a word to send in their place, where
// a conversation comes from another model or from a client that has dropped them: skip_thought_signature_validator. It stands
// with the first call of such a turn, and only there, since the model itself signs no more than the first of parallel calls.
//
// # What is asked
//
// The conversation becomes contents of the roles user and model. System messages at its start are the systemInstruction, later
// ones are said by the user. All results of a turn's calls stand in one content of the user, in the order of the calls, and
// nothing else does; a call without a result gets one that says so, and a result without a call is told as text. Neighbours of
// one role are joined, beside those results.
//
// Tools are function declarations of one tool, with parametersJsonSchema. What the documented subset of JSON Schema lacks is
// said in its terms where that can be (const, allOf, definitions, nullable, draft-4 tuples), told in the description where it
// is a short constraint (pattern, lengths, exclusive bounds, formats, defaults), and else left out: not, if, then, else,
// dependent…, patternProperties, propertyNames, contains, unevaluated…. Names must begin with a letter or an underscore; one
// that does not gets an underscore, which is taken off again when the model calls it.
//
// The API has no word for "at most one call" (parallel_tool_calls: false): of parallel calls the first is kept then, and the
// others are taken out of the turn as if the model had not made them. Refused by name, where it changes the answer: n and
// logprobs, reasoning_effort for models that do not reason, a response_format beside tools for models before Gemini 3. Left
// out without a word, since it only advises: verbosity, the user's name, service tier, cache key.
//
// # Usage
//
// promptTokenCount holds cachedContentTokenCount, and does not hold toolUsePromptTokenCount; candidatesTokenCount does not hold
// thoughtsTokenCount. Audio is counted in the details by modality. The counts of a stream are running ones, of which the last holds.
//
// Sources: the API reference (https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching for Tool and
// Content), its chapters on function calling, thinking, thought signatures
// (https://ai.google.dev/gemini-api/docs/thought-signatures), structured output and file inputs, Vertex AI's reference
// (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference), and the types of
// google.golang.org/genai.
package gemini

// Name is the wire's name, the one in llm.Extra.
const Name = "gemini"
