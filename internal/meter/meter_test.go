package meter

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
	"github.com/fairlead/fairlead/internal/obs"
)

func TestParseRate(t *testing.T) {
	for text, pico := range map[string]int64{"0": 0, "1": 1_000_000, "2.50": 2_500_000, "0.075": 75_000, "0.000001": 1, "99999.999999": 99_999_999_999} {
		if r, err := ParseRate(text); err != nil || !r.known || r.pico != pico {
			t.Errorf("%q is %+v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", ".5", "1.", "-1", "+1", "1e3", "1,5", "0.0000001", "100000", "NaN", "1.2.3", " 1"} {
		if r, err := ParseRate(text); err == nil {
			t.Errorf("%q is %+v", text, r)
		}
	}
}

// price reads words of a price that are known to be good.
func price(t *testing.T, w Words) *Price {
	t.Helper()
	p, err := NewPrice(w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPriceOf(t *testing.T) {
	whole := Words{
		Input: "1", CachedInput: "0.1", CacheWrite: "1.25", CacheWrite1h: "2", Output: "10", Reasoning: "20", AudioInput: "40", AudioOutput: "80", ToolUse: "10000",
	}
	long := price(t, whole)
	long.Over, long.Long = 100, price(t, Words{Input: "2", Output: "15"})
	dark := price(t, whole)
	dark.Over, dark.Long = 100, price(t, Words{})
	for _, c := range []struct {
		name string
		p    *Price
		u    llm.Usage
		cost string
	}{
		{"every bucket once", price(t, whole), llm.Usage{Input: 1, CacheRead: 1, CacheWrite: 1, CacheWriteLong: 1, Output: 1, Reasoning: 1, AudioInput: 1, AudioOutput: 1, ToolInput: 1, ToolUses: 1}, "0.01015535"},
		{"nothing used", price(t, whole), llm.Usage{}, "0"},
		{"what has a neighbour", price(t, Words{Input: "1", Output: "2"}), llm.Usage{Input: 1, CacheRead: 10, CacheWrite: 100, Output: 1, Reasoning: 10}, "0.000133"},
		{"an hour's cache has none", price(t, Words{Input: "1", Output: "2"}), llm.Usage{Input: 1, CacheWriteLong: 1}, "unknown"},
		{"audio has none", price(t, Words{Input: "1", Output: "2"}), llm.Usage{AudioInput: 1}, "unknown"},
		{"tools have none", price(t, Words{Input: "1", Output: "2"}), llm.Usage{ToolUses: 1}, "unknown"},
		{"no price of what is made", price(t, Words{Input: "1"}), llm.Usage{Input: 7}, "0.000007"},
		{"no price", nil, llm.Usage{Input: 7}, "unknown"},
		{"just not long", long, llm.Usage{Input: 50, CacheRead: 50, Output: 1}, "0.000065"},
		{"long", long, llm.Usage{Input: 51, CacheRead: 50, Output: 1}, "0.000217"},
		{"long, at nobody knows what", dark, llm.Usage{Input: 101}, "unknown"},
		{"what nobody believes", price(t, whole), llm.Usage{Input: 1 << 60}, "unknown"},
		{"as much as is believed", price(t, Words{Input: "99999"}), llm.Usage{Input: maxTokens}, "999990"},
	} {
		c.u.Known = true
		if got := c.p.Of(&c.u).String(); got != c.cost {
			t.Errorf("%s: %s, want %s", c.name, got, c.cost)
		}
	}
	if got := price(t, whole).Of(&llm.Usage{Input: 1}); got.Known() {
		t.Errorf("a turn that did not say what it used cost %v", got)
	}
}

func TestTable(t *testing.T) {
	rate := func(in string) *Price { return price(t, Words{Input: in}) }
	table := NewTable(map[string]*Price{
		"openai/gpt-5": rate("1"), "gpt-5": rate("2"), "ollama/*": rate("0"), "ollama/big*": rate("3"), "*-none": rate("4"), "acme/m*": rate("5"), "acme/m-2026-01-02": rate("6"),
	})
	for _, c := range []struct{ provider, model, in string }{
		{"openai", "gpt-5", "1"},
		{"openai", "gpt-5-2025-08-07", "1"},
		{"azure", "gpt-5", "2"},
		{"azure", "gpt-5-mini", ""},
		{"ollama", "anything", "0"},
		{"ollama", "big-one", "3"},
		{"acme", "m-2026-01-02", "6"},
		{"acme", "m-2026-01-03", "5"},
		{"anthropic", "claude-haiku-4-5-20251001", "1"}, // built in
		{"anthropic", "claude-haiku-4-5", "1"},
		{"nobody", "claude-haiku-4-5", ""},
		{"nobody", "", ""},
	} {
		p := table.Of(c.provider, c.model)
		if (p == nil) != (c.in == "") || p != nil && p.Input != rate(c.in).Input {
			t.Errorf("%s/%s: %+v, want input %q", c.provider, c.model, p, c.in)
		}
	}
	if (*Table)(nil).Of("openai", "gpt-5") != nil {
		t.Error("no table has prices")
	}
}

// TestBuiltInPrices holds the file to what it says of itself: each price is of a vendor whose source is named, and whole.
func TestBuiltInPrices(t *testing.T) {
	var file struct {
		About, Found string
		Sources      map[string]string
		Prices       map[string]row
	}
	if err := json.Unmarshal(pricesFile, &file, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	if file.About == "" || len(file.Found) < len("2026-11-25") || len(file.Prices) == 0 {
		t.Errorf("the file says %q, found %q", file.About, file.Found)
	}
	prices := builtIn()
	for name, p := range prices {
		vendor, model, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(file.Sources[vendor], "https://") || model == "" || strings.ContainsAny(model, "/*") {
			t.Errorf("%s: no source, or no name of a model", name)
		}
		if !p.Input.known || !p.Output.known || !p.CacheRead.known || p.Input.pico < p.CacheRead.pico || p.Output.pico <= p.Input.pico {
			t.Errorf("%s: %+v", name, p)
		}
		if p.Long != nil && (p.Over <= 0 || p.Long.Long != nil || p.Long.Input.known && p.Long.Input.pico <= p.Input.pico) {
			t.Errorf("%s: above %d %+v", name, p.Over, p.Long)
		}
	}
	if p := prices["anthropic/claude-haiku-5-5"]; p == nil || p.Over != 100_000 || !p.Long.CacheWriteLong.known {
		t.Errorf("a long context is not read: %+v", p)
	}
}

// turn is a model that says what it has used.
func turn(events ...llm.Event) llm.Model {
	return llm.Func(func(context.Context, *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			for _, ev := range events {
				if !yield(ev, nil) {
					return
				}
			}
		}
	})
}

func TestMeterCountsTheEndAlone(t *testing.T) {
	started := &llm.Usage{Known: true, Input: 100}
	ended := &llm.Usage{Known: true, Input: 100, Output: 10, Raw: llm.Frame{Wire: "w", Bytes: []byte("{}")}}
	table := NewTable(map[string]*Price{"acme/m": price(t, Words{Input: "1", Output: "2"})})
	for _, c := range []struct{ place, model, want, cost string }{
		{"m", "our-name", "acme/m", "0.00012"},
		{"", "m", "acme/m", "0.00012"},
		{"", "other", "acme/other", "unknown"},
		{"other", "m", "acme/other", "unknown"},
	} {
		m := New(turn(llm.Event{Kind: llm.Start, Head: &llm.Head{}, Usage: started}, llm.Event{Kind: llm.End, Usage: ended}), table, "acme", c.place)
		call := new(obs.Call)
		ctx := obs.With(t.Context(), call)
		for range 2 {
			for ev, err := range m.Generate(ctx, &llm.Request{Model: c.model}) {
				if err != nil {
					t.Fatal(err)
				}
				if ev.Kind == llm.Start && ev.Usage != started || ev.Kind == llm.End && (ev.Usage.Cost.String() != c.cost || ev.Usage.Raw.Wire != "w") {
					t.Errorf("%v with %+v", ev.Kind, ev.Usage)
				}
			}
		}
		if len(call.Spent) != 2 || call.Spent[1].Place != c.want || call.Spent[1].Usage.Output != 10 || call.Spent[1].Usage.Raw.Bytes != nil {
			t.Errorf("the call has %+v", call.Spent)
		}
		if want := (llm.Cost{}).Plus(call.Spent[0].Usage.Cost).Plus(call.Spent[1].Usage.Cost); call.Cost != want {
			t.Errorf("the sum is %v, want %v", call.Cost, want)
		}
		if ended.Cost.Asked() {
			t.Error("the inner model's usage was changed")
		}
	}
}

func TestMeterOfTurnsThatDoNotSay(t *testing.T) {
	table := NewTable(map[string]*Price{"acme/*": price(t, Words{Input: "1"})})
	call := new(obs.Call)
	m := New(turn(llm.Event{Kind: llm.Opaque, Raw: []byte("x")}, llm.Event{Kind: llm.End}), table, "acme", "m")
	for ev := range m.Generate(obs.With(t.Context(), call), &llm.Request{Opaque: true}) {
		if ev.Kind == llm.End && (ev.Usage.Known || ev.Usage.Cost.String() != "unknown") {
			t.Errorf("usage %+v", ev.Usage)
		}
	}
	if call.Cost.String() != "unknown" {
		t.Errorf("cost %v", call.Cost)
	}
	for ev := range m.Generate(obs.With(t.Context(), call), &llm.Request{Opaque: true, Op: "/count"}) {
		if ev.Usage != nil {
			t.Errorf("an answer that is no turn has %+v", ev.Usage)
		}
	}
	if len(call.Spent) != 1 {
		t.Errorf("spent %+v", call.Spent)
	}
}

func TestMeterIsAModel(t *testing.T) {
	llmtest.Around(t, func(inner llm.Model) llm.Model { return New(inner, NewTable(nil), "acme", "m") })
}

// TestMeterOnTheWay bounds what a relayed reply pays for being metered.
func TestMeterOnTheWay(t *testing.T) {
	u := &llm.Usage{Known: true, Input: 1}
	inner := turn(llm.Event{Kind: llm.Opaque}, llm.Event{Kind: llm.Opaque}, llm.Event{Kind: llm.End, Usage: u})
	m := New(inner, NewTable(nil), "openai", "gpt-4o")
	call := new(obs.Call)
	ctx, req := obs.With(t.Context(), call), &llm.Request{Opaque: true}
	count := func(m llm.Model) float64 {
		return testing.AllocsPerRun(100, func() {
			call.Spent = nil
			for range m.Generate(ctx, req) {
			}
		})
	}
	if bare, metered := count(inner), count(m); metered-bare > 3 {
		t.Errorf("%v allocations, %v without a meter", metered, bare)
	}
}
