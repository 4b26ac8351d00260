// Package llmtest has a scripted llm.Model, and the checks that every Model must pass.
package llmtest

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/fairlead/fairlead/internal/llm"
)

// Turn is one reply of a scripted model. The Start and End events are added around Events.
type Turn struct {
	Events []llm.Event
	Stop   string // default: tool_calls when there is a call, else stop
	Usage  *llm.Usage
	Err    error         // told after Events, instead of End
	Cut    bool          // ends after Events, without End and without an error
	Gate   chan struct{} // waited for before Events, or until the context ends
}

// Text is a turn that says text, in one piece.
func Text(text string) Turn { return Turn{Events: []llm.Event{{Kind: llm.Text, Text: text}}} }

// Calls is a turn that makes calls.
func Calls(calls ...llm.Call) Turn {
	var t Turn
	for i, c := range calls {
		args := c.Arguments
		c.Arguments = ""
		t.Events = append(t.Events, llm.Event{Kind: llm.ToolCall, Index: i, Call: c}, llm.Event{Kind: llm.ToolCall, Index: i, Call: llm.Call{Arguments: args}})
	}
	return t
}

// Model plays its turns one after another and remembers what it was asked.
type Model struct {
	mu       sync.Mutex
	turns    []Turn
	requests []llm.Request
	open     int
}

var _ llm.Model = (*Model)(nil)

// New returns a model that answers with turns, one a request.
func New(turns ...Turn) *Model { return &Model{turns: turns} }

// Requests are the requests so far.
func (m *Model) Requests() []llm.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]llm.Request(nil), m.requests...)
}

// Open is the number of replies that have begun and not ended.
func (m *Model) Open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// Generate plays the next turn.
func (m *Model) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		t, n, err := m.next(req)
		defer m.done()
		if err != nil {
			yield(llm.Event{}, err)
			return
		}
		if t.Gate != nil {
			select {
			case <-t.Gate:
			case <-ctx.Done():
				yield(llm.Event{}, context.Cause(ctx))
				return
			}
		}
		if t.Err != nil && len(t.Events) == 0 {
			yield(llm.Event{}, t.Err)
			return
		}
		if !yield(llm.Event{Kind: llm.Start, Head: &llm.Head{ID: fmt.Sprintf("reply-%d", n), Model: "scripted", Created: 1}}, nil) {
			return
		}
		stop := llm.StopDone
		for _, ev := range t.Events {
			if ev.Kind == llm.ToolCall {
				stop = llm.StopTools
			}
			if !yield(ev, nil) {
				return
			}
		}
		switch {
		case t.Err != nil:
			yield(llm.Event{}, t.Err)
			return
		case t.Cut:
			return
		case t.Stop != "":
			stop = t.Stop
		}
		yield(llm.Event{Kind: llm.End, Stop: stop, Usage: t.Usage}, nil)
	}
}

func (m *Model) next(req *llm.Request) (Turn, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.requests = append(m.requests, *req)
	n := len(m.requests)
	if n > len(m.turns) {
		return Turn{}, n, fmt.Errorf("the script has %d turns and was asked for turn %d", len(m.turns), n)
	}
	return m.turns[n-1], n, nil
}

func (m *Model) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
}
