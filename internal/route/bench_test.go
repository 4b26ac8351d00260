package route_test

import (
	"context"
	"iter"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/route"
)

// quick answers with 100 pieces and allocates nothing.
type quick struct{}

func (quick) Generate(context.Context, *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for range 100 {
			if !yield(llm.Event{Kind: llm.Text, Text: "x"}, nil) {
				return
			}
		}
		yield(llm.Event{Kind: llm.End}, nil)
	}
}

func benchModel() llm.Model {
	return route.New(route.Options{Name: "m", Deployments: []route.Deployment{{Name: "a", Model: quick{}}, {Name: "b", Model: quick{}}}})
}

func BenchmarkGenerate(b *testing.B) {
	for name, m := range map[string]llm.Model{"bare": quick{}, "routed": benchModel()} {
		b.Run(name, func(b *testing.B) {
			ctx, req := obs.With(b.Context(), new(obs.Call)), &llm.Request{Model: "m"}
			b.ReportAllocs()
			for b.Loop() {
				for range m.Generate(ctx, req) {
				}
			}
		})
	}
}

// TestAllocations bounds what a choice costs beside the request itself.
func TestAllocations(t *testing.T) {
	m := benchModel()
	ctx, req := obs.With(t.Context(), new(obs.Call)), &llm.Request{Model: "m"}
	if n := testing.AllocsPerRun(100, func() {
		for range m.Generate(ctx, req) {
		}
	}); n > 6 {
		t.Errorf("%v allocations for a request", n)
	}
}
