package converse

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxName is the length of names and ids that Bedrock takes.
const maxName = 64

// fitID gives a call id of another provider the form that the API takes, ^[a-zA-Z0-9_-]{1,64}$: one that does not have it is
// hashed, and the same one always becomes the same.
func fitID(id string) string {
	if fits(id) {
		return id
	}
	return "tooluse_" + digest(id, 12)
}

// fitName does the same for the name of a tool, and keeps its beginning. [nameIn] turns it back.
func fitName(name string) string {
	if fits(name) {
		return name
	}
	plain := strings.Map(func(r rune) rune {
		if outside(r) {
			return '_'
		}
		return r
	}, name)
	return plain[:min(len(plain), maxName-9)] + "_" + digest(name, 4)
}

func fits(s string) bool { return s != "" && len(s) <= maxName && strings.IndexFunc(s, outside) < 0 }

func digest(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:n])
}

func outside(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
