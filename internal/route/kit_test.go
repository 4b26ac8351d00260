package route_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/route"
)

// place is a deployment that does what state says, at any time anew.
type place struct {
	mu     sync.Mutex
	err    error                    // instead of a reply
	late   error                    // after the first event
	refuse func(*llm.Request) error // nil: err holds
	slow   time.Duration            // until the first event or the error
	asked  []time.Time
	reqs   []llm.Request
	wait   int // requests that wait for their first event
	peak   int // the most that did since the last look
}

func (p *place) set(err error, slow time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.slow = err, slow
}

// times are when it was asked.
func (p *place) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.asked...)
}

func (p *place) count() int { return len(p.times()) }

// Generate answers as the state at its begin says.
func (p *place) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		p.mu.Lock()
		p.asked, p.reqs = append(p.asked, time.Now()), append(p.reqs, *req)
		p.wait++
		p.peak = max(p.peak, p.wait)
		err, late, slow := p.err, p.late, p.slow
		if p.refuse != nil {
			err = p.refuse(req)
		}
		p.mu.Unlock()
		if slow > 0 {
			select {
			case <-time.After(slow):
			case <-ctx.Done():
				err = &fault.Error{Kind: fault.Canceled, Message: "left", Err: context.Cause(ctx)}
			}
		}
		p.mu.Lock()
		p.wait--
		p.mu.Unlock()
		if err != nil {
			yield(llm.Event{}, err)
			return
		}
		if !yield(llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "r", Model: "m"}}, nil) {
			return
		}
		if late != nil {
			yield(llm.Event{}, late)
			return
		}
		_ = yield(llm.Event{Kind: llm.Text, Text: "x"}, nil) && yield(llm.Event{Kind: llm.End, Stop: llm.StopDone}, nil)
	}
}

func (p *place) takePeak() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.peak
	p.peak = p.wait
	return n
}

// at is p as a deployment.
func (p *place) at(name string, weight int) route.Deployment {
	return route.Deployment{Name: name, Provider: "p-" + name, Wire: "chat", Model: p, Weight: weight}
}

// ask sends one request and returns the error that it ended with.
func ask(ctx context.Context, m llm.Model) error { return send(ctx, m, &llm.Request{Model: "m"}) }

func send(ctx context.Context, m llm.Model, req *llm.Request) error {
	var last error
	for _, err := range m.Generate(ctx, req) {
		last = err
	}
	return last
}

// told asks m and returns what the call says of it.
func told(t *testing.T, m llm.Model, req *llm.Request) (*obs.Call, error) {
	t.Helper()
	call := new(obs.Call)
	err := send(obs.With(t.Context(), call), m, req)
	return call, err
}

func refused(status int, code, after string) error {
	return &fault.Error{Kind: fault.Refused, Status: status, Code: code, Message: "no", RetryAfter: after}
}

var dead = &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "cannot be reached"}

func model(o route.Options, ds ...route.Deployment) *route.Model {
	if o.Name == "" {
		o.Name = "m"
	}
	o.Deployments = ds
	return route.New(o)
}
