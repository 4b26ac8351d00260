// Package plan turns a request of a caller into the llm.Model that answers it. It is the one place that knows the order in
// which models stand around models.
package plan

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/policy"
)

// Target is a model that clients may ask for by name.
type Target struct {
	Name     string // one that ends in "*" takes any name that begins so and that no other target has
	Provider string
	Wire     string // the wire that its provider speaks; empty: several, and Model sees to what each has a word for
	// WireFor is the wire for one request, which offers tools of servers or not; nil: Wire is.
	WireFor func(req *llm.Request, tools bool) string
	Model   llm.Model
	// DropUnknown leaves out what the wire has no word for, where the request came over another one; else it is refused.
	DropUnknown bool
	// Account is the same for all targets that share what a provider keeps: files, batches. Vendors are the names that providers
	// know the model by; none for one that passes the client's name on.
	Account string
	Vendors []string
}

// Planner holds what one snapshot of the config allows.
type Planner struct {
	Targets  []Target
	Servers  *mcp.Catalogue
	Toolsets []mcp.Toolset
	// LongResults says what becomes of results of tools that are too long, in the config's words, and SpillBytes how much of one
	// is kept.
	LongResults string
	SpillBytes  int
	External    []string // hosts that a request's own server_url may name
	Doubtful    bool     // what those say is not trusted
	Limits      agent.Limits
	Keeper      agent.Keeper
	// Kept returns what is kept for a principal; nil: nothing is.
	Kept func(principal string) (llm.Replies, llm.Approvals)
	// Now returns what an identity may use by the config that holds now, which may be a later one than the Planner's; nil
	// when its key is gone. A nil Now changes nothing.
	Now func(*auth.Identity) *auth.Identity
	// Rules returns the rules that hold now; nil, or a function that returns nil: there are none.
	Rules func() *policy.Policy
	Mocks bool
	Log   *slog.Logger
}

// Caller is who asks, and how.
type Caller struct {
	Identity   *auth.Identity
	Credential auth.Credential
	Header     http.Header
	Hosts      []string // the gateway's own names: a server_url with one of them is ours
}

// Decoder reads the rest of a request, for those who must look inside. A wire.Door is one.
type Decoder interface {
	Decode(ctx context.Context, req *llm.Request) error
	DecodeAll(ctx context.Context, req *llm.Request) error
}

// Plan returns the model that answers req. It sets what the way there depends on: Opaque, and what is put back into the
// conversation. d is nil when req is decoded already.
func (p *Planner) Plan(ctx context.Context, c Caller, d Decoder, req *llm.Request) (llm.Model, error) {
	model, target, err := p.model(c, req)
	if err != nil {
		return nil, err
	}
	obs.From(ctx).Provider = target.Provider
	req.Principal = c.Identity.Principal()
	entries, byKey := p.entries(c, req)
	if target.WireFor != nil {
		target.Wire = target.WireFor(req, len(entries) > 0)
	}
	if len(entries) == 0 {
		if err := p.direct(ctx, d, &target, req); err != nil || req.Opaque || req.Raw.Wire == target.Wire || p.Keeper == nil {
			return model, err
		}
		return agent.Remember(model, p.Keeper, req.Principal, p.Log), nil
	}
	p.bind(req)
	if err := decode(ctx, d, &target, req); err != nil {
		return nil, err
	}
	if req.Params.N > 1 {
		return nil, &fault.Error{Kind: fault.Invalid, Code: "n_not_supported", Param: "n", Message: "n must be 1 when the request names MCP servers: the gateway runs their tools in one conversation"}
	}
	if err := agent.Restore(ctx, p.Keeper, req.Principal, req); err != nil {
		return nil, err
	}
	box, err := p.open(ctx, c, req, entries, byKey)
	if err != nil {
		return nil, err
	}
	if err := chosen(req, box.Tools()); err != nil {
		return nil, err
	}
	return &agent.Loop{Model: rounds(model), Tools: box, Errors: box.Errors(), Limits: p.Limits, Keeper: p.Keeper, Principal: req.Principal, Log: p.Log}, nil
}

// open lists the tools that a request is offered beside its own.
func (p *Planner) open(ctx context.Context, c Caller, req *llm.Request, entries []llm.MCPEntry, byKey bool) (*mcp.Toolbox, error) {
	sel := p.selection(c)
	sel.Entries, sel.Attached, sel.Own = entries, byKey, req.Tools
	return p.Servers.Open(ctx, sel)
}

// bind gives a request what is kept for its principal.
func (p *Planner) bind(req *llm.Request) {
	if p.Kept != nil {
		req.Replies, req.Approvals = p.Kept(req.Principal)
	}
}

// direct readies a request that names no server: its reply is relayed where nobody must read it.
func (p *Planner) direct(ctx context.Context, d Decoder, t *Target, req *llm.Request) error {
	kept := req.Local || req.Detached
	req.Opaque = req.Raw.Wire != "" && req.Raw.Wire == t.Wire && req.Mock == nil && !kept
	if req.Opaque || req.Mock != nil && !kept {
		return p.restore(ctx, d, t, req)
	}
	p.bind(req)
	if err := decode(ctx, d, t, req); err != nil {
		return err
	}
	if len(req.Answers) > 0 {
		a := &req.Answers[0]
		return fault.Invalidf(a.Param, "the approved call belongs to the MCP server %q: name it in tools again", a.Pending.Label)
	}
	if err := chosen(req, nil); err != nil {
		return err
	}
	return agent.Restore(ctx, p.Keeper, req.Principal, req)
}

// decode reads what is asked for: all of it when the target speaks another wire.
func decode(ctx context.Context, d Decoder, t *Target, req *llm.Request) error {
	switch {
	case d == nil:
		return nil
	case req.Raw.Wire == t.Wire:
		return d.Decode(ctx, req)
	}
	if err := d.DecodeAll(ctx, req); err != nil || t.Wire == "" {
		return err
	}
	return t.sayable(req)
}

// chosen wants each tool of a server that a decoded tool choice names to be one of the offered. Where parameters have been
// dropped, so may have been the server.
func chosen(req *llm.Request, tools []llm.Tool) error {
	if len(req.Dropped) > 0 {
		return nil
	}
	for _, s := range req.Params.Choice.Ours() {
		if !slices.ContainsFunc(tools, func(t llm.Tool) bool { return s.Means(&t) }) {
			return fault.Invalidf("tool_choice", "tool_choice means no tool: the MCP server %q offers none of that name in this request", s.Label)
		}
	}
	return nil
}

// sayable refuses what the target's wire has no word for, or leaves it out where the config says so.
func (t *Target) sayable(req *llm.Request) error {
	left := req.Params.Left
	switch {
	case len(left) == 0:
		return nil
	case t.DropUnknown:
		req.Dropped = left
		return nil
	}
	return &fault.Error{
		Kind: fault.Invalid, Code: "unsupported_parameter", Param: left[0],
		Message: "the model " + strconv.Quote(req.Model) + " runs at " + t.Provider + ", whose wire (" + t.Wire + ") has no word for: " + strings.Join(left, ", ") + "; leave that out, or set unknown_params: drop for the model",
	}
}

// restore puts kept turns back into a conversation that names no server any more.
func (p *Planner) restore(ctx context.Context, d Decoder, t *Target, req *llm.Request) error {
	if !p.Keeper.Holds(req.Principal) {
		return nil
	}
	probe := *req
	if err := decode(ctx, d, t, &probe); err != nil {
		return nil //nolint:nilerror // what cannot be read is the provider's to refuse
	}
	if err := agent.Restore(ctx, p.Keeper, req.Principal, &probe); err != nil {
		return err
	}
	req.Restored = probe.Restored
	return nil
}

// model finds the target of a request.
func (p *Planner) model(c Caller, req *llm.Request) (llm.Model, Target, error) {
	if req.Mock != nil && !p.Mocks {
		param := "mock_response"
		if req.Mock.Text == "" {
			param = "mock_tool_calls"
		}
		return nil, Target{}, fault.Invalidf(param, "%s is refused: this gateway's config does not allow mocks (mocks: true)", param)
	}
	t, ok := p.Target(c.Identity, req.Model)
	if !ok {
		return nil, t, &fault.Error{Kind: fault.NotFound, Code: "model_not_found", Param: "model", Message: "the model " + strconv.Quote(req.Model) + " does not exist or this key may not use it; GET /v1/models lists those that it may"}
	}
	if req.Mock != nil {
		return mock{}, t, nil
	}
	return t.Model, t, nil
}

// Count returns the model that says how large req is, or nil when its wire has no way to be asked: req is decoded then.
func (p *Planner) Count(ctx context.Context, c Caller, d Decoder, op string, req *llm.Request) (llm.Model, error) {
	model, target, err := p.model(c, req)
	if err != nil {
		return nil, err
	}
	obs.From(ctx).Provider = target.Provider
	req.Op = op
	entries, byKey := p.entries(c, req)
	if req.Raw.Wire == target.Wire && len(entries) == 0 {
		req.Opaque, req.Stream = true, false
		return model, nil
	}
	if err := d.DecodeAll(ctx, req); err != nil || len(entries) == 0 {
		return nil, err
	}
	box, err := p.open(ctx, c, req, entries, byKey)
	if err == nil {
		req.AddedTools = box.Tools()
	}
	return nil, err
}

// Target returns the target of a name, if the identity may use it.
func (p *Planner) Target(id *auth.Identity, name string) (Target, bool) {
	var star *Target
	for i := range p.Targets {
		t := &p.Targets[i]
		switch {
		case t.Name == name:
			return *t, id.AllowsModel(name)
		case t.matches(name):
			star = t
		}
	}
	if star == nil {
		return Target{}, false
	}
	return *star, id.AllowsModel(star.Name) || id.AllowsModel(name)
}

// matches reports whether a target whose name ends in * takes name.
func (t *Target) matches(name string) bool {
	prefix, ok := strings.CutSuffix(t.Name, "*")
	return ok && strings.HasPrefix(name, prefix)
}

// Models are the targets that the identity may use.
func (p *Planner) Models(id *auth.Identity) []Target {
	var out []Target
	for _, t := range p.Targets {
		if id.AllowsModel(t.Name) {
			out = append(out, t)
		}
	}
	return out
}
