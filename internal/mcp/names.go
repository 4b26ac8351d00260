package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// maxName is the longest name of a function that all providers take.
const maxName = 64

// offeredName is the name under which a server's tool is offered, unless it is taken: the prefix, "-" and the tool's own
// name, in letters that all providers take; a longer one is cut and ends in a hash of what it stands for.
func offeredName(s *Server, tool string) string {
	name := tool
	if s.Prefix != "" {
		name = s.Prefix + "-" + tool
	}
	name = clean(name)
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(s.Name + "\x00" + tool))
	return name[:maxName-9] + "_" + hex.EncodeToString(sum[:4])
}

// clean puts _ for every character that names must not have.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

// names are those that a request has given away.
type names map[string]bool

// take returns name, or name with the first of _2, _3, … that makes it free.
func (n names) take(name string) string {
	free := name
	for i := 2; n[free]; i++ {
		suffix := "_" + strconv.Itoa(i)
		free = name[:min(len(name), maxName-len(suffix))] + suffix
	}
	n[free] = true
	return free
}

// fold is the form in which names of servers are compared: lower case, with - for _. It keeps the length.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_':
			return '-'
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
}
