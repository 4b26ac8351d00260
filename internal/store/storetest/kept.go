package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// aTurn is a hidden half that uses what a message can hold.
func aTurn(ids ...string) llm.Kept {
	k := llm.Kept{IDs: ids, Messages: []llm.Message{
		{Role: llm.Assistant, Text: "wait \x00 for it", Think: "hm", Extra: []byte(`"signature":"x\u0000"`), Wire: "chat", Calls: []llm.Call{
			{ID: "ours", Name: "files-read", Arguments: `{"n":1.0}`, Extra: []byte(`"x":1`), Label: "files", Tool: "read"},
		}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "ours", Name: "files-read", Text: "ünder", Round: 1, Parts: []llm.Part{{Kind: "image", Data: "AAAA"}}}},
	}}
	for _, id := range ids {
		k.Calls = append(k.Calls, llm.Call{ID: id, Name: "own", Arguments: "{ }"})
	}
	return k
}

func turns(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	if !f.db.Lasts && s.Holds("p") {
		t.Error("an empty store holds something")
	}
	missing[llm.Kept](t)(s.Recall(ctx, "p", "a"))
	ok(t, s.Keep(ctx, "p", aTurn("a", "b")))
	ok(t, s.Keep(ctx, "p", aTurn("c")))
	ok(t, s.Keep(ctx, "p", llm.Kept{}))
	if !s.Holds("p") {
		t.Error("the store does not know what it holds")
	}
	same(t, "a", aTurn("a", "b"), found[llm.Kept](t)(s.Recall(ctx, "p", "a")))
	same(t, "b", aTurn("a", "b"), found[llm.Kept](t)(s.Recall(ctx, "p", "b")))
	missing[llm.Kept](t)(s.Recall(ctx, "p", "d"))
	if ids, err := s.Among(ctx, "p", []string{"d", "b", "x", "a"}); err != nil || !slices.Equal(ids, []string{"b", "a"}) {
		t.Errorf("among d, b, x and a, %q are kept (%v)", ids, err)
	}

	ok(t, s.Keep(ctx, "p", aTurn("b", "d")))
	same(t, "b again", aTurn("b", "d"), found[llm.Kept](t)(s.Recall(ctx, "p", "b")))
	same(t, "a still", aTurn("a", "b"), found[llm.Kept](t)(s.Recall(ctx, "p", "a")))

	broken := aTurn("e")
	broken.Messages[0].Text = "\xff"
	ok(t, s.Keep(ctx, "p", broken))
	found[llm.Kept](t)(s.Recall(ctx, "p", "e"))
}

func turnsOfOthers(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	ok(t, s.Keep(ctx, "p", aTurn("a")))
	until(t, "the other handle knows of it", func() bool { return other.Holds("p") })
	same(t, "a", aTurn("a"), found[llm.Kept](t)(other.Recall(ctx, "p", "a")))
	missing[llm.Kept](t)(other.Recall(ctx, "q", "a"))
	missing[llm.Kept](t)(s.Recall(ctx, "", "a"))
}

func approvals(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	p := llm.Pending{ID: "mcpr_1", Label: "files", Server: "docs", Tool: "read", Wire: "responses", Call: llm.Call{ID: "c", Name: "n", Arguments: `{"a":1.0}`}}
	missing[llm.Pending](t)(s.Pending(ctx, "p", "mcpr_1"))
	if must[bool](t)(s.Claim(ctx, "p", "mcpr_1")) {
		t.Error("claimed what was never asked")
	}
	ok(t, s.Ask(ctx, "p", p))
	for range 2 {
		same(t, "question", p, found[llm.Pending](t)(s.Pending(ctx, "p", "mcpr_1")))
	}
	missing[llm.Pending](t)(s.Pending(ctx, "q", "mcpr_1"))
	if must[bool](t)(s.Claim(ctx, "q", "mcpr_1")) {
		t.Error("claimed by somebody else")
	}
	if s.Ask(ctx, "p", p) == nil {
		t.Error("asked twice under one id")
	}
	if !must[bool](t)(s.Claim(ctx, "p", "mcpr_1")) {
		t.Error("not claimed")
	}
	missing[llm.Pending](t)(s.Pending(ctx, "p", "mcpr_1"))
	if must[bool](t)(s.Claim(ctx, "p", "mcpr_1")) {
		t.Error("claimed twice")
	}
	if s.Ask(ctx, "p", p) == nil || must[bool](t)(s.Claim(ctx, "p", "mcpr_1")) {
		t.Error("what was used up can be asked and claimed again")
	}
}

// claimsRace has many claim few questions over two handles.
func claimsRace(t *testing.T, f *fixture) {
	const questions, claimants = 10, 8
	handles := []store.Store{f.open(), f.open()}
	var won [questions]atomic.Int32
	for i := range won {
		ok(t, handles[0].Ask(t.Context(), "p", llm.Pending{ID: fmt.Sprint(i)}))
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range won {
		for n := range claimants {
			wg.Go(func() {
				<-start
				claimed, err := handles[n%2].Claim(t.Context(), "p", fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				if claimed {
					won[i].Add(1)
				}
			})
		}
	}
	close(start)
	wg.Wait()
	for i := range won {
		if n := won[i].Load(); n != 1 {
			t.Errorf("question %d was claimed %d times", i, n)
		}
	}
}

// oddIDs asks for what clients and providers can write into an id.
func oddIDs(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	for i, id := range []string{"", "a\x00b", "\xff\xfe", strings.Repeat("x", 100_000), "%' OR 1=1 --", "日本", "$1"} {
		missing[llm.Kept](t)(s.Recall(ctx, "p", id))
		missing[llm.Pending](t)(s.Pending(ctx, "p", id))
		missing[llm.Reply](t)(s.Reply(ctx, id, id))
		missing[[]llm.Reply](t)(s.Chain(ctx, "p", id))
		missing[[]byte](t)(s.Item(ctx, "p", id))
		if must[bool](t)(s.Claim(ctx, "p", id)) || must[bool](t)(s.Delete(ctx, "p", id)) || must[bool](t)(s.Cancel(ctx, "p", id)) {
			t.Errorf("%.20q is known", id)
		}
		if id != "" {
			ok(t, s.Keep(ctx, id, aTurn(id)))
			ok(t, s.Ask(ctx, id, llm.Pending{ID: id}))
			r := aReply(fmt.Sprint(i), "")
			r.Model = id
			ok(t, s.Save(ctx, id, r))
			if !s.Holds(id) {
				t.Errorf("%.20q is not held", id)
			}
			found[llm.Kept](t)(s.Recall(ctx, id, id))
			found[llm.Pending](t)(s.Pending(ctx, id, id))
			found[llm.Reply](t)(s.Reply(ctx, id, r.ID))
		}
	}
}

// expiry moves the clock over the end of everything.
func expiry(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	keep := func() {
		ok(t, s.Keep(ctx, "p", aTurn("a")))
		ok(t, s.Save(ctx, "p", running("r")))
	}
	keep()
	ok(t, s.Ask(ctx, "p", llm.Pending{ID: "q"}))
	must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 1}}))

	f.clock.move(time.Hour - time.Millisecond)
	found[llm.Kept](t)(s.Recall(ctx, "p", "a"))
	f.clock.move(time.Millisecond)
	missing[llm.Kept](t)(s.Recall(ctx, "p", "a"))
	f.clock.move(23*time.Hour - time.Millisecond)
	found[llm.Pending](t)(s.Pending(ctx, "p", "q"))
	f.clock.move(time.Millisecond)
	missing[llm.Pending](t)(s.Pending(ctx, "p", "q"))
	if must[bool](t)(s.Claim(ctx, "p", "q")) {
		t.Error("claimed after its time")
	}
	f.clock.move(29*24*time.Hour - time.Millisecond)
	found[llm.Reply](t)(s.Reply(ctx, "p", "r"))
	f.clock.move(time.Millisecond)
	gone(t, s, "p", "r")
	if must[bool](t)(s.Delete(ctx, "p", "r")) {
		t.Error("deleted after its time")
	}
	keep()
	found[llm.Kept](t)(s.Recall(ctx, "p", "a"))
	found[llm.Reply](t)(s.Reply(ctx, "p", "r"))
}

// gone ends the test if anything of a reply is still there.
func gone(t *testing.T, s store.Store, principal, id string) {
	t.Helper()
	ctx := t.Context()
	missing[llm.Reply](t)(s.Reply(ctx, principal, id))
	missing[store.State](t)(s.State(ctx, principal, id))
	missing[[]llm.Reply](t)(s.Chain(ctx, principal, id))
	missing[[]byte](t)(s.Item(ctx, principal, "msg_"+id))
	missing[[]byte](t)(s.Item(ctx, principal, "in_"+id))
	if evs := must[[]store.Event](t)(s.Read(ctx, principal, id, -1, 10)); len(evs) > 0 {
		t.Errorf("%d events are left", len(evs))
	}
	if must[bool](t)(s.Update(ctx, principal, running(id))) || must[bool](t)(s.Append(ctx, principal, id, []store.Event{{Seq: 9}})) || must[bool](t)(s.Cancel(ctx, principal, id)) {
		t.Error("it can still be written")
	}
	if !must[bool](t)(s.Renew(ctx, principal, id)) {
		t.Error("its owner is not told to stop")
	}
}

// swept deletes what has expired: when the clock is put back, only that is gone.
func swept(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	ok(t, s.Sweep(ctx))
	const n = 250 // more than one statement deletes
	for i := range n {
		ok(t, s.Keep(ctx, "p", aTurn(fmt.Sprint(i))))
	}
	ok(t, s.Ask(ctx, "p", llm.Pending{ID: "q"}))
	ok(t, s.Save(ctx, "p", aReply("r", "")))
	f.clock.move(time.Hour)
	ok(t, s.Sweep(ctx))
	f.clock.move(-time.Hour)
	ok(t, s.Keep(ctx, "p", aTurn("new")))
	for i := range n {
		missing[llm.Kept](t)(s.Recall(ctx, "p", fmt.Sprint(i)))
	}
	found[llm.Pending](t)(s.Pending(ctx, "p", "q"))
	found[llm.Reply](t)(s.Reply(ctx, "p", "r"))
	f.clock.move(31 * 24 * time.Hour)
	ok(t, s.Sweep(ctx))
	f.clock.move(-31 * 24 * time.Hour)
	missing[llm.Pending](t)(s.Pending(ctx, "p", "q"))
	gone(t, s, "p", "r")
}

// sweeper waits until what has expired is deleted by itself.
func sweeper(t *testing.T, f *fixture) {
	f.o.SweepEvery = time.Millisecond
	s, ctx := f.open(), t.Context()
	ok(t, s.Save(ctx, "p", aReply("r", "")))
	f.clock.move(31 * 24 * time.Hour)
	before := f.clock.read()
	until(t, "it is swept twice", func() bool { return f.clock.read() > before+10 }) // nobody else looks at the clock
	f.clock.move(-31 * 24 * time.Hour)
	gone(t, s, "p", "r")
}
