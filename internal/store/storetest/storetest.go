// Package storetest is what every store must keep.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// Database is a database of a test's own, empty at first.
type Database struct {
	// Open opens it once more; the test closes what it gets. Where there can be one handle only, it is always that one.
	Open func(o store.Options) (store.Store, error)
	// Lasts says that handles are many, and that what is kept outlives them.
	Lasts bool
}

// patience bounds waits for what happens by itself; nothing is timed by it.
const patience = time.Minute

// Run checks the stores that fresh makes.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	for name, test := range map[string]func(*testing.T, *fixture){
		"turns": turns, "turns of others": turnsOfOthers, "approvals": approvals, "claims race": claimsRace, "odd ids": oddIDs,
		"replies": replies, "items": items, "chain": chain, "chain without end": longChain, "deleted": deleted, "bound": bound,
		"background": background, "orphan": orphan, "cancel": cancelled, "events": events, "writers race": writersRace,
		"expiry": expiry, "swept": swept, "sweeps by itself": sweeper, "reopened": reopened, "opened at once": openedAtOnce,
		"left by its caller": abandoned, "closed": closed, "many items": manyItems,
		"grants": grants, "grants of others": grantsOfOthers, "takes race": takesRace, "leases": leases, "leases race": leasesRace,
		"results": results, "results of others": resultsOfOthers,
		"things": things, "things of others": thingsOfOthers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{T: t, db: fresh(t), clock: &clock{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}}
			f.o = store.Options{Now: f.clock.Now, SweepEvery: time.Hour}
			test(t, f)
		})
	}
}

// fixture is a database with its clock.
type fixture struct {
	*testing.T
	db    Database
	clock *clock
	o     store.Options
}

// open opens a handle that is closed when the test ends.
func (f *fixture) open() store.Store {
	f.Helper()
	s, err := f.db.Open(f.o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	return s
}

// clock is a time that stands still until it is moved.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	reads int
}

// Now is the time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return c.now
}

// read is how often somebody has looked at it.
func (c *clock) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reads
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// must returns v, or ends the test.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// found returns v, or ends the test if it is not there.
func found[T any](t *testing.T) func(v T, ok bool, err error) T {
	return func(v T, ok bool, err error) T {
		t.Helper()
		if err != nil || !ok {
			t.Fatalf("not found (%v)", err)
		}
		return v
	}
}

// missing ends the test if something is there.
func missing[T any](t *testing.T) func(v T, ok bool, err error) {
	return func(v T, ok bool, err error) {
		t.Helper()
		if err != nil || ok {
			t.Fatalf("found %v (%v)", v, err)
		}
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !yes(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still not so: " + what)
		}
	}
}

// aReply is a finished reply with one item that was said and one that was answered.
func aReply(id, previous string) llm.Reply {
	return llm.Reply{
		ID: id, Previous: previous, Model: "m", Status: "completed",
		Input: fmt.Appendf(nil, `[{"id":"in_%s","role":"user"}, {"role":"user","content":"no id"}]`, id),
		Items: fmt.Appendf(nil, `[ {"type":"message","id":"msg_%s","n":1.0} ]`, id),
		Body:  fmt.Appendf(nil, `{"id":%q}`, id),
	}
}

func running(id string) llm.Reply {
	r := aReply(id, "")
	r.Status = store.Queued
	return r
}

func openedAtOnce(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := f.db.Open(f.o)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Save(t.Context(), "p", aReply("r", "")); err != nil {
				t.Error(err)
			}
			if f.db.Lasts {
				ok(t, s.Close())
			}
		})
	}
	wg.Wait()
	found[llm.Reply](t)(f.open().Reply(t.Context(), "p", "r"))
}

func reopened(t *testing.T, f *fixture) {
	if !f.db.Lasts {
		return
	}
	ctx := t.Context()
	s := must[store.Store](t)(f.db.Open(f.o))
	ok(t, s.Keep(ctx, "p", aTurn("a")))
	ok(t, s.Ask(ctx, "p", llm.Pending{ID: "q"}))
	ok(t, s.Ask(ctx, "p", llm.Pending{ID: "used"}))
	must[bool](t)(s.Claim(ctx, "p", "used"))
	ok(t, s.Save(ctx, "p", running("r")))
	must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 1, Frame: []byte("one")}}))
	ok(t, s.Close())

	s = f.open()
	if !s.Holds("p") {
		t.Error("what was kept before is not held")
	}
	same(t, "turn", aTurn("a"), found[llm.Kept](t)(s.Recall(ctx, "p", "a")))
	if must[bool](t)(s.Claim(ctx, "p", "used")) {
		t.Error("claimed twice")
	}
	if !must[bool](t)(s.Claim(ctx, "p", "q")) {
		t.Error("a question is gone")
	}
	same(t, "reply", running("r"), found[llm.Reply](t)(s.Reply(ctx, "p", "r")))
	same(t, "events", []store.Event{{Seq: 1, Frame: []byte("one")}}, must[[]store.Event](t)(s.Read(ctx, "p", "r", 0, 10)))
}

// abandoned asks with a context that has ended.
func abandoned(t *testing.T, f *fixture) {
	s := f.open()
	ok(t, s.Ask(t.Context(), "p", llm.Pending{ID: "q"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Save(ctx, "p", aReply("r", "")); fault.KindOf(err) != fault.Canceled {
		t.Errorf("Save: %v", err)
	}
	if claimed, err := s.Claim(ctx, "p", "q"); claimed || fault.KindOf(err) != fault.Canceled {
		t.Errorf("Claim: %v %v", claimed, err)
	}
	missing[llm.Reply](t)(s.Reply(t.Context(), "p", "r"))
	ok(t, s.Save(t.Context(), "p", aReply("r", "")))
	found[llm.Reply](t)(s.Reply(t.Context(), "p", "r"))
}

func closed(t *testing.T, f *fixture) {
	s := must[store.Store](t)(f.db.Open(f.o))
	ok(t, s.Save(t.Context(), "p", aReply("r", "")))
	ok(t, s.Close())
	ok(t, s.Close())
	if _, _, err := s.Reply(t.Context(), "p", "r"); fault.From(err).Code != "store_unavailable" {
		t.Errorf("a closed store was read: %v", err)
	}
	if err := s.Save(t.Context(), "p", aReply("r", "")); fault.From(err).Code != "store_unavailable" {
		t.Errorf("a closed store was written: %v", err)
	}
	if _, err := s.Claim(t.Context(), "p", "q"); err == nil {
		t.Error("a closed store was asked")
	}
}
