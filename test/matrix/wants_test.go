package matrix

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

func (c *cell) wantText(r *reply, text, stop string) {
	c.t.Helper()
	if r.text() != text || r.stop != stop {
		c.t.Fatalf("text %q, stop %q; want %q, %q: %s", r.text(), r.stop, text, stop, r.raw)
	}
}

func (c *cell) wantUsage(r *reply, rounds int64) {
	c.t.Helper()
	if wantIn, wantOut := c.d.usage(rounds, in, out); r.in != wantIn || r.out != wantOut {
		c.t.Errorf("usage %d in, %d out; want %d and %d: %s", r.in, r.out, wantIn, wantOut, r.raw)
	}
}

// wantCalls wants one call of the client's.
func (c *cell) wantCalls(r *reply, name string) {
	c.t.Helper()
	if len(r.calls) != 1 || r.calls[0].name != name || r.calls[0].id == "" || !strings.Contains(r.calls[0].args, "1") {
		c.t.Fatalf("calls %+v, want one of %s: %s", r.calls, name, r.raw)
	}
}

func (c *cell) wantRuns(r *reply, want ...ran) {
	c.t.Helper()
	if len(r.ran) != len(want) {
		c.t.Fatalf("ran %+v, want %+v: %s", r.ran, want, r.raw)
	}
	for i, w := range want {
		got := r.ran[i]
		// A dialect that has a place of its own for errors need not repeat the word.
		same := got.name == w.name && compact(got.args) == w.args && got.failed == w.failed
		if !same || !w.failed && got.result != w.result || w.failed && !strings.Contains(r.raw, strings.TrimPrefix(w.result, "Error: ")) {
			c.t.Errorf("call %d: %+v, want %+v: %s", i, got, w, r.raw)
		}
	}
}

// wantResults wants exactly these results in the nth request to the model.
func (c *cell) wantResults(n int, want ...string) {
	c.t.Helper()
	if got := results(c.saw(n)); !slices.Equal(got, want) {
		c.t.Errorf("request %d to the model has the results %q, want %q: %s", n, got, want, c.saw(n).Raw)
	}
}

// wantReasoning wants what the model thought in the nth request to it, and the proof that it was the model's own.
func (c *cell) wantReasoning(n int, thought string) {
	c.t.Helper()
	if again := compact(string(c.saw(n).Raw)); !strings.Contains(again, thought) || !strings.Contains(again, seals[c.upstream]) {
		c.t.Errorf("the model does not get its reasoning back, with %s: %s", seals[c.upstream], again)
	}
}

// wantSomeOrder is wantResults for a turn whose calls the client may have put in another order: each has its answer by its id.
func (c *cell) wantSomeOrder(n int, want ...string) {
	c.t.Helper()
	got := results(c.saw(n))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("request %d to the model has the results %q, want %q: %s", n, got, want, c.saw(n).Raw)
	}
}

func results(r *providertest.Request) []string {
	var out []string
	for _, m := range r.Messages {
		if m.Role == "tool" {
			out = append(out, m.Text)
		}
	}
	return out
}
