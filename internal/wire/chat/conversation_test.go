package chat

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// TestConversations has random conversations written for a provider of this wire, and read by its door.
func TestConversations(t *testing.T) {
	u, err := NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	wiretest.Conversations(t, wiretest.InOrder, func(ms []llm.Message) ([]llm.Message, error) {
		body, err := u.AppendRequest(nil, &llm.Request{Model: "m", Messages: ms, Tools: wiretest.Tools()})
		if err != nil {
			return nil, err
		}
		req, err := Door{}.ReadRequest(nil, body)
		if err != nil {
			return nil, err
		}
		err = Door{}.DecodeAll(t.Context(), req)
		return req.Messages, err
	})
}
