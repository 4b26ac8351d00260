// Package cohere is the driver for Cohere: its own Chat API, and the one that it has in OpenAI's form
// (https://docs.cohere.com/docs/compatibility-api), for those who ask for the wire chat.
package cohere

import (
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name     = "cohere"
	baseURL  = "https://api.cohere.com"
	likeOpen = "/compatibility/v1" // where the API in OpenAI's form is, below the address
	native   = "cohere"
	chat     = "chat"
)

// keyEnv are the variables that may hold the key: the vendor's documentation has the first, its SDKs the second.
var keyEnv = []string{"COHERE_API_KEY", "CO_API_KEY"}

// wires are the wires that it is spoken to in.
var wires = []string{native, chat}

// Driver returns the driver.
func Driver() provider.Driver {
	return provider.Driver{
		Name: name, Title: "Cohere", KeyEnv: slices.Clone(keyEnv), BaseURL: baseURL, BaseEnv: "CO_API_URL", NeedsKey: true, Wires: wires, Open: open,
	}
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	if t.BaseURL == "" {
		if t.Key.Empty() {
			return nil, &provider.Mistake{Field: "api_key", Message: "is needed for provider " + name + ", as in api_key: ${" + keyEnv[0] + "}"}
		}
		t.BaseURL = baseURL
	}
	speaks, err := provider.PickWire(name, t.Wire, wires)
	if err != nil {
		return nil, err
	}
	w, err := env.Wire(speaks, wire.Quirks{Model: t.Model})
	if err != nil {
		return nil, err
	}
	own, other := addresses(t.BaseURL)
	c := provider.Config{
		Name: name, BaseURL: own, Key: t.Key, Headers: t.Headers, Wire: w,
		Errands:   provider.Errands{BaseURL: other, Elsewhere: map[string]string{"rerank": "/v2/rerank"}, Model: t.Model},
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	}
	if speaks == chat {
		c.BaseURL = other
	}
	return provider.New(c)
}

// addresses are where the API is, without its version, and where the one in OpenAI's form is. An address may be given as
// either of them.
func addresses(base string) (own, other string) {
	u, err := url.Parse(base)
	if err != nil {
		return base, base // provider.New says what is wrong with it
	}
	at := func(path string) string {
		v := *u
		v.Path, v.RawPath = path, ""
		return v.String()
	}
	path := strings.TrimSuffix(u.Path, "/")
	if rest, ok := strings.CutSuffix(path, likeOpen); ok {
		return at(rest), base
	}
	if rest, ok := strings.CutSuffix(path, "/v1"); ok { // of somebody who speaks both below one address
		return at(rest), base
	}
	path = strings.TrimSuffix(path, "/v2")
	return at(path), at(path + likeOpen)
}
