package mcp

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

func TestOfferedTools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first server answers last: order is the config's, not the clock's.
		fs := fakes{"b": {tools: defs("read", "write", "re.ad", "re_ad"), listTime: time.Second}, "a": {tools: defs("read", "list")}}
		bare, a := webServer("b"), webServer("a")
		bare.Prefix = ""
		a.Deny = []string{"list"}
		c := newCatalogue(t, fs, Options{}, bare, a)
		sel := ask("fairlead/mcp/a,b")
		sel.Own = []llm.Tool{{Name: "write"}, {Name: "a-read"}}
		b := open(t, c, sel)
		want := []string{"read", "write_2", "re_ad", "re_ad_2", "a-read_2"}
		if got := offered(b); !slices.Equal(got, want) {
			t.Errorf("offered %q, want %q", got, want)
		}
		run(t, b, "re_ad_2", "")
		run(t, b, "re_ad", "")
		run(t, b, "a-read_2", "")
		if got := []string{fs["b"].calls[0].Name, fs["b"].calls[1].Name, fs["a"].calls[0].Name}; !slices.Equal(got, []string{"re_ad", "re.ad", "read"}) {
			t.Errorf("called %q", got)
		}
		if again := open(t, c, sel); !slices.EqualFunc(b.Tools(), again.Tools(), func(x, y llm.Tool) bool { return x.Name == y.Name && x.Server == y.Server }) {
			t.Error("the same request came to other tools")
		}
		tool := b.Tools()[1]
		if tool.Server != "b" || tool.Tool != "write" || tool.Description != "does write" || tool.Ask {
			t.Errorf("tool %+v", tool)
		}
	})
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func TestAllowedTools(t *testing.T) {
	tests := []struct {
		name    string
		entries []llm.MCPEntry
		want    string
	}{
		{"no filter", []llm.MCPEntry{{URL: "fairlead/mcp/a"}}, "a-read,a-write"},
		{"own name", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"read"}}}, "a-read"},
		{"offered name", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"a-write"}}}, "a-write"},
		{"none", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true}}, ""},
		{"case counts", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"READ"}}}, ""},
		{"read only", []llm.MCPEntry{{URL: "fairlead/mcp/a", ReadOnly: yes()}}, "a-read"},
		{"not read only", []llm.MCPEntry{{URL: "fairlead/mcp/a", ReadOnly: no()}}, "a-write"},
		{"both", []llm.MCPEntry{{URL: "fairlead/mcp/a", ReadOnly: yes(), Filtered: true, Allowed: []string{"write"}}}, ""},
		{"per entry", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"read"}}, {URL: "fairlead/mcp/b"}}, "a-read,b-read,b-write"},
		{"union", []llm.MCPEntry{{URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"read"}}, {URL: "fairlead/mcp/a", Filtered: true, Allowed: []string{"write"}}}, "a-read,a-write"},
	}
	tools := defs("read", "write")
	tools[0].ReadOnly = true
	synctest.Test(t, func(t *testing.T) {
		c := newCatalogue(t, fakes{"a": {tools: tools}, "b": {tools: tools}}, Options{}, webServer("a"), webServer("b"))
		for _, tt := range tests {
			b := open(t, c, Selection{Access: everything, Entries: tt.entries, Own: []llm.Tool{{Name: "mine"}}})
			if got := strings.Join(offered(b), ","); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		}
	})
}

func TestApproval(t *testing.T) {
	names := func(n ...string) llm.Filter { return llm.Filter{Set: true, Names: n} }
	tests := []struct {
		name     string
		approval llm.Approval
		ask      string
	}{
		{"never", llm.Approval{Never: true}, ""},
		{"nothing said", llm.Approval{}, "read,write,drop"},
		{"never for some", llm.Approval{RunFor: names("read")}, "write,drop"},
		{"never for some, as offered", llm.Approval{RunFor: names("a-read")}, "write,drop"},
		{"never for readers", llm.Approval{RunFor: llm.Filter{Set: true, ReadOnly: yes()}}, "write,drop"},
		{"never for readers by name", llm.Approval{RunFor: llm.Filter{Set: true, ReadOnly: yes(), Names: []string{"write"}}}, "read,write,drop"},
		{"always for some", llm.Approval{AskFor: names("drop")}, "read,write,drop"}, // nothing is said of the others
		{"always before never", llm.Approval{AskFor: names("drop"), RunFor: names("drop", "write")}, "read,drop"},
		{"never for none", llm.Approval{RunFor: names([]string{}...)}, "read,write,drop"},
		{"never, empty", llm.Approval{RunFor: llm.Filter{Set: true}}, "read,write,drop"},
		{"always, empty", llm.Approval{AskFor: llm.Filter{Set: true}, RunFor: names("read")}, "read,write,drop"},
	}
	tools := defs("read", "write", "drop")
	tools[0].ReadOnly = true
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: tools}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		for _, tt := range tests {
			b := open(t, c, Selection{Access: everything, Entries: []llm.MCPEntry{{URL: "fairlead", Approval: tt.approval}}})
			var ask []string
			for _, tool := range b.Tools() {
				if tool.Ask {
					ask = append(ask, tool.Tool)
				}
			}
			if got := strings.Join(ask, ","); got != tt.ask {
				t.Errorf("%s: asks for %s, want %s", tt.name, got, tt.ask)
			}
		}
		// The first entry that offers a tool decides.
		b := open(t, c, Selection{Access: everything, Entries: []llm.MCPEntry{
			{URL: "fairlead", Filtered: true, Allowed: []string{"write"}, Approval: llm.Approval{Never: true}}, {URL: "fairlead"},
		}})
		if got := []bool{b.Tools()[0].Ask, b.Tools()[1].Ask, b.Tools()[2].Ask}; !slices.Equal(got, []bool{true, false, true}) {
			t.Errorf("asks %v", got)
		}
		if res := run(t, b, "a-drop", "{}"); !res.IsError || len(f.calls) != 0 {
			t.Errorf("a call that needs approval was made: %+v", res)
		}
	})
}

func TestNothingToOffer(t *testing.T) {
	down := &fakeServer{dialErr: &Unavailable{Message: "connection refused"}}
	fs := fakes{"empty": {}, "down": down, "down2": down, "full": {tools: defs("x", "y")}}
	tests := []struct {
		name    string
		entries []llm.MCPEntry
		own     bool
		status  int
		code    string
		text    []string
	}{
		{"a server without tools", []llm.MCPEntry{{URL: "fairlead/mcp/empty"}}, false, 400, "no_tools", []string{"empty: it lists no tools"}},
		{"filtered to nothing", []llm.MCPEntry{{URL: "fairlead/mcp/full", Filtered: true}}, false, 400, "no_tools", []string{"full: it lists 2 tools, and allowed_tools or permissions leave none"}},
		{"the caller has tools", []llm.MCPEntry{{URL: "fairlead/mcp/empty"}}, true, 0, "", nil},
		{"empty and down", []llm.MCPEntry{{URL: "fairlead/mcp/empty,down"}}, false, 400, "no_tools", []string{"empty: it lists no tools", "down: connection refused"}},
		{"all down", []llm.MCPEntry{{URL: "fairlead/mcp/down"}, {URL: "fairlead/mcp/down2"}}, false, 424, "mcp_list_failed", []string{"down: connection refused", "down2: connection refused"}},
		{"all down, the caller has tools", []llm.MCPEntry{{URL: "fairlead/mcp/down"}}, true, 424, "mcp_list_failed", nil},
		{"one down", []llm.MCPEntry{{URL: "fairlead/mcp/down,full"}}, false, 0, "", nil},
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCatalogue(t, fs, Options{}, webServer("empty"), webServer("down"), webServer("down2"), webServer("full"))
		for _, tt := range tests {
			sel := Selection{Access: everything, Entries: tt.entries}
			if tt.own {
				sel.Own = []llm.Tool{{Name: "mine"}}
			}
			_, err := c.Open(t.Context(), sel)
			if tt.status == 0 {
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				continue
			}
			e := fault.From(err)
			if e.HTTPStatus() != tt.status || e.Code != tt.code {
				t.Errorf("%s: %d %s", tt.name, e.HTTPStatus(), e.Code)
			}
			for _, text := range tt.text {
				if !strings.Contains(e.Message, text) {
					t.Errorf("%s: %q does not say %q", tt.name, e.Message, text)
				}
			}
		}
		sel := Selection{Access: Only(nil), Entries: []llm.MCPEntry{{URL: "fairlead"}}}
		if _, err := c.Open(t.Context(), sel); fault.From(err).Code != "no_tools" || !strings.Contains(err.Error(), "may use no MCP server") {
			t.Errorf("a key without servers: %v", err)
		}
		sel = ask("fairlead/mcp/down")
		sel.Attached = true
		if b := open(t, c, sel); len(b.Errors()) != 1 {
			t.Errorf("an attached server that is down: %v", b.Errors())
		}
		if b := open(t, c, Selection{}); len(b.Tools()) != 0 {
			t.Error("tools from nowhere")
		}
	})
}

func TestPermissionIsAskedAtEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read", "write")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		var seen []Use
		allowed := true
		sel := ask("fairlead")
		sel.Access = func(u Use) Verdict {
			seen = append(seen, u)
			return permit(allowed && u.Tool != "write")
		}
		b := open(t, c, sel)
		if got := offered(b); !slices.Equal(got, []string{"a-read"}) {
			t.Errorf("offered %q", got)
		}
		run(t, b, "a-read", `{"path":"x"}`)
		if u := seen[len(seen)-1]; u.Server != "a" || u.Tool != "read" || string(u.Arguments) != `{"path":"x"}` {
			t.Errorf("asked for %+v", u)
		}
		hidden := run(t, b, "a-write", "{}")
		allowed = false
		refused := run(t, b, "a-read", "{}")
		unknown := run(t, b, "a-nothing", "{}")
		blank := func(r llm.Result, name string) llm.Result {
			r.Name, r.Text = "", strings.ReplaceAll(r.Text, name, "NAME")
			return r
		}
		want := blank(unknown, "a-nothing")
		if diff := cmp.Diff(want, blank(hidden, "a-write")); diff != "" || !want.IsError {
			t.Error("hidden: " + diff)
		}
		if diff := cmp.Diff(want, blank(refused, "a-read")); diff != "" {
			t.Error("refused: " + diff)
		}
		if len(f.calls) != 1 {
			t.Errorf("%d calls were made", len(f.calls))
		}
		deny := webServer("a")
		deny.Deny = []string{"read"}
		allowed = true
		c.Apply([]Server{deny})
		if res := run(t, b, "a-read", "{}"); res.Text != want.Text[:0]+strings.ReplaceAll(want.Text, "NAME", "a-read") {
			t.Errorf("denied by a reload: %q", res.Text)
		}
	})
}

func TestExternalServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("ask")}
		c := newCatalogue(t, fakes{"wiki": f}, Options{})
		sel := Selection{Access: Only(nil), External: []string{"wiki.example"}, Header: http.Header{}, Key: "sk-gateway-1234", Entries: []llm.MCPEntry{
			{URL: "https://wiki.example/mcp", Label: "wiki", Approval: llm.Approval{Never: true}, Headers: map[string]string{"Authorization": "Bearer own", "X-Key": "sk-gateway-1234"}},
		}}
		b := open(t, c, sel)
		if res := run(t, b, "wiki-ask", "{}"); res.Text != "ok" || res.Server != "wiki" {
			t.Errorf("got %+v", res)
		}
		if s := f.servers[0]; !s.External || s.URL != "https://wiki.example/mcp" {
			t.Errorf("dialled %+v", s)
		}
		if diff := cmp.Diff(map[string]string{"Authorization": "Bearer own"}, flat(f.headers[0])); diff != "" {
			t.Error(diff)
		}
		open(t, c, sel)
		wantCounts(t, f, 1, 1)
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tools := []ToolDef{{Name: "read", Description: "reads", InputSchema: []byte("{\n \"title\": \"x\" }")}}
		fs := fakes{"a": {tools: tools}, "b": {dialErr: errors.New("dial tcp 10.1.2.3:80: refused")}, "secret": {tools: tools}}
		c := newCatalogue(t, fs, Options{}, webServer("b"), webServer("a"), webServer("secret"))
		got, errs, err := c.List(t.Context(), Selection{Access: Only([]string{"a", "b"})})
		if err != nil {
			t.Fatal(err)
		}
		want := []llm.Tool{{Name: "a-read", Description: "reads", Schema: []byte(`{"title":"x"}`), Label: "a", Server: "a", Tool: "read", Ask: true}}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(llm.Tool{}, "Forms")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]llm.ServerError{{Server: "b", Error: "the server could not be reached", Label: "b"}}, errs); diff != "" {
			t.Error(diff)
		}
		synctest.Wait()
		if d, _, _ := fs["secret"].counts(); d != 0 {
			t.Error("a server that the key may not use was asked")
		}
	})
}
