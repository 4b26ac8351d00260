package messages

import (
	"crypto/rand"
	"encoding/hex"
)

// newID returns hex digits that nobody else has.
func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// idLength is the length from which on a call id is taken for one that no other reply has: some providers count their calls
// from 0 in each reply, and the ids of a conversation's blocks must differ.
const idLength = 12

// shownID returns the id of the mcp_tool_use block that shows a call of the reply.
func shownID(reply, call string) string {
	if len(call) < idLength {
		call += "_" + reply
	}
	return blockID(call)
}
