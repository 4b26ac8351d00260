package plan

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/mcp"
)

// attachHeader names servers for clients that cannot put an entry into the request's tools.
const attachHeader = "X-Fairlead-Mcp"

// entries are the MCP entries of a request: its own, what the header adds, and, when neither names a server, what the
// caller's key attaches.
func (p *Planner) entries(c Caller, req *llm.Request) (entries []llm.MCPEntry, byKey bool) {
	entries = req.MCP
	var names []string
	for name := range strings.SplitSeq(strings.Join(c.Header.Values(attachHeader), ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		entries = append(slices.Clip(entries), mcp.Attach(strings.ToLower(attachHeader), names...))
	}
	if len(entries) == 0 && len(c.Identity.Attach) > 0 {
		return []llm.MCPEntry{mcp.Attach("attach", c.Identity.Attach...)}, true
	}
	return entries, false
}

// selection is what the catalogue must know of a caller.
func (p *Planner) selection(c Caller) mcp.Selection {
	sel := mcp.Selection{
		Principal: c.Identity.Principal(),
		Who:       called(c.Identity),
		Doubtful:  p.Doubtful,
		Judged:    p.Rules != nil && p.Rules() != nil,
		Access: func(u mcp.Use) mcp.Verdict {
			id := c.Identity
			if p.Now != nil {
				id = p.Now(id)
			}
			if id == nil || !p.allows(id, &u) {
				return mcp.Verdict{}
			}
			if u.Toolset != "" { // the rules are about what is in it
				return mcp.Verdict{Decision: mcp.Allow}
			}
			return p.judge(id, u)
		},
		Header: c.Header, Key: c.Credential.Key.Reveal(), Forward: c.Credential.Forwards, Hosts: c.Hosts, External: p.External,
		Toolsets: p.Toolsets,
	}
	if !sel.Judged {
		sel.Whole = func(server string) bool {
			id := c.Identity
			if p.Now != nil {
				id = p.Now(id)
			}
			return id.AllowsWhole(server)
		}
	}
	if c.Identity.Scoped() {
		sel.Token = c.Credential.Key
	}
	sel.Search, sel.Invalid = searches(c)
	if cmp.Or(c.Identity.LongResults, p.LongResults) == config.ResultsSpill {
		sel.Spill = p.SpillBytes
	}
	return sel
}

// called is what people call who asks: the name of a key, or whom a token is about and who issued it.
func called(id *auth.Identity) string {
	if id.Subject == "" {
		return id.Name
	}
	return id.Subject + " (" + id.Name + ")"
}

// searchHeader says for one request whether its tools are found by a search, whatever the key says.
const searchHeader = "X-Fairlead-Tool-Search"

// searches reports whether the tools of a request are found by a search.
func searches(c Caller) (bool, error) {
	switch v := c.Header.Get(searchHeader); v {
	case "":
		return c.Identity.ToolSearch, nil
	case "true", "false":
		return v == "true", nil
	}
	return false, fault.Invalidf(strings.ToLower(searchHeader), "%s must be true or false", strings.ToLower(searchHeader))
}

// allows reports whether the permissions of an identity cover a use.
func (p *Planner) allows(id *auth.Identity, u *mcp.Use) bool {
	switch {
	case u.External:
		return true
	case u.Toolset != "":
		i := slices.IndexFunc(p.Toolsets, func(t mcp.Toolset) bool { return t.Name == u.Toolset })
		return i >= 0 && id.AllowsToolset(u.Toolset, p.Toolsets[i].Servers())
	case u.Tool != "":
		return id.AllowsTool(u.Server, u.Tool)
	case u.Prompt != "" || u.Resource != "":
		return id.AllowsWhole(u.Server)
	}
	return id.AllowsServer(u.Server)
}

// Visit is a request of an MCP client to a server, or to several with commas between them, or to all that it may use.
func (p *Planner) Visit(c Caller, route, server string) *mcp.Visit {
	v := &mcp.Visit{Principal: c.Identity.Principal(), Route: route, Server: server, Selection: p.selection(c)}
	if c.Identity.Scoped() {
		v.Until = c.Identity.Until()
		v.Challenge = func(u mcp.Use) string {
			return c.Identity.Insufficient(route, func(id *auth.Identity) bool { return p.allows(id, &u) })
		}
	}
	return v
}

// Tools lists the tools of all servers that the caller may use, as they are offered, and the servers that failed.
func (p *Planner) Tools(ctx context.Context, c Caller) ([]llm.Tool, []llm.ServerError, error) {
	return p.Servers.List(ctx, p.selection(c))
}
