package provider_test

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
)

func TestClient(t *testing.T) {
	tr := provider.Transport(0)
	t.Cleanup(tr.CloseIdleConnections)
	providertest.Run(t, func(o providertest.Options) (llm.Model, error) {
		w, err := chat.NewUpstream(wire.Quirks{})
		if err != nil {
			return nil, err
		}
		return provider.New(provider.Config{
			Name: "acme", BaseURL: o.BaseURL, Key: o.Key, Headers: o.Headers, Wire: w, Transport: tr, Timeouts: o.Timeouts,
		})
	})
}
