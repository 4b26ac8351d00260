package route_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
	"github.com/fairlead/fairlead/internal/route"
)

func TestModelKeepsItsPromises(t *testing.T) {
	llmtest.Around(t, func(inner llm.Model) llm.Model {
		return model(route.Options{Retries: 2}, route.Deployment{Name: "a", Model: inner})
	})
	llmtest.Around(t, func(inner llm.Model) llm.Model {
		return model(route.Options{}, route.Deployment{Name: "a", Model: inner}).Session()
	})
}

func TestWeightsHold(t *testing.T) {
	var a, b, c place
	m := model(route.Options{}, a.at("a", 5), b.at("b", 3), c.at("c", 2))
	for range 100 {
		if err := ask(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if a.count() != 50 || b.count() != 30 || c.count() != 20 {
		t.Errorf("of 100 requests the weights 5:3:2 gave %d, %d, %d", a.count(), b.count(), c.count())
	}
}

func TestLeastBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(nil, 10*time.Second)
		b.set(nil, time.Second)
		m := model(route.Options{Strategy: route.Busy}, a.at("a", 1), b.at("b", 1))
		for range 300 { // ten a second
			go func() { _ = ask(t.Context(), m) }()
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if a.count() > b.count()/5 {
			t.Errorf("the slow one got %d requests, the fast one %d", a.count(), b.count())
		}
		if a.count() == 0 {
			t.Error("the slow one got none")
		}
		time.Sleep(20 * time.Second)
	})
}

func TestLowestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(nil, 900*time.Millisecond)
		b.set(nil, 100*time.Millisecond)
		m := model(route.Options{Strategy: route.Latency}, a.at("a", 1), b.at("b", 1))
		for range 20 {
			_ = ask(t.Context(), m)
		}
		if a.count() != 1 || b.count() != 19 {
			t.Errorf("the slow one got %d requests, the fast one %d", a.count(), b.count())
		}
		a.set(nil, 10*time.Millisecond) // it has become the faster one, which shows in time
		for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
			_ = ask(t.Context(), m)
		}
		n := b.count()
		for range 100 {
			_ = ask(t.Context(), m)
		}
		if b.count() > n+1 {
			t.Errorf("the one that is slow now got %d of 100 requests", b.count()-n)
		}
	})
}

func TestCheapest(t *testing.T) {
	var a, b, c, d place
	price := func(usd float64, known bool) func() (float64, bool) {
		return func() (float64, bool) { return usd, known }
	}
	ds := []route.Deployment{a.at("a", 1), b.at("b", 1), c.at("c", 1), d.at("d", 1)}
	ds[0].Price, ds[1].Price, ds[2].Price = price(3, true), price(0, false), price(2, true)
	m := model(route.Options{Strategy: route.Cheapest}, ds...)
	for range 10 {
		_ = ask(t.Context(), m)
	}
	if c.count() != 10 {
		t.Errorf("the cheapest got %d of 10", c.count())
	}
	c.set(refused(429, "", "60"), 0)
	for range 10 {
		_ = ask(t.Context(), m)
	}
	if a.count() != 10 || b.count()+d.count() > 0 {
		t.Errorf("without the cheapest the next got %d of 10, those of unknown price %d", a.count(), b.count()+d.count())
	}
}

// TestAffinity: requests with one key go to one deployment, many keys go where the weights say, and a deployment that fails
// moves its own keys only.
func TestAffinity(t *testing.T) {
	var a, b, c place
	m := model(route.Options{Affinity: func(r *llm.Request) string { return r.Params.CacheKey }}, a.at("a", 2), b.at("b", 1), c.at("c", 1))
	where := func() map[string]string {
		at := map[string]string{}
		for i := range 400 {
			key := fmt.Sprint("key-", i)
			call, err := told(t, m, &llm.Request{Params: llm.Params{CacheKey: key}})
			if err != nil {
				t.Fatal(err)
			}
			at[key] = call.Deployment
		}
		return at
	}
	first, second := where(), where()
	for key, d := range first {
		if second[key] != d {
			t.Fatalf("%s went to %s and to %s", key, d, second[key])
		}
	}
	if n := a.count() / 2; n < 150 || n > 250 {
		t.Errorf("the deployment with half of the weights got %d of 400 keys", n)
	}
	c.set(dead, 0)
	for key, d := range where() {
		if first[key] != "c" && first[key] != d {
			t.Errorf("%s moved from %s to %s although c alone has failed", key, first[key], d)
		}
	}
}

func TestNothingIsTriedAfterTheFirstEvent(t *testing.T) {
	var a, b place
	a.late = dead
	m := model(route.Options{Retries: 5}, a.at("a", 9), b.at("b", 1))
	m.FallBack(route.Outage, model(route.Options{Name: "other"}, b.at("b", 1)))
	if err := ask(t.Context(), m); err != error(dead) { //nolint:errorlint // the very error is passed on
		t.Errorf("the error is %v", err)
	}
	if a.count() != 1 || b.count() != 0 {
		t.Errorf("asked %d and %d times", a.count(), b.count())
	}
}

func TestFinalIsFinal(t *testing.T) {
	for _, err := range []error{
		fault.AfterTools(dead), &fault.Error{Kind: fault.Upstream, Told: true}, refused(400, "invalid_value", ""), &fault.Error{Kind: fault.Invalid, Message: "no"},
		fmt.Errorf("a defect"),
	} {
		var a, b place
		a.set(err, 0)
		m := model(route.Options{Retries: 5}, a.at("a", 9), b.at("b", 1))
		if got := ask(t.Context(), m); got != err { //nolint:errorlint // the very error is passed on
			t.Errorf("%v became %v", err, got)
		}
		if a.count() != 1 || b.count() != 0 {
			t.Errorf("%v: asked %d and %d times", err, a.count(), b.count())
		}
	}
}

func TestTheCallIsTold(t *testing.T) {
	var a, b, c place
	a.set(refused(503, "", ""), 0)
	b.set(dead, 0)
	m := model(route.Options{}, a.at("a", 9), b.at("b", 1))
	m.FallBack(route.Outage, model(route.Options{Name: "other"}, c.at("c", 1)))
	call, err := told(t, m, &llm.Request{Model: "m"})
	if err != nil || call.Deployment != "c" || call.Provider != "p-c" || call.Attempts != 3 {
		t.Errorf("%v, call %+v", err, call)
	}
	if c.reqs[0].Model != "other" {
		t.Errorf("the fallback was asked for %q", c.reqs[0].Model)
	}
}

// TestSessionStays: all rounds of a loop go to one deployment while it can be asked, and then to another one.
func TestSessionStays(t *testing.T) {
	var a, b, c place
	m := model(route.Options{}, a.at("a", 1), b.at("b", 1))
	m.FallBack(route.Outage, model(route.Options{Name: "other"}, c.at("c", 1)))
	s := m.Session()
	round := func(want string) {
		t.Helper()
		call, err := told(t, s, &llm.Request{Model: "m"})
		if err != nil || call.Deployment != want {
			t.Errorf("answered by %s (%v), want %s", call.Deployment, err, want)
		}
	}
	round("a")
	round("a")
	_ = ask(t.Context(), m)
	_ = ask(t.Context(), m)
	round("a")
	a.set(dead, 0)
	round("b")
	a.set(nil, 0)
	round("b")
	a.set(dead, 0)
	b.set(dead, 0)
	round("c")
	a.set(nil, 0)
	b.set(nil, 0)
	round("c") // where the reasoning of the last round was made
	c.set(dead, 0)
	call, err := told(t, s, &llm.Request{Model: "m"})
	if err != nil || call.Deployment == "c" {
		t.Errorf("answered by %s (%v)", call.Deployment, err)
	}
}

// TestSealedReasoning: the deployment that a loop moves to may refuse what the first one has sealed. It is told the rest then,
// in this round and the ones to come.
func TestSealedReasoning(t *testing.T) {
	var a, b place
	m := model(route.Options{}, a.at("a", 9), b.at("b", 1))
	s := m.Session()
	added := []llm.Message{
		{Role: llm.Assistant, Wire: "chat", Extra: []byte(`"reasoning":"sealed"`), Calls: []llm.Call{{ID: "1", Name: "x", Extra: []byte(`"seal":1`)}}},
		{Role: llm.ToolRole, Result: &llm.Result{CallID: "1", Text: "r"}},
	}
	if err := send(t.Context(), s, &llm.Request{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	a.set(dead, 0)
	b.refuse = func(r *llm.Request) error {
		if len(r.AddedMessages) > 0 && r.AddedMessages[0].Extra != nil {
			return refused(400, "invalid_encrypted_content", "")
		}
		return nil
	}
	for round := range 2 {
		call, err := told(t, s, &llm.Request{Model: "m", AddedMessages: added})
		if err != nil || call.Deployment != "b" || call.Attempts != 3-2*round {
			t.Errorf("round %d: %v, %+v", round+2, err, call)
		}
		last := b.reqs[len(b.reqs)-1].AddedMessages
		if len(last) != len(added) || len(last[0].Calls) != 1 || last[0].Calls[0].ID != "1" || last[0].Calls[0].Extra != nil || last[1].Result.Text != "r" {
			t.Errorf("told %+v", last)
		}
		added = append(added, llm.Message{Role: llm.Assistant, Wire: "chat", Extra: []byte(`"reasoning":"b's"`)})
	}
	if last := b.reqs[len(b.reqs)-1].AddedMessages; last[2].Extra == nil {
		t.Error("what the deployment itself has sealed was left out")
	}
	if added[0].Extra == nil || added[0].Calls[0].Extra == nil {
		t.Error("the loop's own messages were changed")
	}
}

func TestMixedWires(t *testing.T) {
	var a, b place
	other := b.at("b", 1)
	other.Wire = "messages"
	m := model(route.Options{}, a.at("a", 1), other)
	if m.Wire() != "" {
		t.Errorf("two wires are said to be %q", m.Wire())
	}
	left := func(wire string) *llm.Request {
		return &llm.Request{Model: "m", Raw: llm.Frame{Wire: wire}, Params: llm.Params{Left: []string{"logit_bias"}}}
	}
	for range 4 {
		if call, err := told(t, m, left("chat")); err != nil || call.Deployment != "a" || call.Dropped != nil {
			t.Errorf("%v, call %+v", err, call)
		}
	}
	_, err := told(t, m, left("responses"))
	if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "unsupported_parameter" || f.Param != "logit_bias" || !strings.Contains(f.Message, "unknown_params") {
		t.Errorf("%+v", f)
	}
	m = model(route.Options{DropUnknown: true}, a.at("a", 1), other)
	for range 4 {
		call, err := told(t, m, left("chat"))
		if err != nil || (call.Deployment == "b") != (len(call.Dropped) == 1) {
			t.Errorf("%v, call %+v", err, call)
		}
	}
	a.set(&fault.Error{Kind: fault.Invalid, Message: "the wire has no word for that"}, 0)
	if call, err := told(t, m, &llm.Request{Model: "m"}); err != nil || call.Deployment != "b" {
		t.Errorf("what one wire cannot say was not asked over the other: %v, %+v", err, call)
	}
	chat := model(route.Options{}, a.at("a", 1))
	if chat.Wire() != "chat" {
		t.Errorf("one wire is said to be %q", chat.Wire())
	}
	chat.FallBack(route.Outage, m)
	if chat.Wire() != "" {
		t.Errorf("a model that falls back on another wire is said to speak %q", chat.Wire())
	}
}

func TestHealthOutlivesAConfig(t *testing.T) {
	var hs route.Healths
	of, keep := hs.Renew()
	a := of("a")
	if of("a") != a || of("b") == a {
		t.Error("two deployments are told apart wrongly")
	}
	keep()
	next, _ := hs.Renew() // a config that is refused in the end
	if next("a") != a {
		t.Error("what is known was lost")
	}
	of, keep = hs.Renew()
	_ = of("b")
	keep()
	if of, _ = hs.Renew(); of("a") == a {
		t.Error("a deployment that went is still known")
	}
}

// TestClientsThatLeave are no failure of the deployment, and nobody waits for them.
func TestClientsThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b place
		a.set(nil, time.Minute)
		m := model(route.Options{Retries: 9}, a.at("a", 9), b.at("b", 1))
		for range 9 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = ask(ctx, m)
			cancel()
		}
		if a.count() < 8 {
			t.Errorf("a deployment was left after clients had left: asked %d times", a.count())
		}
		only := model(route.Options{Retries: 9}, b.at("b", 1))
		b.set(refused(429, "", "8"), 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun, n := time.Now(), b.count()
		if err := ask(ctx, only); fault.KindOf(err) != fault.Timeout {
			t.Errorf("the error is %v", err)
		}
		if d := time.Since(begun); d != time.Second || b.count() != n+1 {
			t.Errorf("waited %v, asked %d times", d, b.count()-n)
		}
	})
}
