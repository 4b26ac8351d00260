package agent_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/llm"
)

// TestSentBack puts back what a client has left out, and of what it has sent back itself only its own turn, where that was
// signed.
func TestSentBack(t *testing.T) {
	own := llm.Call{ID: "own", Name: "mine", Arguments: "{}"}
	round := llm.Message{Role: llm.Assistant, Calls: []llm.Call{{ID: "ours", Name: "echo", Arguments: "{}"}}}
	result := llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: "ours", Text: "5"}}
	plain := llm.Message{Role: llm.Assistant, Calls: []llm.Call{own}}
	signed := plain
	signed.Wire, signed.Extra = "theirs", []byte(`"parts":[1]`)
	for name, tt := range map[string]struct {
		turn     llm.Message
		sentBack []string
		want     []llm.Message // nil: nothing is put back
	}{
		"left out":          {plain, nil, []llm.Message{round, result, plain}},
		"of another call":   {plain, []string{"other"}, []llm.Message{round, result, plain}},
		"sent back":         {plain, []string{"own"}, nil},
		"sent back, signed": {signed, []string{"own"}, []llm.Message{signed}},
	} {
		t.Run(name, func(t *testing.T) {
			k := agent.NewMemory(1<<20, time.Hour)
			kept := llm.Kept{IDs: []string{"own"}, Calls: []llm.Call{own}, Messages: []llm.Message{round, result, tt.turn}}
			if err := k.Keep(t.Context(), "dev", kept); err != nil {
				t.Fatal(err)
			}
			req := request()
			req.Params.PastCalls, req.Params.SentBack = []llm.Call{own}, tt.sentBack
			if err := agent.Restore(t.Context(), k, "dev", req); err != nil {
				t.Fatal(err)
			}
			var got []llm.Message
			for _, r := range req.Restored {
				got = append(got, r.Messages...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
