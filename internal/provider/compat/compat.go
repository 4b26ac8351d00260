// Package compat has the vendors that speak OpenAI's chat wire, as data: one row each.
package compat

import (
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

// Row is one vendor.
type Row struct {
	Name    string   // as the config's provider
	Title   string   // for people
	BaseURL string   // empty: every installation has its own
	KeyEnv  string   // the variable that the vendor's own tools read the key from
	BaseEnv string   // the variable that they read the base URL from
	NeedKey bool     // answers nobody without a key
	Wires   []string // beside chat, which all of them speak
	Quirks  wire.Quirks
}

const (
	chat      = "chat"
	responses = "responses"
	messages  = "messages"
)

// wires are the names of the wires that the vendor speaks, the one that is spoken unasked first.
func (r Row) wires() []string { return append([]string{chat}, r.Wires...) }

// Rows are all vendors, in the order in which they are listed to people.
func Rows() []Row { return append([]Row(nil), rows...) }

// Drivers are the drivers of all rows.
func Drivers() []provider.Driver {
	ds := make([]provider.Driver, 0, len(rows))
	for _, r := range rows {
		ds = append(ds, r.driver())
	}
	return ds
}

func (r Row) driver() provider.Driver {
	d := provider.Driver{Name: r.Name, Title: r.Title, BaseURL: r.BaseURL, BaseEnv: r.BaseEnv, NeedsKey: r.NeedKey, Wires: r.wires(), Open: r.open}
	if r.KeyEnv != "" {
		d.KeyEnv = []string{r.KeyEnv}
	}
	return d
}

func (r Row) open(t provider.Target, env provider.Env) (*provider.Client, error) {
	base := t.BaseURL
	if base == "" {
		base = r.BaseURL
	}
	if base == "" {
		return nil, &provider.Mistake{Field: "base_url", Message: "is needed for provider " + r.Name}
	}
	if r.NeedKey && t.Key.Empty() && t.BaseURL == "" {
		return nil, &provider.Mistake{Field: "api_key", Message: "is needed for provider " + r.Name + r.hint()}
	}
	name, err := provider.PickWire(r.Name, t.Wire, r.wires())
	if err != nil {
		return nil, err
	}
	errands := provider.Errands{BaseURL: base, Model: t.Model}
	var defaults map[string]string
	if name == messages { // its paths begin with the version that the others have in their base URLs
		base = withoutVersion(base)
		defaults = map[string]string{"anthropic-version": "2023-06-01"}
	}
	q := r.Quirks
	q.Model = t.Model
	w, err := env.Wire(name, q)
	if err != nil {
		return nil, err
	}
	return provider.New(provider.Config{
		Name: r.Name, BaseURL: base, Key: t.Key, Headers: t.Headers, Defaults: defaults, Wire: w, Errands: errands,
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	})
}

// withoutVersion takes /v1 from the end of a URL's path.
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

// hint says how the key is usually given.
func (r Row) hint() string {
	if r.KeyEnv == "" {
		return ""
	}
	return ", as in api_key: ${" + r.KeyEnv + "}"
}
