// Package agent is the tool loop: a Model around a Model that runs the calls which the model makes, tells it what came of
// them, and goes on until it answers. The loop knows no wire.
package agent

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// Loop answers a request with as many rounds of the inner Model as its tools and limits allow. The reply is one stream of
// events in the grammar of llm.Kind. A Loop serves one request.
type Loop struct {
	Model     llm.Model
	Tools     Toolbox
	Errors    []llm.ServerError // servers that could not be listed: told with the tools
	Limits    Limits
	Keeper    Keeper // where the hidden halves of mixed turns go; nil: they are dropped
	Principal string // whose they are
	Log       *slog.Logger
}

var _ llm.Model = (*Loop)(nil)

// Generate runs the loop. Once a tool has run, its errors are marked fault.Error.Final.
func (l *Loop) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		r := l.begin(req)
		if !yield(llm.Event{Kind: llm.Note, Note: &llm.Notice{Tools: r.offered, Errors: l.Errors}}, nil) {
			return
		}
		if !r.answer(ctx, yield) {
			return
		}
		for {
			turn, ok := r.ask(ctx, yield)
			if !ok || !r.last && !r.review(turn, yield) {
				return
			}
			ours := turn.calls(runs)
			switch {
			case len(ours) == 0 || r.last:
				r.close(ctx, turn, refused(ours), yield)
				return
			case !turn.shared() && !yield(llm.Event{Kind: llm.TurnEnd, Stop: turn.stop, Usage: turn.usage}, nil):
				return
			}
			results, ok := r.run(ctx, ours, yield)
			if !ok {
				return
			}
			if turn.shared() {
				r.close(ctx, turn, results, yield)
				return
			}
			r.add(turn, results)
			if r.req.Params.Pauses && r.spent(r.round+1, time.Now()) {
				yield(llm.Event{Kind: llm.End, Stop: llm.StopPause}, nil)
				return
			}
		}
	}
}

// ask has the model make one turn and passes it on as it is made. It reports false when the reply is over: the client has
// gone, or the error has been told.
func (r *run) ask(ctx context.Context, yield func(llm.Event, error) bool) (*turn, bool) {
	t := r.newTurn()
	for ev, err := range r.loop.Model.Generate(ctx, r.next()) {
		if err != nil {
			yield(llm.Event{}, r.final(err))
			return nil, false
		}
		if t.take(&ev) && !yield(ev, nil) {
			return nil, false
		}
	}
	if !t.ended {
		yield(llm.Event{}, r.broken())
		return nil, false
	}
	if !t.settle(yield) {
		return nil, false
	}
	obs.From(ctx).Rounds = r.round
	return t, true
}

// next is the request of the next round: the client's, with what the rounds so far have added. A forced tool choice
// holds for the first round only; at a limit the tools stay, for the sake of prompt caches, and may not be called.
func (r *run) next() *llm.Request {
	r.round++
	r.out = *r.req
	req := &r.out
	req.AddedTools, req.Behind, req.AddedMessages = r.offered, r.behind, r.added
	switch {
	case !r.last && r.spent(r.round, time.Now()):
		r.last = true
		fallthrough
	case r.last:
		req.ToolChoice = llm.ChoiceNone
	case r.round > 1 && req.Params.ForcedTool:
		req.ToolChoice = llm.ChoiceAuto
	}
	return req
}

// close ends the reply with what the client must know: the questions to it, and why the model stopped. A model that calls
// tools although it may not any more has run into the limit.
func (r *run) close(ctx context.Context, t *turn, results []llm.Result, yield func(llm.Event, error) bool) {
	r.keep(ctx, t, results)
	if !r.last && !r.question(ctx, t, yield) {
		return
	}
	stop := t.stop
	switch {
	case t.toClient > 0 && stop == llm.StopDone:
		stop = llm.StopTools
	case t.toClient == 0 && r.last && len(t.made) > 0:
		stop = llm.StopLength
	case t.toClient == 0 && len(t.made) > 0:
		stop = llm.StopDone
	}
	yield(llm.Event{Kind: llm.End, Stop: stop, Usage: t.usage}, nil)
}
