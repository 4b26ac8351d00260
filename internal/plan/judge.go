package plan

import (
	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/policy"
)

// judge asks the rules about a use that the principal's permissions let through.
func (p *Planner) judge(id *auth.Identity, u mcp.Use) mcp.Verdict {
	if p.Rules == nil {
		return mcp.Verdict{Decision: mcp.Allow}
	}
	rules := p.Rules()
	if rules == nil {
		return mcp.Verdict{Decision: mcp.Allow}
	}
	v := rules.Decide(&policy.Facts{
		Principal: id.Name, Subject: id.Subject, Scopes: id.Scopes(), Server: u.Server, External: u.External, Untrusted: u.Untrusted,
		Tool: u.Tool, ReadOnly: u.Hints.ReadOnly, Destructive: u.Hints.Destructive(), Idempotent: u.Hints.Idempotent, OpensUp: u.Hints.OpenWorld(),
		Prompt: u.Prompt, Resource: u.Resource, Args: u.Arguments, Tainted: u.Tainted,
	})
	out := mcp.Verdict{Rule: v.Rule, Reason: v.Reason}
	switch v.Decision {
	case policy.Allow:
		out.Decision = mcp.Allow
	case policy.Ask:
		out.Decision = mcp.Ask
	case policy.Deny:
	}
	return out
}
