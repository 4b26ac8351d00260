package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The ids of blocks. The API wants ids of the pattern ^[a-zA-Z0-9_-]+$. Its own blocks have "mcptoolu_…" where a hosted
// tool was called and "toolu_…" where the client's was.
const (
	mcpID  = "mcptoolu_"
	toolID = "toolu_"
	// ourID begins the id of every mcp_tool_use block that the gateway wrote, so that its own blocks are known when they
	// come back with the conversation.
	ourID = mcpID + "fl_"
)

// blockID is the id of the mcp_tool_use block that shows a call of the gateway's. callIDOf turns it back.
func blockID(callID string) string { return ourID + fitID(callID) }

// callIDOf is the id under which a model that knows no mcp blocks is told of the call that such a block shows. Other ids
// stay as they are, so a call and its result stay together.
func callIDOf(id string) string {
	if rest, ok := strings.CutPrefix(id, ourID); ok && rest != "" {
		return rest
	}
	if rest, ok := strings.CutPrefix(id, mcpID); ok {
		return toolID + rest
	}
	return id
}

// isOurID reports whether the gateway wrote the block with that id.
func isOurID(id string) bool { return strings.HasPrefix(id, ourID) }

// fitID gives a call id of another provider the form that the API takes: an id that does not have it is hashed, and the
// same id always becomes the same one.
func fitID(id string) string {
	if id != "" && len(id) <= 128 && strings.IndexFunc(id, outsideID) < 0 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return toolID + hex.EncodeToString(sum[:12])
}

func outsideID(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
