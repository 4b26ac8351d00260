package provider_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/provider"
)

// narrow is a model whose wire has no word for some members.
func narrow(unknown ...string) llm.Model {
	return llm.Func(func(_ context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			p := req.Params
			for _, name := range unknown {
				if p.Without(name) || name == "always" {
					yield(llm.Event{}, &fault.Error{Kind: fault.Invalid, Code: "unsupported_parameter", Param: name, Message: "no word for " + name})
					return
				}
			}
			_ = yield(llm.Event{Kind: llm.Text, Text: "fine"}, nil) && yield(llm.Event{Kind: llm.End, Stop: llm.StopDone}, nil)
		}
	})
}

func TestLenient(t *testing.T) {
	for _, tt := range []struct {
		name    string
		unknown []string
		text    string
		dropped []string
	}{
		{"all is known", nil, "fine", nil},
		{"one after the other", []string{"seed", "top_k"}, "fine", []string{"seed", "top_k"}},
		{"what cannot be left out", []string{"seed", "always"}, "", []string{"seed"}},
	} {
		call := &obs.Call{}
		req := &llm.Request{Params: llm.Params{Seed: []byte("1"), TopK: []byte("2"), TopP: []byte("3")}}
		text := ""
		var last error
		for ev, err := range provider.Lenient(narrow(tt.unknown...)).Generate(obs.With(t.Context(), call), req) {
			text, last = text+ev.Text, err
		}
		if text != tt.text || !slices.Equal(call.Dropped, tt.dropped) || (last == nil) != (tt.text != "") {
			t.Errorf("%s: text %q, dropped %q, error %v", tt.name, text, call.Dropped, last)
		}
		if req.Params.Seed == nil || req.Params.TopK == nil {
			t.Errorf("%s: the caller's request was changed", tt.name)
		}
	}
	for range provider.Lenient(narrow()).Generate(t.Context(), &llm.Request{}) {
		break // nobody is called after this
	}
}
