// Package responses speaks OpenAI's Responses API, in both directions: [Door] towards clients, [Upstream] towards providers.
package responses

// Name is the wire's name, the one in llm.Frame.
const Name = "responses"
