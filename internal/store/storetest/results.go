package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// aResult is a result with a text of n bytes, none of which is text only.
func aResult(id string, n int) store.ToolResult {
	return store.ToolResult{ID: id, Server: "web", Tool: "fetch", External: true, Text: bytes.Repeat([]byte("0123456789\x00\xffabcd"), n/16+1)[:n]}
}

func results(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	missing[store.ToolResult](t)(s.ResultPart(ctx, "p", "a", 0, 10))
	ok(t, s.SaveResult(ctx, "p", aResult("a", 1000)))
	ok(t, s.SaveResult(ctx, "p", store.ToolResult{ID: "empty", Server: "s\x00", Tool: "t\xff"}))
	for _, part := range [][2]int{{0, 10}, {0, 1000}, {7, 20}, {990, 100}, {999, 1}, {1000, 5}, {5000, 5}, {0, 0}} {
		want := aResult("a", 1000)
		want.Size = 1000
		from, to := min(part[0], 1000), min(part[0]+part[1], 1000)
		want.Text = want.Text[from:to]
		if len(want.Text) == 0 {
			want.Text = nil
		}
		same(t, fmt.Sprint("part ", part), want, found[store.ToolResult](t)(s.ResultPart(ctx, "p", "a", part[0], part[1])))
	}
	same(t, "empty", store.ToolResult{ID: "empty", Server: "s\uFFFD", Tool: "t\uFFFD"}, found[store.ToolResult](t)(s.ResultPart(ctx, "p", "empty", 0, 10)))
	if s.SaveResult(ctx, "p", aResult("a", 5)) == nil {
		t.Error("an id is used twice")
	}
	const large = 17 << 20
	ok(t, s.SaveResult(ctx, "p", aResult("large", large)))
	same(t, "large", aResult("large", large).Text[large-100:], found[store.ToolResult](t)(s.ResultPart(ctx, "p", "large", large-100, 1000)).Text)
}

func resultsOfOthers(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	ok(t, s.SaveResult(ctx, "p", aResult("a", 100)))
	found[store.ToolResult](t)(other.ResultPart(ctx, "p", "a", 0, 10))
	for _, who := range []string{"q", "", "P", "p\x00", strings.Repeat("p", 1000)} {
		missing[store.ToolResult](t)(other.ResultPart(ctx, who, "a", 0, 10))
	}
	for _, id := range []string{"", "A", "a\x00b", "\xff", strings.Repeat("x", 100_000), "%"} {
		missing[store.ToolResult](t)(s.ResultPart(ctx, "p", id, 0, 10))
	}
	f.clock.move(time.Hour - time.Millisecond)
	found[store.ToolResult](t)(s.ResultPart(ctx, "p", "a", 0, 10))
	f.clock.move(time.Millisecond)
	missing[store.ToolResult](t)(s.ResultPart(ctx, "p", "a", 0, 10))
	ok(t, s.Sweep(ctx))
	f.clock.move(-time.Hour)
	missing[store.ToolResult](t)(s.ResultPart(ctx, "p", "a", 0, 10))
}

// Full checks a store in memory that results have filled: the oldest of them make room, and nothing else does.
func Full(t *testing.T, s store.Store, limit int) {
	ctx := t.Context()
	ok(t, s.Keep(ctx, "p", aTurn("turn")))
	ok(t, s.Ask(ctx, "p", llm.Pending{ID: "asked"}))
	last := ""
	for i := range 40 {
		last = fmt.Sprint(i)
		ok(t, s.SaveResult(ctx, "p", aResult(last, limit/16)))
	}
	found[llm.Kept](t)(s.Recall(ctx, "p", "turn"))
	found[llm.Pending](t)(s.Pending(ctx, "p", "asked"))
	found[store.ToolResult](t)(s.ResultPart(ctx, "p", last, 0, 1))
	missing[store.ToolResult](t)(s.ResultPart(ctx, "p", "0", 0, 1))
	if s.SaveResult(ctx, "p", aResult("too large", limit)) == nil {
		t.Error("a result larger than the store is kept")
	}
	found[llm.Kept](t)(s.Recall(ctx, "p", "turn"))
	found[llm.Pending](t)(s.Pending(ctx, "p", "asked"))
	many := aTurn("large")
	many.Messages[0].Text = strings.Repeat("x", limit/4)
	ok(t, s.Keep(ctx, "p", many))
	found[llm.Pending](t)(s.Pending(ctx, "p", "asked"))
}
