package app

import (
	"context"
	"fmt"
	"iter"
	"net"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/provider"
	providerall "github.com/fairlead/fairlead/internal/provider/all"
	"github.com/fairlead/fairlead/internal/secret"
	wireall "github.com/fairlead/fairlead/internal/wire/all"
)

// targets builds a client for each model of the config.
func (a *App) targets(cfg *config.Config) ([]plan.Target, error) {
	env := provider.Env{
		Transport: a.transport, Wire: wireall.Upstream,
		Timeouts: provider.Timeouts{Connect: cfg.Timeouts.Connect, FirstByte: cfg.Timeouts.FirstByte, BetweenEvents: cfg.Timeouts.BetweenEvents},
	}
	var out []plan.Target
	for _, m := range cfg.Models {
		d, ok := providerall.Lookup(m.Provider)
		if !ok {
			return nil, fmt.Errorf("models: %s: there is no provider %q", m.Name, m.Provider)
		}
		client, err := d.Open(provider.Target{Model: m.Model, BaseURL: m.BaseURL, Key: m.APIKey, Headers: reveal(m.Headers)}, env)
		if err != nil {
			return nil, fmt.Errorf("models: %s: %w", m.Name, err)
		}
		t := plan.Target{Name: m.Name, Provider: m.Provider, Wire: client.Wire(), Model: client, DropUnknown: m.DropUnknown}
		if prefix, ok := strings.CutSuffix(m.Name, "*"); ok && prefix != "" {
			t.Model = below{client, prefix}
		}
		out = append(out, t)
	}
	return out, nil
}

// below passes a model's name on without the prefix under which it is offered.
type below struct {
	llm.Model
	prefix string
}

// Generate asks the model below.
func (b below) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	own := *req
	own.Model = strings.TrimPrefix(req.Model, b.prefix)
	return b.Model.Generate(ctx, &own)
}

// FromEnv is the config of a gateway without a file: each provider whose key the environment holds is offered under
// "provider/model". The error says what to do when there is none.
func FromEnv(getenv func(string) string) (*config.Config, error) {
	cfg := config.Default()
	for _, f := range providerall.FromEnv(getenv) {
		cfg.Models = append(cfg.Models, config.Model{Name: f.Driver.Name + "/*", Place: config.Place{Provider: f.Driver.Name, APIKey: f.Target.Key, BaseURL: f.Target.BaseURL}})
	}
	if len(cfg.Models) == 0 {
		return nil, fmt.Errorf("there is no model to serve: set a provider's key such as OPENAI_API_KEY, or name a config with --config FILE")
	}
	return cfg, nil
}

// ConfigOptions tell config about the environment and the providers.
func ConfigOptions(getenv func(string) string) config.Options {
	o := config.Options{Getenv: getenv, KnownProvider: func(name string) (known, needsKey, needsBaseURL bool) {
		d, ok := providerall.Lookup(name)
		return ok, d.NeedsKey, d.BaseURL == ""
	}}
	for _, d := range providerall.Drivers() {
		o.ProviderNames = append(o.ProviderNames, d.Name)
	}
	return o
}

// servers turns the config's servers into the catalogue's.
func servers(cfg *config.Config) []mcp.Server {
	var out []mcp.Server
	for _, s := range cfg.Servers {
		out = append(out, mcp.Server{
			Name: s.Name, Command: s.Command, Env: reveal(s.Env), URL: s.URL, Transport: s.Transport, Protocol: s.Protocol, Headers: reveal(s.Headers),
			ForwardHeaders: s.ForwardHeaders, Allow: s.Allow, Deny: s.Deny, Prefix: s.Prefix, Timeout: s.Timeout, ListTTL: s.ListTTL,
		})
	}
	return out
}

func reveal(m map[string]secret.String) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v.Reveal()
	}
	return out
}

// ownHosts are the names under which a gateway that listens on addr is reached.
func ownHosts(addr string) []string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return nil
	}
	return []string{addr, strings.ToLower(host)}
}
