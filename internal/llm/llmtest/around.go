package llmtest

import (
	"context"
	"errors"
	"slices"

	"github.com/fairlead/fairlead/internal/llm"
)

// T is the part of *testing.T that is used here.
type T interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
}

// Around checks what everybody may rely on who holds a Model around another one: that nothing happens before it is ranged
// over, that its events are the inner one's, that an error comes last and alone, and that the inner reply is closed however
// the range ends. wrap puts the Model under test around inner, and is called once for each check.
func Around(t T, wrap func(inner llm.Model) llm.Model) {
	t.Helper()
	lazy(t, wrap)
	whole(t, wrap)
	breaks(t, wrap)
	fails(t, wrap)
	cancelled(t, wrap)
}

func lazy(t T, wrap func(llm.Model) llm.Model) {
	t.Helper()
	inner := New(Text("x"))
	_ = wrap(inner).Generate(t.Context(), &llm.Request{Model: "m"})
	if n := len(inner.Requests()); n > 0 {
		t.Errorf("lazy: Generate has asked the model before it was ranged over (%d times)", n)
	}
}

func whole(t T, wrap func(llm.Model) llm.Model) {
	t.Helper()
	inner := New(Text("x"))
	var kinds []llm.Kind
	for ev, err := range wrap(inner).Generate(t.Context(), &llm.Request{Model: "m"}) {
		if err != nil {
			t.Errorf("whole: %v", err)
		}
		kinds = append(kinds, ev.Kind)
	}
	if want := []llm.Kind{llm.Start, llm.Text, llm.End}; !slices.Equal(kinds, want) {
		t.Errorf("whole: the events are %v, not %v", kinds, want)
	}
	if inner.Open() != 0 {
		t.Errorf("whole: the inner reply is open")
	}
}

func breaks(t T, wrap func(llm.Model) llm.Model) {
	t.Helper()
	for n := range 3 {
		inner := New(Text("x"))
		seen := 0
		for _, err := range wrap(inner).Generate(t.Context(), &llm.Request{Model: "m"}) {
			if seen++; seen > n || err != nil {
				break
			}
		}
		if inner.Open() != 0 {
			t.Errorf("breaks: the inner reply is open after a break at event %d", n)
		}
	}
}

var errScripted = errors.New("a scripted failure")

func fails(t T, wrap func(llm.Model) llm.Model) {
	t.Helper()
	late := Text("x")
	late.Err = errScripted
	for name, turn := range map[string]Turn{"at once": {Err: errScripted}, "late": late} {
		inner := New(turn)
		errs := 0
		for ev, err := range wrap(inner).Generate(t.Context(), &llm.Request{Model: "m"}) {
			if errs > 0 {
				t.Errorf("fails %s: an event comes after the error: %v", name, ev.Kind)
			}
			if err != nil {
				errs++
				if ev.Kind != 0 || !errors.Is(err, errScripted) {
					t.Errorf("fails %s: the error is %v with an event of kind %v", name, err, ev.Kind)
				}
			}
		}
		if errs != 1 || inner.Open() != 0 {
			t.Errorf("fails %s: %d errors, %d open replies", name, errs, inner.Open())
		}
	}
}

func cancelled(t T, wrap func(llm.Model) llm.Model) {
	t.Helper()
	gated := Text("x")
	gated.Gate = make(chan struct{})
	inner := New(gated)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := 0
	for _, err := range wrap(inner).Generate(ctx, &llm.Request{Model: "m"}) {
		if err != nil {
			errs++
		}
	}
	if errs != 1 || inner.Open() != 0 || len(inner.Requests()) > 1 {
		t.Errorf("cancelled: %d errors, %d open replies, %d requests", errs, inner.Open(), len(inner.Requests()))
	}
}
