package app

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/policy"
	providerall "github.com/fairlead/fairlead/internal/provider/all"
	"github.com/fairlead/fairlead/internal/secret"
)

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
	o.CheckRule = func(expr string) (bad []config.ExprMistake) {
		for _, m := range policy.Check(expr) {
			bad = append(bad, config.ExprMistake(m))
		}
		return bad
	}
	for _, d := range providerall.Drivers() {
		o.ProviderNames = append(o.ProviderNames, d.Name)
	}
	o.ProviderWires = func(name string) []string {
		d, _ := providerall.Lookup(name)
		return d.Wires
	}
	return o
}

// servers turns the config's servers into the catalogue's.
func servers(cfg *config.Config) []mcp.Server {
	var out []mcp.Server
	for _, s := range cfg.Servers {
		out = append(out, mcp.Server{
			Name: s.Name, Command: s.Command, Env: reveal(s.Env), URL: s.URL, Transport: s.Transport, Protocol: s.Protocol, Headers: reveal(s.Headers),
			ForwardHeaders: s.ForwardHeaders, Auth: serverAuth(&s.Auth), Allow: s.Allow, Deny: s.Deny, Params: s.Params, Untrusted: s.Untrusted, Prefix: s.Prefix,
			Timeout: s.Timeout, ListTTL: s.ListTTL, Children: s.ClientProcesses,
		})
		describe(&out[len(out)-1], &s)
	}
	return out
}

// toolsets turns the config's toolsets into the catalogue's.
func toolsets(cfg *config.Config) []mcp.Toolset {
	var out []mcp.Toolset
	for _, t := range cfg.Toolsets {
		tools := make(map[string][]string, len(t.Choices))
		for _, c := range t.Choices {
			if tools[c.Server] = c.Tools; c.Whole() {
				tools[c.Server] = nil
			}
		}
		out = append(out, mcp.Toolset{Name: t.Name, Tools: tools})
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

// ownHosts are the names under which a gateway is reached that listens on an address, and that clients know by a URL.
func ownHosts(listen, public string) []string {
	var list []string
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
		list = append(list, listen, strings.ToLower(host))
	}
	if u, err := url.Parse(public); err == nil && u.Host != "" {
		list = append(list, u.Host, u.Hostname())
	}
	return list
}
