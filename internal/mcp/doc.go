// Package mcp is the gateway's side towards MCP servers: which servers there are, which tools each caller is offered under
// which names, and who runs a call. Sessions themselves are opened by mcp/upstream.
package mcp
