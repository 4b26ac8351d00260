package auth

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
)

// Identity is who sends a request, and what may be used. A nil Identity may use nothing.
type Identity struct {
	Name    string   // the key's; empty for Anyone
	Attach  []string // servers of a request that names no MCP server itself, in the config's order
	models  access
	servers access
}

// access is a set of names and of their beginnings, or all names.
type access struct {
	all        bool
	names      map[string]bool
	beginnings []string
}

func (a access) has(name string) bool {
	return a.all || a.names[name] || slices.ContainsFunc(a.beginnings, func(b string) bool { return strings.HasPrefix(name, b) })
}

var anyone = &Identity{models: access{all: true}, servers: access{all: true}}

// Anyone is the identity of all requests when no keys are configured: it may use every model and every server.
func Anyone() *Identity { return anyone }

// Principal is whose everything is that outlives a request or that a client holds: handles, kept replies, approvals, stored
// logins. No two who may differ have the same. It is empty for Anyone.
func (i *Identity) Principal() string { return i.Name }

// AllowsModel reports whether the model that clients call name may be used.
func (i *Identity) AllowsModel(name string) bool { return i != nil && i.models.has(name) }

// AllowsServer reports whether the MCP server with this name in the config may be used.
func (i *Identity) AllowsServer(name string) bool { return i != nil && i.servers.has(name) }

func identity(k config.Key) *Identity {
	id := &Identity{Name: k.Name, Attach: k.Attach, models: set(k.Models), servers: set(k.Servers)}
	id.models.all = id.models.all || k.Models == nil
	for _, m := range k.Models {
		if b, ok := strings.CutSuffix(m, "*"); ok {
			id.models.beginnings = append(id.models.beginnings, b)
		}
	}
	return id
}

func set(names []string) access {
	a := access{names: make(map[string]bool, len(names))}
	for _, n := range names {
		a.names[n] = true
		a.all = a.all || n == "*"
	}
	return a
}
