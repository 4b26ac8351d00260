package auth

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
)

// Identity is who sends a request, and what may be used. A nil Identity may use nothing.
type Identity struct {
	Name    string   // the key's, or that of a token's issuer; empty for Anyone
	Subject string   // whom a token's issuer means; empty for keys
	Attach  []string // servers and toolsets of a request that names no MCP server itself, in the config's order
	models  access
	servers access

	ToolSearch  bool            // it finds tools by a search
	LongResults string          // what becomes of long results of tools, in the config's words; empty: what the config says of all
	toolsets    map[string]bool // by name
	pieces      map[string]access

	principal string // empty: Name is
	token     *token // nil: a key was shown
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
// logins. No two who may differ have the same: it is the name of a key, or stands for the issuer and the subject of a token,
// whichever of their tokens it is. It is empty for Anyone.
func (i *Identity) Principal() string {
	if i.principal != "" {
		return i.principal
	}
	return i.Name
}

// AllowsModel reports whether the model that clients call name may be used.
func (i *Identity) AllowsModel(name string) bool { return i != nil && i.models.has(name) }

// AllowsServer reports whether the MCP server with this name in the config may be used, all of it or some of its tools.
func (i *Identity) AllowsServer(name string) bool {
	if i == nil {
		return false
	}
	_, piece := i.pieces[name]
	return piece || i.servers.has(name)
}

// AllowsWhole reports whether all of a server may be used: its prompts and resources too.
func (i *Identity) AllowsWhole(name string) bool {
	return i != nil && (i.servers.has(name) || i.pieces[name].all)
}

// AllowsTool reports whether a tool may be used, by the server's own name for it.
func (i *Identity) AllowsTool(server, tool string) bool {
	return i.AllowsWhole(server) || i != nil && i.pieces[server].names[tool]
}

// AllowsToolset reports whether a toolset of some servers may be asked for by its name: it was given, or one of its servers
// was.
func (i *Identity) AllowsToolset(name string, servers []string) bool {
	return i != nil && (i.toolsets[name] || slices.ContainsFunc(servers, i.servers.has))
}

func identity(k config.Key) *Identity {
	id := &Identity{
		Name: k.Name, Attach: k.Attach, models: set(k.Models), servers: set(k.Servers),
		ToolSearch: k.ToolSearch, LongResults: k.LongResults, toolsets: set(k.Toolsets).names, pieces: pieces(k.Choices),
	}
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

// pieces is what choices of tools allow of each server.
func pieces(choices []config.ToolChoice) map[string]access {
	if len(choices) == 0 {
		return nil
	}
	of := make(map[string]access, len(choices))
	for _, c := range choices {
		a := of[c.Server]
		if a.names == nil {
			a.names = make(map[string]bool, len(c.Tools))
		}
		for _, t := range c.Tools {
			a.names[t] = true
		}
		a.all = a.all || c.Whole()
		of[c.Server] = a
	}
	return of
}
