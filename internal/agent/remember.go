package agent

import (
	"context"
	"iter"
	"log/slog"

	"github.com/fairlead/fairlead/internal/llm"
)

// Remember answers as model does, and keeps what only the model's own wire can say of a turn (signatures, reasoning) where
// the client's dialect has no place for it and the turn goes on with the client's answers to its calls. The turn is put back
// when they come; see Restore. It is for requests whose tools are the client's alone: a Loop remembers by itself.
func Remember(model llm.Model, k Keeper, principal string, log *slog.Logger) llm.Model {
	return llm.Func(func(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			r := &run{loop: &Loop{Keeper: k, Principal: principal, Log: log}, req: req}
			t := r.newTurn()
			for ev, err := range model.Generate(ctx, req) {
				if err == nil {
					t.take(&ev)
				}
				if t.ended { // before the client knows its calls
					r.keep(ctx, t, nil)
				}
				if !yield(ev, err) {
					return
				}
			}
		}
	})
}

// foreign reports whether the turn says something that the client's dialect cannot bring back.
func (t *turn) foreign() bool {
	return t.wire != "" && len(t.extras) > 0 && t.wire != t.r.req.Raw.Wire
}
