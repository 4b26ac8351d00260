// Package vet looks at what MCP servers show to models before anybody believes it. It knows two things: what of it was
// accepted, by the lockfile, and what of it reads as if it were written for a model behind its user's back, by a table of
// rules.
//
//	lock, err := vet.ReadLock("fairlead.lock")
//	diff := lock.Compare(item)    // nil fields: it is as it was accepted
//	findings := vet.Scan(item, vet.MaxText)
//
// It opens no connection and follows no reference. Everything that it reads is bounded by its caller, and the rules take
// time that grows with the text alone.
package vet

import "slices"

// The kinds of things that a server shows.
const (
	Tool         = "tool"
	Prompt       = "prompt"
	Resource     = "resource"
	Template     = "template" // of resources
	Instructions = "instructions"
)

// Kinds are all of them, in the order of the lockfile.
func Kinds() []string { return []string{Instructions, Tool, Prompt, Resource, Template} }

func rank(kind string) int { return slices.Index(Kinds(), kind) }

// Item is one thing that a server shows.
type Item struct {
	Kind string
	Name string // of tools and prompts; the URI of a resource, the text of a template
	Raw  []byte // as the server has it: one JSON value that every reader understands alike
}
