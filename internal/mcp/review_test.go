package mcp

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := webServer("web")
		web.Untrusted = true
		c := newCatalogue(t, fakes{"web": {tools: defs("search")}, "mail": {tools: defs("send", "read")}, "files": {tools: defs("read")}}, Options{}, web, webServer("mail"), webServer("files"))
		sel := ask("fairlead/mcp/web,mail")
		sel.Entries[0].Label = "both"
		sel.Judged = true
		sel.Access = func(u Use) Verdict {
			switch {
			case u.Tool == "send" && strings.Contains(string(u.Arguments), "evil"):
				return Verdict{Reason: "not to them"}
			case u.Tool == "send" && len(u.Tainted) > 0:
				return Verdict{Decision: Ask, Reason: "after " + strings.Join(u.Tainted, ",")}
			}
			return Verdict{Decision: Allow}
		}
		b := open(t, c, sel)
		for _, tt := range []struct {
			call llm.Call
			want llm.Review
		}{
			{llm.Call{Name: "mail-send", Arguments: `{"to":"me"}`}, llm.Review{}},
			{llm.Call{Name: "mail-send", Arguments: `{"to":"me"}`, Tainted: []string{"web"}}, llm.Review{Held: true, Reason: "after web"}},
			{llm.Call{Name: "mail-send", Arguments: `{"to":"evil"}`, Tainted: []string{"web"}}, llm.Review{Refused: true, Reason: "not to them"}},
			{llm.Call{Name: "mail-read", Tainted: []string{"web"}}, llm.Review{}},
			{llm.Call{Name: "nobody's", Tainted: []string{"web"}}, llm.Review{}},
		} {
			if got := b.Review(tt.call); got != tt.want {
				t.Errorf("%+v: %+v", tt.call, got)
			}
		}
		held, err := b.Call(t.Context(), llm.Call{Name: "mail-send", Tainted: []string{"web"}})
		if err != nil || !held.IsError || !strings.HasSuffix(held.Text, "needs approval, which cannot be asked for here; the tool was not called: after web") || held.Untrusted {
			t.Errorf("called: %+v", held)
		}
		let, err := b.Call(t.Context(), llm.Call{Name: "mail-send", Tainted: []string{"web"}, Approved: true})
		if err != nil || let.IsError || let.Untrusted {
			t.Errorf("called with approval: %+v", let)
		}
		if res := run(t, b, "web-search", "{}"); !res.Untrusted || res.Server != "web" {
			t.Errorf("the result of a server of no trust: %+v", res)
		}

		for _, tt := range []struct {
			shown llm.Call
			want  string
		}{
			{llm.Call{Label: "both", Tool: "search"}, "web"},
			{llm.Call{Label: "both", Tool: "send"}, ""},
			{llm.Call{Label: "web", Tool: "search"}, "web"},
			{llm.Call{Label: "files", Tool: "read"}, ""},
			{llm.Call{Label: "of another time", Tool: "x"}, "of another time"},
			{llm.Call{Name: "web-search"}, "web"},
			{llm.Call{Name: "mail-read"}, ""},
			{llm.Call{Name: "the client's own"}, ""},
		} {
			if got := strings.Join(b.Doubts([]llm.Call{tt.shown, tt.shown}), ","); got != tt.want {
				t.Errorf("%+v: %q, want %q", tt.shown, got, tt.want)
			}
		}
	})
}

// A request whose calls nobody judges pays nothing for it.
func TestNoReviewAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, newCatalogue(t, fakes{"a": {tools: defs("x")}}, Options{}, webServer("a")), ask("fairlead"))
		call, shown := llm.Call{Name: "a-x", Arguments: `{"n":1}`}, []llm.Call{{Label: "a", Tool: "x"}}
		if n := testing.AllocsPerRun(100, func() {
			if b.Review(call).Held || len(b.Doubts(shown)) > 0 {
				t.Error("held")
			}
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// Servers that a request names by their address are of no trust where the config says so.
func TestExternalServersOfNoTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCatalogue(t, fakes{"wiki": {tools: defs("ask")}}, Options{})
		sel := Selection{Access: everything, External: []string{"wiki.example"}, Header: header(), Entries: []llm.MCPEntry{{URL: "https://wiki.example/mcp", Label: "wiki", Approval: llm.Approval{Never: true}}}}
		for _, doubtful := range []bool{false, true, false} {
			sel.Doubtful, sel.Judged = doubtful, doubtful
			b := open(t, c, sel)
			if res := run(t, b, "wiki-ask", "{}"); res.Untrusted != doubtful {
				t.Errorf("doubtful %v: %+v", doubtful, res)
			}
			if got := b.Doubts([]llm.Call{{Label: "wiki", Tool: "ask"}, {Label: "else"}}); doubtful != slices.Equal(got, []string{"wiki", "else"}) {
				t.Errorf("doubtful %v: doubts about %q", doubtful, got)
			}
		}
	})
}
