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

// owners are the beginnings of offered names that belong to one server each, whether or not it could be listed.
type owners struct {
	prefixes []string // with the "-" behind it
	servers  []*Server
}

func ownersOf(picks []*pick) (o owners) {
	if len(picks) == 1 {
		return o // nobody else's
	}
	for _, k := range picks {
		if s := &k.pool.server; s.Prefix != "" {
			o.prefixes = append(o.prefixes, clean(s.Prefix+"-"))
			o.servers = append(o.servers, s)
		}
	}
	return o
}

// name is the offered name of a server's tool before collisions are looked at. A tool that would take a name of another
// server's, because its own server has no prefix or a shorter one, has its server's name before it.
func (o *owners) name(s *Server, tool, offered string) string {
	owner, longest := s, 0
	for i, p := range o.prefixes {
		if len(p) > longest && strings.HasPrefix(offered, p) {
			owner, longest = o.servers[i], len(p)
		}
	}
	if owner == s || owner.Prefix == s.Prefix {
		return offered
	}
	own := *s
	own.Prefix = s.Name
	return offeredName(&own, tool)
}

// names are those that a request has given away. Without a map, none is taken and nobody asks for the same twice.
type names map[string]bool

// take returns name, or name with the first of _2, _3, … that makes it free.
func (n names) take(name string) string {
	if n == nil {
		return name
	}
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
