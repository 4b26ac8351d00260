package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

func replies(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	missing[llm.Reply](t)(s.Reply(ctx, "p", "r"))
	ok(t, s.Save(ctx, "p", aReply("r", "")))
	for _, h := range []store.Store{s, other} {
		same(t, "reply", aReply("r", ""), found[llm.Reply](t)(h.Reply(ctx, "p", "r")))
		same(t, "state", store.State{Status: "completed"}, found[store.State](t)(h.State(ctx, "p", "r")))
	}
	gone(t, s, "q", "r")
	if must[bool](t)(s.Delete(ctx, "q", "r")) {
		t.Error("deleted by somebody else")
	}
	theirs := aReply("r", "")
	theirs.Body = []byte(`"theirs"`)
	ok(t, s.Save(ctx, "q", theirs))
	same(t, "mine", aReply("r", ""), found[llm.Reply](t)(s.Reply(ctx, "p", "r")))
	same(t, "theirs", theirs, found[llm.Reply](t)(s.Reply(ctx, "q", "r")))

	again := llm.Reply{ID: "r", Previous: "x", Model: "n", Status: "failed", Items: []byte(`[{"id":"new"}]`)}
	ok(t, s.Save(ctx, "p", again))
	got := found[llm.Reply](t)(s.Reply(ctx, "p", "r"))
	if len(got.Input) > 0 || len(got.Body) > 0 || string(got.Items) != string(again.Items) || got.Previous != "x" || got.Model != "n" || got.Status != "failed" {
		t.Errorf("got %+v", got)
	}
	missing[[]byte](t)(s.Item(ctx, "p", "msg_r"))
	same(t, "item", `{"id":"new"}`, string(found[[]byte](t)(s.Item(ctx, "p", "new"))))
}

func items(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	ok(t, s.Save(ctx, "p", aReply("1", "")))
	same(t, "answered", `{"type":"message","id":"msg_1","n":1.0}`, string(found[[]byte](t)(s.Item(ctx, "p", "msg_1"))))
	same(t, "said", `{"id":"in_1","role":"user"}`, string(found[[]byte](t)(s.Item(ctx, "p", "in_1"))))
	missing[[]byte](t)(s.Item(ctx, "q", "msg_1"))
	missing[[]byte](t)(s.Item(ctx, "p", "msg_"))

	f.clock.move(time.Second)
	odd := llm.Reply{ID: "2", Input: []byte(`[{"id":"msg_1","v":2},{"id":7},{"id":null},{"id":""},"x",[{"id":"deep"}],{"a":{"id":"deep"}},{"id":"\u0061\u0000"},{"id":"msg_1"}]`), Items: []byte(`null`)}
	ok(t, s.Save(ctx, "p", odd))
	same(t, "said again later", `{"id":"msg_1","v":2}`, string(found[[]byte](t)(s.Item(ctx, "p", "msg_1"))))
	same(t, "escaped", `{"id":"\u0061\u0000"}`, string(found[[]byte](t)(s.Item(ctx, "p", "a\x00"))))
	for _, id := range []string{"", "7", "deep"} {
		missing[[]byte](t)(s.Item(ctx, "p", id))
	}
	must[bool](t)(s.Delete(ctx, "p", "2"))
	same(t, "the earlier one", `{"type":"message","id":"msg_1","n":1.0}`, string(found[[]byte](t)(s.Item(ctx, "p", "msg_1"))))
	ok(t, s.Save(ctx, "p", llm.Reply{ID: "3", Input: []byte(`[{"id":"x"`), Items: []byte(`{"id":"x"}`)})) // what is no array has no items
}

func manyItems(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	list := func(n int) []byte {
		b := []byte{'['}
		for i := range n {
			b = fmt.Appendf(b, `{"id":"i%d"},`, i)
		}
		return append(b[:len(b)-1], ']')
	}
	ok(t, s.Save(ctx, "p", llm.Reply{ID: "r", Input: list(store.MaxItems)}))
	found[[]byte](t)(s.Item(ctx, "p", fmt.Sprintf("i%d", store.MaxItems-1)))
	if err := s.Save(ctx, "p", llm.Reply{ID: "s", Input: list(store.MaxItems + 1)}); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("too many items: %v", err)
	}
	missing[llm.Reply](t)(s.Reply(ctx, "p", "s"))
}

func chain(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	var want []llm.Reply
	for i := range 5 {
		r := aReply(fmt.Sprint(i), "")
		if i > 0 {
			r.Previous = fmt.Sprint(i - 1)
		}
		ok(t, s.Save(ctx, "p", r))
		r.Body = nil
		want = append(want, r)
		same(t, "chain", want, found[[]llm.Reply](t)(other.Chain(ctx, "p", r.ID)))
	}
	same(t, "from the middle", want[:3], found[[]llm.Reply](t)(s.Chain(ctx, "p", "2")))
	missing[[]llm.Reply](t)(s.Chain(ctx, "p", "5"))
	missing[[]llm.Reply](t)(s.Chain(ctx, "q", "4"))
	ok(t, s.Save(ctx, "q", aReply("foreign", "4")))
	missing[[]llm.Reply](t)(s.Chain(ctx, "q", "foreign"))

	if !must[bool](t)(s.Delete(ctx, "p", "1")) {
		t.Error("not deleted")
	}
	missing[[]llm.Reply](t)(s.Chain(ctx, "p", "4"))
	found[[]llm.Reply](t)(s.Chain(ctx, "p", "0"))

	ok(t, s.Save(ctx, "p", aReply("1", "0")))
	found[[]llm.Reply](t)(s.Chain(ctx, "p", "4"))
	f.clock.move(29 * 24 * time.Hour)
	ok(t, s.Save(ctx, "p", aReply("late", "4")))
	found[[]llm.Reply](t)(s.Chain(ctx, "p", "late"))
	f.clock.move(24 * time.Hour)
	missing[[]llm.Reply](t)(s.Chain(ctx, "p", "late"))
	found[llm.Reply](t)(s.Reply(ctx, "p", "late"))
}

func longChain(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	ok(t, s.Save(ctx, "p", llm.Reply{ID: "self", Previous: "self"}))
	if _, there, err := s.Chain(ctx, "p", "self"); there || fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a circle is a chain: %v", err)
	}
	for i := range store.MaxChain + 1 {
		r := llm.Reply{ID: fmt.Sprint(i)}
		if i > 0 {
			r.Previous = fmt.Sprint(i - 1)
		}
		ok(t, s.Save(ctx, "p", r))
	}
	if got := found[[]llm.Reply](t)(s.Chain(ctx, "p", fmt.Sprint(store.MaxChain-1))); len(got) != store.MaxChain {
		t.Errorf("%d replies", len(got))
	}
	if _, there, err := s.Chain(ctx, "p", fmt.Sprint(store.MaxChain)); there || fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a chain without end: %v", err)
	}
}

func deleted(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	ok(t, s.Save(ctx, "p", running("r")))
	must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 0, Frame: []byte("x")}}))
	if !must[bool](t)(s.Delete(ctx, "p", "r")) {
		t.Error("not deleted")
	}
	gone(t, s, "p", "r")
	if must[bool](t)(s.Delete(ctx, "p", "r")) {
		t.Error("deleted twice")
	}
	end := aReply("r", "")
	if must[bool](t)(s.Update(ctx, "p", end)) {
		t.Error("its owner brings it back")
	}
	gone(t, s, "p", "r")
}

// bound looks through the adapters for one principal.
func bound(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	r, a := store.RepliesOf(s, "p"), store.ApprovalsOf(s, "p")
	ok(t, r.Save(ctx, aReply("r", "")))
	ok(t, a.Ask(ctx, llm.Pending{ID: "q"}))
	found[llm.Reply](t)(r.Reply(ctx, "r"))
	found[[]llm.Reply](t)(r.Chain(ctx, "r"))
	found[[]byte](t)(r.Item(ctx, "msg_r"))
	found[llm.Pending](t)(a.Pending(ctx, "q"))
	missing[llm.Reply](t)(store.RepliesOf(s, "q").Reply(ctx, "r"))
	missing[llm.Pending](t)(store.ApprovalsOf(s, "q").Pending(ctx, "q"))
	if must[bool](t)(store.ApprovalsOf(s, "q").Claim(ctx, "q")) || !must[bool](t)(a.Claim(ctx, "q")) {
		t.Error("the wrong one claimed")
	}
}

func background(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	r := running("r")
	ok(t, s.Save(ctx, "p", r))
	same(t, "queued", store.State{Status: store.Queued}, found[store.State](t)(other.State(ctx, "p", "r")))
	r.Status = store.InProgress
	if !must[bool](t)(s.Update(ctx, "p", r)) {
		t.Error("not updated")
	}
	if must[bool](t)(s.Renew(ctx, "p", "r")) {
		t.Error("the owner is told to stop")
	}
	same(t, "in the making", store.State{Status: store.InProgress}, found[store.State](t)(other.State(ctx, "p", "r")))
	if !must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 0, Frame: []byte("a")}})) {
		t.Error("not appended")
	}
	end := aReply("r", "")
	end.Items = []byte(`[{"id":"done"}]`)
	if !must[bool](t)(s.Update(ctx, "p", end, store.Event{Seq: 1, Frame: []byte("b")})) {
		t.Error("not ended")
	}
	same(t, "ended", end, found[llm.Reply](t)(other.Reply(ctx, "p", "r")))
	same(t, "ended", store.State{Status: "completed"}, found[store.State](t)(other.State(ctx, "p", "r")))
	found[[]byte](t)(other.Item(ctx, "p", "done"))
	missing[[]byte](t)(other.Item(ctx, "p", "msg_r"))
	log := []store.Event{{Seq: 0, Frame: []byte("a")}, {Seq: 1, Frame: []byte("b")}}
	same(t, "log", log, must[[]store.Event](t)(other.Read(ctx, "p", "r", -1, 10)))

	late := r
	late.Body = []byte(`"late"`)
	if must[bool](t)(s.Update(ctx, "p", late, store.Event{Seq: 2})) || must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 2}})) {
		t.Error("a reply that has ended was changed")
	}
	same(t, "still", end, found[llm.Reply](t)(s.Reply(ctx, "p", "r")))
	same(t, "log still", log, must[[]store.Event](t)(s.Read(ctx, "p", "r", -1, 10)))
	if !must[bool](t)(s.Renew(ctx, "p", "r")) || must[bool](t)(s.Cancel(ctx, "p", "r")) {
		t.Error("a reply that has ended goes on")
	}
}

// orphan has the owner of a reply disappear, and come back too late.
func orphan(t *testing.T, f *fixture) {
	f.o.Lease = 10 * time.Second
	s, other, ctx := f.open(), f.open(), t.Context()
	ok(t, s.Save(ctx, "p", running("r")))
	if chain := found[[]llm.Reply](t)(other.Chain(ctx, "p", "r")); chain[0].Status != store.Queued {
		t.Errorf("a chain has a reply in the making as %s", chain[0].Status)
	}
	orphaned := func() bool { return found[store.State](t)(other.State(ctx, "p", "r")).Orphaned }
	for range 3 {
		f.clock.move(9 * time.Second)
		if orphaned() {
			t.Fatal("given up while its owner renews it")
		}
		must[bool](t)(s.Renew(ctx, "p", "r"))
	}
	f.clock.move(10 * time.Second)
	if !orphaned() {
		t.Error("nobody makes it, and nobody notices")
	}
	if chain := found[[]llm.Reply](t)(other.Chain(ctx, "p", "r")); chain[0].Status != "failed" {
		t.Errorf("who would go on from it is told that it is %s", chain[0].Status)
	}
	if must[bool](t)(s.Renew(ctx, "p", "r")) || orphaned() {
		t.Error("an owner that was only slow cannot go on")
	}
	f.clock.move(10 * time.Second)
	failed := running("r")
	failed.Status = "failed"
	if !must[bool](t)(other.Update(ctx, "p", failed)) || orphaned() {
		t.Error("somebody else cannot end it")
	}
	if !must[bool](t)(s.Renew(ctx, "p", "r")) || must[bool](t)(s.Update(ctx, "p", aReply("r", ""))) {
		t.Error("its owner comes back")
	}
	same(t, "reply", failed, found[llm.Reply](t)(s.Reply(ctx, "p", "r")))
}

func cancelled(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	ok(t, s.Save(ctx, "p", running("r")))
	if must[bool](t)(other.Cancel(ctx, "q", "r")) {
		t.Error("cancelled by somebody else")
	}
	if must[bool](t)(s.Renew(ctx, "p", "r")) {
		t.Error("told to stop without reason")
	}
	for range 2 {
		if !must[bool](t)(other.Cancel(ctx, "p", "r")) || !must[bool](t)(s.Renew(ctx, "p", "r")) {
			t.Error("the wish did not arrive")
		}
	}
	same(t, "state", store.State{Status: store.Queued, Cancelled: true}, found[store.State](t)(s.State(ctx, "p", "r")))
	r := running("r")
	r.Status = "cancelled"
	if !must[bool](t)(s.Update(ctx, "p", r)) {
		t.Error("the owner cannot say that it stopped")
	}
	same(t, "reply", r, found[llm.Reply](t)(other.Reply(ctx, "p", "r")))
}

func events(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	if must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 1}})) {
		t.Error("appended to nothing")
	}
	ok(t, s.Save(ctx, "p", running("r")))
	const n = 450
	var log []store.Event
	for i := range n {
		log = append(log, store.Event{Seq: int64(i), Frame: fmt.Appendf(nil, "event %d \x00\xff", i)})
	}
	for _, part := range [][]store.Event{log[:1], log[1:250], log[200:200], log[200:]} { // some twice
		if !must[bool](t)(s.Append(ctx, "p", "r", part)) {
			t.Error("not appended")
		}
	}
	must[bool](t)(s.Append(ctx, "p", "r", []store.Event{{Seq: 3, Frame: []byte("other words")}}))
	same(t, "log", log, must[[]store.Event](t)(other.Read(ctx, "p", "r", -1, 1000)))
	same(t, "the rest", log[441:], must[[]store.Event](t)(other.Read(ctx, "p", "r", 440, 1000)))
	same(t, "a part", log[5:15], must[[]store.Event](t)(other.Read(ctx, "p", "r", 4, 10)))
	for _, tt := range []struct {
		principal, id string
		after         int64
	}{{"p", "r", n}, {"q", "r", -1}, {"p", "s", -1}} {
		if got := must[[]store.Event](t)(s.Read(ctx, tt.principal, tt.id, tt.after, 10)); len(got) > 0 {
			t.Errorf("%v: %d events", tt, len(got))
		}
	}
	if must[bool](t)(s.Append(ctx, "q", "r", log)) {
		t.Error("appended by somebody else")
	}
}

// writersRace has one reply written, ended, deleted and read from all sides.
func writersRace(t *testing.T, f *fixture) {
	handles := []store.Store{f.open(), f.open()}
	ctx := t.Context()
	for round := range 5 {
		id := fmt.Sprint(round)
		ok(t, handles[0].Save(ctx, "p", running(id)))
		start := make(chan struct{})
		var wg sync.WaitGroup
		var ends, deletes int
		var mu sync.Mutex
		race := func(do func(h store.Store) (bool, error), count *int) {
			for _, h := range handles {
				for range 3 {
					wg.Go(func() {
						<-start
						did, err := do(h)
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						if did {
							*count++
						}
					})
				}
			}
		}
		var ignored int
		race(func(h store.Store) (bool, error) { return h.Update(ctx, "p", aReply(id, ""), store.Event{Seq: 99}) }, &ends)
		race(func(h store.Store) (bool, error) { return h.Append(ctx, "p", id, []store.Event{{Seq: 1}, {Seq: 2}}) }, &ignored)
		race(func(h store.Store) (bool, error) { return h.Renew(ctx, "p", id) }, &ignored)
		race(func(h store.Store) (bool, error) { return false, h.Sweep(ctx) }, &ignored)
		if round%2 == 0 {
			race(func(h store.Store) (bool, error) { return h.Delete(ctx, "p", id) }, &deletes)
		}
		close(start)
		wg.Wait()
		if round%2 == 0 {
			if deletes != 1 || ends > 1 {
				t.Errorf("deleted %d times, ended %d times", deletes, ends)
			}
			gone(t, handles[1], "p", id)
		} else if ends != 1 {
			t.Errorf("ended %d times", ends)
		}
	}
}
