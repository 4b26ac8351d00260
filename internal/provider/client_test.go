package provider_test

import (
	"net/http"
	"testing"

	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
)

func TestClient(t *testing.T) {
	std, own := provider.Transport(0), h1.New(h1.Options{})
	t.Cleanup(std.CloseIdleConnections)
	t.Cleanup(own.CloseIdleConnections)
	for name, rt := range map[string]http.RoundTripper{"http.Transport": std, "h1": own} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(o providertest.Options) (llm.Model, error) {
				w, err := chat.NewUpstream(wire.Quirks{})
				if err != nil {
					return nil, err
				}
				return provider.New(provider.Config{
					Name: "acme", BaseURL: o.BaseURL, Key: o.Key, Headers: o.Headers, Wire: w, Transport: rt, Timeouts: o.Timeouts,
				})
			})
		})
	}
}
