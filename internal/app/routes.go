package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/meter"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/provider"
	providerall "github.com/fairlead/fairlead/internal/provider/all"
	"github.com/fairlead/fairlead/internal/route"
	wireall "github.com/fairlead/fairlead/internal/wire/all"
)

// targets builds what answers to each name of the config. What is known of a deployment that stays as it was is kept.
func (a *App) targets(cfg *config.Config) ([]plan.Target, error) {
	table, err := prices(cfg)
	if err != nil {
		return nil, err
	}
	health, keep := a.healths.Renew()
	b := &builder{
		app: a, cfg: cfg, health: health, prices: table, routes: map[string]*route.Model{},
		env: provider.Env{
			Transport: a.transport, Wire: wireall.Upstream,
			Timeouts: provider.Timeouts{Connect: cfg.Timeouts.Connect, FirstByte: cfg.Timeouts.FirstByte, BetweenEvents: cfg.Timeouts.BetweenEvents},
		},
	}
	var out []plan.Target
	for i := range cfg.Models {
		t, err := b.target(&cfg.Models[i])
		if err != nil {
			return nil, fmt.Errorf("models: %s: %w", cfg.Models[i].Name, err)
		}
		out = append(out, t)
	}
	keep()
	return out, nil
}

// builder builds the targets of one config.
type builder struct {
	app    *App
	cfg    *config.Config
	env    provider.Env
	health func(identity string) *route.Health
	prices *meter.Table
	routes map[string]*route.Model // by the name that is asked for
}

// target is a model's client itself where there is nothing to choose and nothing to try again, else a route.
func (b *builder) target(m *config.Model) (plan.Target, error) {
	places := m.Places()
	t := plan.Target{Name: m.Name, Provider: places[0].Provider, DropUnknown: m.DropUnknown}
	for i := range places {
		t.Account += account(&places[i].Place)
		if name := cmp.Or(places[i].Model, m.Name); places[i].Model != "" || !m.Takes() {
			t.Vendors = append(t.Vendors, name)
		}
	}
	f := &m.Fallbacks
	if len(places) == 1 && m.Retries == 0 && len(f.RateLimit)+len(f.ContextWindow)+len(f.ContentFilter)+len(f.Outage) == 0 {
		d, err := b.deployment(m, &places[0])
		t.Wire, t.WireFor, t.Model = d.Wire, d.WireFor, d.Model
		return t, err
	}
	r, err := b.route(m, m.Name)
	if err != nil {
		return t, err
	}
	t.Wire, t.WireFor, t.Model = r.Wire(), r.WireFor, r
	return t, nil
}

// route builds the route of m for requests that ask for name: m's own, or one that its * takes.
func (b *builder) route(m *config.Model, name string) (*route.Model, error) {
	if r := b.routes[name]; r != nil {
		return r, nil
	}
	o := route.Options{
		Name: name, Strategy: route.Strategy(m.Strategy), Retries: m.Retries, DropUnknown: m.DropUnknown, Affinity: affinity, Log: b.app.log,
	}
	names := map[string]int{}
	for _, p := range m.Places() {
		d, err := b.deployment(m, &p)
		if err != nil {
			return nil, err
		}
		if names[d.Name]++; names[d.Name] > 1 {
			d.Name += "#" + strconv.Itoa(names[d.Name])
		}
		o.Deployments = append(o.Deployments, d)
	}
	r := route.New(o)
	b.routes[name] = r
	for cause, list := range map[route.Cause][]string{
		route.RateLimit: m.Fallbacks.RateLimit, route.ContextWindow: m.Fallbacks.ContextWindow,
		route.ContentFilter: m.Fallbacks.ContentFilter, route.Outage: m.Fallbacks.Outage,
	} {
		to := make([]*route.Model, 0, len(list))
		for _, other := range list {
			i := config.ModelFor(b.cfg.Models, other)
			if i < 0 {
				return nil, fmt.Errorf("fallbacks: there is no model %q", other)
			}
			f, err := b.route(&b.cfg.Models[i], other)
			if err != nil {
				return nil, fmt.Errorf("fallbacks: %s: %w", other, err)
			}
			to = append(to, f)
		}
		r.FallBack(cause, to...)
	}
	return r, nil
}

// deployment opens the client of one place of m. It is metered right there, since a price belongs to a place.
func (b *builder) deployment(m *config.Model, p *config.Deployment) (_ route.Deployment, err error) {
	d, ok := providerall.Lookup(p.Provider)
	if !ok {
		return route.Deployment{}, fmt.Errorf("there is no provider %q", p.Provider)
	}
	if p.Region != "" && !d.Regions {
		return route.Deployment{}, &provider.Mistake{Field: "region", Message: "the provider " + p.Provider + " has no regions"}
	}
	if p.Version != "" && !d.Versions {
		return route.Deployment{}, &provider.Mistake{Field: "api_version", Message: "the provider " + p.Provider + " has one version of its API"}
	}
	if !d.Projects && (p.Project != "" || !p.Credentials.Empty()) {
		return route.Deployment{}, &provider.Mistake{Field: "project", Message: "the provider " + p.Provider + " has neither project nor credentials"}
	}
	o := opener{b: b, driver: d, place: &p.Place, drop: m.DropUnknown}
	if o.known, err = provider.Models(p.Provider, provider.ModelRules{
		Unsupported: p.Rules.Unsupported, Rename: p.Rules.Rename, MaxOutput: int64(p.Rules.MaxOutput), Reasoning: p.Rules.Reasoning, Bridge: p.Rules.Bridge,
	}); err != nil {
		return route.Deployment{}, err
	}
	out := route.Deployment{
		Name: p.Provider + "/" + cmp.Or(p.Model, m.Name), Provider: p.Provider, Weight: p.Weight,
		Health: b.health(identity(&p.Place)), Price: b.prices.Of(p.Provider, p.Model).Blend,
	}
	if err = o.fill(&out); err != nil {
		return route.Deployment{}, err
	}
	if prefix, ok := strings.CutSuffix(m.Name, "*"); ok && prefix != "" {
		out.Model = below{out.Model, prefix}
		if wireFor := out.WireFor; wireFor != nil {
			out.WireFor = func(req *llm.Request, tools bool) string { return wireFor(withoutPrefix(req, prefix), tools) }
		}
	}
	return out, nil
}

// opener opens the clients of one place.
type opener struct {
	b      *builder
	driver provider.Driver
	place  *config.Place
	known  *provider.ModelSet
	drop   bool
}

// fill opens what a deployment needs: a client, or two where its rules have a bridge.
func (o *opener) fill(out *route.Deployment) (err error) {
	p := o.place
	if out.Model, out.Wire, err = o.open(p.Wire); err != nil {
		return err
	}
	if out.Wire == "chat" && p.Wire == "" && slices.Contains(o.driver.Wires, "responses") && o.known.Bridges(p.Model) {
		bridge := &provider.Bridge{Chat: out.Model, Model: p.Model, Rules: o.known.Of}
		if bridge.Responses, _, err = o.open("responses"); err != nil {
			return err
		}
		out.Model, out.WireFor = bridge, bridge.WireFor
	}
	return nil
}

// open opens a client that speaks a wire; empty: the one that the driver speaks unasked.
func (o *opener) open(wire string) (llm.Model, string, error) {
	p, env := o.place, o.b.env
	env.Wire = o.known.Wire(env.Wire)
	client, err := o.driver.Open(provider.Target{Model: p.Model, BaseURL: p.BaseURL, Region: p.Region, Project: p.Project, Credentials: p.Credentials, APIVersion: p.Version, Key: p.APIKey, Headers: reveal(p.Headers), Wire: wire}, env)
	if err != nil {
		return nil, "", err
	}
	model := llm.Model(client)
	if o.drop {
		model = provider.Lenient(model)
	}
	return meter.New(model, o.b.prices, p.Provider, p.Model), client.Wire(), nil
}

// account is the same for places at one provider with one key. It shows no secret.
func account(p *config.Place) string {
	own := *p
	own.Model, own.Wire = "", ""
	return identity(&own)
}

// identity tells places apart. It shows no secret.
func identity(p *config.Place) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q %q", p.Provider, p.Model, p.BaseURL, p.Region, p.Version, p.Wire, p.APIKey.Reveal())
	fmt.Fprintf(h, " %q %q", p.Project, p.Credentials.Reveal())
	for _, name := range slices.Sorted(maps.Keys(p.Headers)) {
		fmt.Fprintf(h, " %q %q", name, p.Headers[name].Reveal())
	}
	return string(h.Sum(nil))
}

// affinity is what a request says that its fellows have in common, by the member that the vendors use to find cached prompts:
// prompt_cache_key, or user, which it replaces, and metadata.user_id in messages.
func affinity(req *llm.Request) string {
	if k := cmp.Or(req.Params.CacheKey, req.Params.User); k != "" {
		return k
	}
	var user string
	for key, v := range jsonedit.Members(req.Raw.Bytes) {
		switch string(key) {
		case "prompt_cache_key":
			if s, ok := jsonedit.Unquote(v); ok && s != "" {
				return s
			}
		case "user":
			s, _ := jsonedit.Unquote(v)
			user = cmp.Or(s, user)
		case "metadata":
			s, _ := jsonedit.Unquote(jsonedit.Get(v, "user_id"))
			user = cmp.Or(user, s)
		}
	}
	return user
}

// below passes a model's name on without the prefix under which it is offered.
type below struct {
	llm.Model
	prefix string
}

// Generate asks the model below.
func (b below) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return b.Model.Generate(ctx, withoutPrefix(req, b.prefix))
}

func withoutPrefix(req *llm.Request, prefix string) *llm.Request {
	own := *req
	own.Model = strings.TrimPrefix(req.Model, prefix)
	return &own
}
