// Package gemini is the driver for the Gemini API of Google's AI Studio. Vertex AI, which speaks the same wire, is
// provider/vertex.
//
// Sources: https://ai.google.dev/api and https://ai.google.dev/gemini-api/docs/api-key (the key and where it goes), and
// google.golang.org/genai (the address and what it is called in the environment).
package gemini

import (
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name    = "gemini"
	baseURL = "https://generativelanguage.googleapis.com"
	// version is the version of the API that has all that is asked of it: thinking, schemas in JSON Schema.
	version = "v1beta"
)

var (
	wires    = []string{"gemini"}
	versions = []string{"v1", "v1alpha", version}
	keyEnv   = []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}
)

// Driver returns the driver.
func Driver() provider.Driver {
	return provider.Driver{
		Name: name, Title: "Google AI Studio", KeyEnv: keyEnv, BaseURL: baseURL, BaseEnv: "GOOGLE_GEMINI_BASE_URL", NeedsKey: true,
		Wires: wires, Open: open,
	}
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	base := t.BaseURL
	if base == "" {
		if base = baseURL; t.Key.Empty() {
			return nil, &provider.Mistake{Field: "api_key", Message: "is needed for provider " + name + ", as in api_key: ${" + keyEnv[0] + "}"}
		}
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
		Name: name, BaseURL: withVersion(base), Key: t.Key, Auth: "x-goog-api-key", Headers: t.Headers, Wire: w,
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	})
}

// withVersion puts the API's version at the end of a URL's path, unless one stands there: the vendor's own SDKs take base URLs
// without.
func withVersion(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	if path := strings.TrimSuffix(u.Path, "/"); slices.Contains(versions, path[strings.LastIndexByte(path, '/')+1:]) {
		return base
	}
	return u.JoinPath(version).String()
}
