package providertest_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
	"github.com/fairlead/fairlead/internal/wire/cohere"
	"github.com/fairlead/fairlead/internal/wire/converse"
	"github.com/fairlead/fairlead/internal/wire/gemini"
	"github.com/fairlead/fairlead/internal/wire/messages"
	"github.com/fairlead/fairlead/internal/wire/responses"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// TestConversations has random conversations written for a provider of each wire, and read by the scripted model, which refuses
// what vendors refuse.
func TestConversations(t *testing.T) {
	for _, c := range []struct {
		model string
		open  func(wire.Quirks) (wire.Upstream, error)
	}{
		{"gpt-5.4", func(q wire.Quirks) (wire.Upstream, error) { return chat.NewUpstream(q) }},
		{"gpt-5.4", func(q wire.Quirks) (wire.Upstream, error) { return responses.NewUpstream(q) }},
		{"claude-sonnet-4-5", func(q wire.Quirks) (wire.Upstream, error) { return messages.NewUpstream(q) }},
		{"command-a-03-2025", func(q wire.Quirks) (wire.Upstream, error) { return cohere.NewUpstream(q) }},
		{"gemini-2.5-pro", func(q wire.Quirks) (wire.Upstream, error) { return gemini.NewUpstream(q) }},
		{"gemini-3-pro-preview", func(q wire.Quirks) (wire.Upstream, error) { return gemini.NewUpstream(q) }},
		{"anthropic.claude-sonnet-4-5-20250929-v1:0", func(q wire.Quirks) (wire.Upstream, error) { return converse.NewUpstream(q) }},
	} {
		u, err := c.open(wire.Quirks{})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(u.Name()+" "+c.model, func(t *testing.T) {
			wiretest.Conversations(t, wiretest.TextsFirst, func(ms []llm.Message) ([]llm.Message, error) {
				return told(t, u, &llm.Request{Model: c.model, Messages: ms, Tools: wiretest.Tools()})
			})
		})
	}
}

// told has the scripted model asked, and returns what it was told.
func told(t *testing.T, u wire.Upstream, req *llm.Request) ([]llm.Message, error) {
	t.Helper()
	body, err := u.AppendRequest(nil, req)
	if err != nil {
		return nil, err
	}
	path := "/v1" + u.Path()
	if p, ok := u.(wire.Pather); ok {
		path = "/v1" + p.PathFor(req)
	}
	model := providertest.Handler(func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Header = http.Header{"Authorization": {"Bearer k"}, "X-Goog-Api-Key": {"k"}, "Anthropic-Version": {"2023-06-01"}, "Content-Type": {"application/json"}}
	w := httptest.NewRecorder()
	model.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, errors.New(w.Body.String())
	}
	return model.Request(1).Conversation(), nil
}
