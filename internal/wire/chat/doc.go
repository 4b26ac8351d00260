// Package chat speaks OpenAI's Chat Completions, in both directions: [Door] towards clients, [Upstream] towards providers.
//
// A request of a client is kept as the bytes it came in, and both halves edit those bytes. Replies are relayed as they come
// where nobody must read them; else one normaliser makes the streams of all providers one.
package chat

// Name is the wire's name, the one in llm.Frame.
const Name = "chat"
