package mcp

import (
	"slices"
)

// Use is one wish: to see a server (Tool is empty), to see a tool of it (Arguments is nil), or to run that tool.
type Use struct {
	Server    string
	Tool      string // the server's own name
	Arguments []byte // a JSON object
	Prompt    string // to see or get a prompt, by the server's own name
	Resource  string // to see, read or follow a resource, by the server's own URI or template
	External  bool   // the server is named by the request and not by the config
}

// Access answers what one principal may do. It is asked for each use anew, so that it may follow a change of permissions
// while a request runs. A nil Access permits nothing.
type Access func(Use) bool

// Only is the access of a principal to some servers by name; "*" stands for all. Servers that a request names by their own
// address are judged by Selection.External alone.
func Only(servers []string) Access {
	all := slices.Contains(servers, "*")
	return func(u Use) bool { return all || u.External || slices.Contains(servers, u.Server) }
}

// Admit answers whether a principal may make a use of a server: it is the one place that does, for lists and for calls
// alike. What it refuses looks to the principal like what does not exist.
func Admit(a Access, s *Server, tool string, args []byte) bool {
	if tool != "" && (s.Allow != nil && !slices.Contains(s.Allow, tool) || slices.Contains(s.Deny, tool)) {
		return false
	}
	return a != nil && a(Use{Server: s.Name, Tool: tool, Arguments: args, External: s.External})
}

// admitPrompt and admitResource are Admit for what servers have beside tools.
func admitPrompt(a Access, s *Server, name string) bool {
	return a != nil && a(Use{Server: s.Name, Prompt: name, External: s.External})
}

func admitResource(a Access, s *Server, uri string) bool {
	return a != nil && a(Use{Server: s.Name, Resource: uri, External: s.External})
}
