// Package anthropic is the driver for Anthropic, and for whatever speaks its Messages API at another address.
package anthropic

import (
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name    = "anthropic"
	baseURL = "https://api.anthropic.com"
	keyEnv  = "ANTHROPIC_API_KEY"
	// version is the version of the API that the gateway's own requests are written for. A client's own version goes along
	// with the bytes that it has written (https://docs.anthropic.com/en/api/versioning).
	version = "2023-06-01"
)

// wires are the wires that it is spoken to in.
var wires = []string{"messages"}

// Driver returns the driver.
func Driver() provider.Driver {
	return provider.Driver{
		Name: name, Title: "Anthropic", KeyEnv: []string{keyEnv}, BaseURL: baseURL, BaseEnv: "ANTHROPIC_BASE_URL", NeedsKey: true,
		Wires: wires, Open: open,
	}
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	base := baseURL
	if t.BaseURL != "" {
		base = withoutVersion(t.BaseURL)
	} else if t.Key.Empty() {
		return nil, &provider.Mistake{Field: "api_key", Message: "is needed for provider " + name + ", as in api_key: ${" + keyEnv + "}"}
	}
	speaks, err := provider.PickWire(name, t.Wire, wires)
	if err != nil {
		return nil, err
	}
	w, err := env.Wire(speaks, wire.Quirks{Model: t.Model})
	if err != nil {
		return nil, err
	}
	return provider.New(provider.Config{
		Name: name, BaseURL: base, Key: t.Key, Auth: "x-api-key", Headers: t.Headers, Wire: w,
		Defaults:  map[string]string{"anthropic-version": version},
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	})
}

// withoutVersion takes /v1 from the end of a URL's path: the paths of the API begin with it, and the vendor's own SDKs take
// base URLs without. Some configs have it all the same.
func withoutVersion(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	path, ok := strings.CutSuffix(strings.TrimSuffix(u.Path, "/"), "/v1")
	if !ok {
		return base
	}
	u.Path, u.RawPath = path, ""
	return u.String()
}
