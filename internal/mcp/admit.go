package mcp

import (
	"cmp"
	"context"
	"slices"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/obs"
)

// Use is one wish of a principal: to see a server (Tool, Prompt and Resource are empty), to see a tool of it (Arguments is
// nil), or to run that tool; to see or get a prompt; to see, read or follow a resource.
type Use struct {
	Principal string // whose wish it is
	Server    string
	Tool      string // the server's own name
	Hints     Hints  // what the server says of that tool
	Arguments []byte // a JSON object without ambiguity: the very bytes that the server gets
	Prompt    string // the server's own name
	Resource  string // the server's own URI or template
	Toolset   string // to ask for a toolset by its name; then nothing but Principal is set beside it
	External  bool   // the server is named by the request and not by the config
	Untrusted bool   // what the server says may be written by strangers
	// Tainted are the servers of no trust whose results this request has read, in the order in which it did.
	Tainted []string
}

// Decision is what may become of a use.
type Decision uint8

// The decisions. What nobody has decided is refused.
const (
	Refuse Decision = iota
	Ask             // a person must let it happen
	Allow
)

// String is the word for a decision in the config and the log.
func (d Decision) String() string {
	switch d {
	case Allow:
		return "allow"
	case Ask:
		return "ask"
	case Refuse:
	}
	return "deny"
}

// Verdict is the answer to a use.
type Verdict struct {
	Decision Decision
	Rule     string // which rule it comes from, for the log; "" for the permissions of the principal
	Reason   string // for the log, and for who may see what is refused or asked for; it names no secret
}

// Access answers what one principal may do. It is asked for each use anew, so that it may follow a change of permissions
// while a request runs. A nil Access permits nothing.
type Access func(Use) Verdict

// permit is the verdict of a permission that has no reason beside itself.
func permit(ok bool) Verdict {
	if ok {
		return Verdict{Decision: Allow}
	}
	return Verdict{}
}

// Only is the access of a principal to some servers by name; "*" stands for all. Servers that a request names by their own
// address are judged by Selection.External alone.
func Only(servers []string) Access {
	all := slices.Contains(servers, "*")
	return func(u Use) Verdict { return permit(all || u.External || slices.Contains(servers, u.Server)) }
}

// Admit answers whether a use may be made of a server, which it puts into u: it is the one place that does, for lists and for
// calls alike, of tools and of what servers have beside them. What it refuses to show looks to the principal like what does
// not exist.
func Admit(a Access, s *Server, u Use) Verdict {
	if u.Tool != "" && !s.offers(u.Tool) {
		return Verdict{}
	}
	if list, ok := s.Params[u.Tool]; ok && u.Arguments != nil {
		if why := misfit(list, u.Arguments); why != "" {
			return Verdict{Rule: "tools.params", Reason: why}
		}
	}
	if a == nil {
		return Verdict{}
	}
	u.Server, u.External, u.Untrusted = s.Name, s.External, s.Untrusted
	return a(u)
}

// offers reports whether the config lets a tool of the server through.
func (s *Server) offers(tool string) bool {
	return (s.Allow == nil || slices.Contains(s.Allow, tool)) && !slices.Contains(s.Deny, tool)
}

// shows reports whether a use is a thing to be seen in a list: whether anybody is asked before it is used does not matter.
func shows(a Access, s *Server, u Use) bool { return Admit(a, s, u).Decision != Refuse }

// showsToolset reports whether a principal may ask for a toolset. Which of its tools are there to be seen is another question.
func showsToolset(a Access, principal, name string) bool {
	return a != nil && a(Use{Principal: principal, Toolset: name}).Decision != Refuse
}

// RefusedError says that a use of what the caller can see is refused, or not made without a person's word. Its message can be
// shown to clients and models.
type RefusedError struct{ Verdict Verdict }

// Error says why.
func (e *RefusedError) Error() string {
	text := "this call is refused by the gateway's policy; the tool was not called"
	if e.Verdict.Decision == Ask {
		text = "this call needs approval, which cannot be asked for here; the tool was not called"
	}
	if e.Verdict.Reason != "" {
		text += ": " + e.Verdict.Reason
	}
	return text
}

// Hints is what a server says of a tool (ToolAnnotations of the protocol). The zero value is what the protocol has for a tool
// of which nothing is said: it writes, it may destroy, and it reaches out into an open world.
type Hints struct {
	ReadOnly   bool // readOnlyHint
	Additive   bool // destructiveHint is false
	Idempotent bool // idempotentHint
	Closed     bool // openWorldHint is false
}

// ReadHints reads the annotations of a tool, a whole tool object without ambiguity.
func ReadHints(tool []byte) (h Hints) {
	hint := func(name string, def bool) bool {
		if v, ok := jsonedit.Bool(jsonedit.Get(tool, "annotations", name)); ok {
			return v
		}
		return def
	}
	return Hints{
		ReadOnly:   hint("readOnlyHint", false),
		Additive:   !hint("destructiveHint", true),
		Idempotent: hint("idempotentHint", false),
		Closed:     !hint("openWorldHint", true),
	}
}

// Destructive reports whether the tool may undo or overwrite. It means nothing for one that only reads.
func (h Hints) Destructive() bool { return !h.ReadOnly && !h.Additive }

// OpenWorld reports whether the tool reaches what is outside of its server.
func (h Hints) OpenWorld() bool { return !h.Closed }

// decide is the verdict on a call. It reports false when the principal may not even see the tool, so that the answer is that
// about a tool which does not exist.
func decide(a Access, s *Server, u Use) (Verdict, bool) {
	v := Admit(a, s, u)
	if v.Decision != Refuse {
		return v, true
	}
	u.Arguments, u.Tainted = nil, nil
	return v, shows(a, s, u)
}

// refused notes that a call was not made.
func (c *Catalogue) refused(ctx context.Context, s *Server, u Use, v Verdict) {
	about := cmp.Or(u.Tool, u.Prompt, u.Resource)
	c.o.Log.InfoContext(ctx, "a call of an MCP server was not made", "server", s.Name, "about", about, "principal", u.Principal,
		"decision", v.Decision.String(), "rule", v.Rule, "reason", v.Reason, obs.From(ctx).Attrs())
}
