package agent_test

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/llm"
)

// signing is a model that calls a tool and signs what it has said.
func signing(name string) llm.Model {
	return llm.Func(func(context.Context, *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			for _, ev := range []llm.Event{
				{Kind: llm.Start, Head: &llm.Head{ID: "r"}},
				{Kind: llm.Text, Text: "See: "},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "7", Name: name, Arguments: `{"x":1}`, Extra: []byte(`"s":1`)}, Extra: llm.Extra{Wire: "theirs"}},
				{Kind: llm.Other, Extra: llm.Extra{Wire: "theirs", Delta: []byte(`"parts":[1]`)}},
				{Kind: llm.End, Stop: llm.StopTools},
			} {
				if !yield(ev, nil) {
					return
				}
			}
		}
	})
}

// TestWhatADialectCannotBringBack wants a signed turn put back when the client answers its calls, with the loop and without,
// and nothing kept of a turn whose own wire the client speaks.
func TestWhatADialectCannotBringBack(t *testing.T) {
	loop := func(m llm.Model, k agent.Keeper) llm.Model {
		l := newLoop(m, newBox().text("a", "x"))
		l.Keeper = k
		return l
	}
	direct := func(m llm.Model, k agent.Keeper) llm.Model {
		return agent.Remember(m, k, "dev", slog.New(slog.DiscardHandler))
	}
	for _, tt := range []struct {
		name  string
		model func(llm.Model, agent.Keeper) llm.Model
		wire  string
		shows bool
		kept  bool
	}{
		{"without the loop", direct, "chat", false, true},
		{"of a client that sees our calls", direct, "responses", true, true},
		{"with the loop", loop, "chat", false, true},
		{"with the loop, of a client that sees our calls", loop, "responses", true, true},
		{"of its own wire", direct, "theirs", false, false},
		{"of its own wire, with the loop", loop, "theirs", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := agent.NewMemory(1<<20, time.Hour)
			req := request()
			req.Raw.Wire, req.Params.Shows, req.Tools = tt.wire, tt.shows, []llm.Tool{{Name: "mine"}}
			for ev, err := range tt.model(signing("mine"), k).Generate(t.Context(), req) {
				if err != nil {
					t.Fatal(err)
				}
				if ev.Kind == llm.End && k.Holds("dev") != tt.kept {
					t.Errorf("when the client knows its call, kept is %v", !tt.kept)
				}
			}
			next := request()
			next.Params.PastCalls = []llm.Call{{ID: "7", Name: "mine", Arguments: `{ "x": 1 }`}}
			next.Messages = []llm.Message{{Role: llm.Assistant, Text: "See:", Calls: next.Params.PastCalls}}
			if err := agent.Restore(t.Context(), k, "dev", next); err != nil {
				t.Fatal(err)
			}
			m := next.Conversation()
			if len(m) != 1 || (string(m[0].Extra) == `"parts":[1]` && m[0].Wire == "theirs" && m[0].Text == "See: " && string(m[0].Calls[0].Extra) == `"s":1`) != tt.kept {
				t.Errorf("the conversation is %+v", m)
			}
		})
	}
}
