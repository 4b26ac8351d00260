package mcp

import (
	"slices"

	"github.com/fairlead/fairlead/internal/llm"
)

// Review says whether a call may run, by what its arguments are and what the model had read when it made it.
func (b *Toolbox) Review(call llm.Call) llm.Review {
	i, known := b.find(call.Name)
	if !b.judged || !known {
		return llm.Review{}
	}
	r := &b.routes[i]
	args, ok := arguments(call.Arguments)
	if !ok {
		return llm.Review{}
	}
	v := Admit(b.access, &b.current(r).server, Use{Principal: b.principal, Tool: r.tool, Hints: r.hints, Arguments: args, Tainted: call.Tainted})
	return llm.Review{Held: v.Decision == Ask, Refused: v.Decision == Refuse, Reason: v.Reason}
}

// Doubts are the servers of no trust among those whose results a conversation shows. A server that this request does not name
// is looked for in the config; one that is nowhere has no trust, where there are servers that have none.
func (b *Toolbox) Doubts(shown []llm.Call) []string {
	if !b.judged {
		return nil
	}
	var out []string
	for i := range shown {
		if s := b.doubt(&shown[i]); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// doubt is the server of no trust that a call was made of; "" when it can be trusted, or the call is not one of ours.
func (b *Toolbox) doubt(c *llm.Call) string {
	if c.Label == "" {
		if i, known := b.find(c.Name); known && b.current(&b.routes[i]).server.Untrusted {
			return b.served[i].Server
		}
		return ""
	}
	for i := range b.served {
		if t := &b.served[i]; t.Label == c.Label && (t.Tool == c.Tool || t.Name == c.Tool) {
			if b.current(&b.routes[i]).server.Untrusted {
				return t.Server
			}
			return ""
		}
	}
	if b.own.tools != nil && slices.Contains(ownNames[1:], c.Tool) {
		return "" // what it showed was of other calls
	}
	if p := b.c.pool(c.Label); p != nil {
		if p.server.Untrusted {
			return c.Label
		}
		return ""
	}
	if b.doubtful || slices.ContainsFunc(b.c.pools(), func(p *pool) bool { return p.server.Untrusted }) {
		return c.Label
	}
	return ""
}
