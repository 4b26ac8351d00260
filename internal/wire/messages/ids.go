package messages

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// newID returns hex digits that nobody else has.
func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

const (
	mcpPrefix  = "mcptoolu_"
	madePrefix = mcpPrefix + "fl_"
	idLength   = 12 // an id that is shorter may well come again in another reply
)

// mcpID returns the id of an mcp_tool_use block for a call of the reply. An id that is like no other is carried along, so that
// [callID] gives it back and a conversation that comes again is the same to the provider's prompt cache. For any other one
// is derived.
func mcpID(reply, call string) string {
	if len(call) >= idLength && len(call) <= 128 && plainID(call) && !strings.HasPrefix(call, mcpPrefix) {
		return mcpPrefix + call
	}
	sum := sha256.Sum256([]byte(reply + "\x00" + call))
	return madePrefix + hex.EncodeToString(sum[:12])
}

// callID returns the id of the call that an mcp_tool_use block with this id shows.
func callID(id string) string {
	rest, ok := strings.CutPrefix(id, mcpPrefix)
	if !ok || len(rest) < idLength || strings.HasPrefix(id, madePrefix) {
		return id
	}
	return rest
}

// plainID reports whether s has the characters only that the API takes in an id.
func plainID(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && c != '-' && c-'0' > 9 && (c|0x20)-'a' > 25 {
			return false
		}
	}
	return s != ""
}
