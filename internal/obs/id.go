package obs

import (
	"crypto/rand"
	"encoding/hex"
)

// NewID returns a new id of 32 hex digits, which nobody can guess.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
