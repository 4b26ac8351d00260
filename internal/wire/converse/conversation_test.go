package converse

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// TestConversations has random conversations written for a provider of this wire, and read by the scripted model, which refuses
// what the vendor refuses.
func TestConversations(t *testing.T) {
	u, err := NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	model := providertest.Handler(func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
	wiretest.Conversations(t, wiretest.TextsFirst, func(ms []llm.Message) ([]llm.Message, error) {
		body, err := u.AppendRequest(nil, &llm.Request{Model: "anthropic.claude-3", Messages: ms, Tools: wiretest.Tools()})
		if err != nil {
			return nil, err
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, u.PathFor(&llm.Request{Model: "anthropic.claude-3"}), bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer k")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		model.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return nil, errors.New(w.Body.String())
		}
		all := model.Requests()
		return all[len(all)-1].Conversation(), nil
	})
}
