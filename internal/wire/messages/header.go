package messages

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
)

const (
	betaHeader = "Anthropic-Beta"
	// connectorBeta begins the names of the betas that let the provider itself call MCP servers.
	connectorBeta = "mcp-client-"
	// listingBeta is the first of them with the block mcp_tool_listing.
	listingBeta = "mcp-client-2026-09-15"
)

// maxForwarded bounds the headers of one request that go along.
const maxForwarded = 32

// forwardHeaders returns the headers of a client's request that an upstream of this wire must see: all that begin with
// Anthropic-, the version and the betas among them, by name. ours says that the gateway itself serves the MCP servers that
// the request names: the provider is then not told of the connector's betas.
func forwardHeaders(h http.Header, ours bool) []llm.Header {
	var out []llm.Header
	for name, values := range h {
		if !strings.HasPrefix(name, "Anthropic-") || len(out) == maxForwarded {
			continue
		}
		value := strings.Join(values, ",")
		if name == betaHeader && ours {
			value = withoutConnector(value)
		}
		if value != "" {
			out = append(out, llm.Header{Name: name, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b llm.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// withoutConnector takes the connector's betas out of a list of betas.
func withoutConnector(betas string) string {
	if !strings.Contains(betas, connectorBeta) {
		return betas
	}
	var keep []string
	for b := range strings.SplitSeq(betas, ",") {
		if b = strings.TrimSpace(b); b != "" && !strings.HasPrefix(b, connectorBeta) {
			keep = append(keep, b)
		}
	}
	return strings.Join(keep, ",")
}
