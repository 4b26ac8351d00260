// Package messages is the wire of the Anthropic Messages API. Door faces clients, Upstream faces providers.
//
// Sources: the Messages API reference, its chapters on streaming, tool use, token counting and extended thinking, and the
// documentation of the MCP connector, all at https://docs.anthropic.com/en/api and
// https://docs.anthropic.com/en/docs/agents-and-tools/mcp-connector.
package messages

// Name is the wire's name.
const Name = "messages"
