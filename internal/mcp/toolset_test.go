package mcp

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

var someSets = []Toolset{
	{Name: "support", Tools: map[string][]string{"a": {"read"}, "b": nil}},
	{Name: "writers", Tools: map[string][]string{"a": {"write"}, "b": {"write"}}},
	{Name: "gone", Tools: map[string][]string{"z": nil}},
	{Name: "secret", Tools: map[string][]string{"a": nil}},
}

// notSecret lets everything happen but what has to do with the toolset secret.
func notSecret(u Use) Verdict { return permit(u.Toolset != "secret" && u.Server != "c") }

func threeServers(t *testing.T) *Catalogue {
	t.Helper()
	tools := defs("read", "write", "list")
	return newCatalogue(t, fakes{"a": {tools: tools}, "b": {tools: tools}, "c": {tools: tools}}, Options{}, webServer("a"), webServer("b"), webServer("c"))
}

func TestToolsets(t *testing.T) {
	const set, writers = "a-read,b-read,b-write,b-list", "a-write,b-write"
	tests := []struct {
		name    string
		entries []llm.MCPEntry
		narrow  string // x-mcp-servers
		want    string
	}{
		{"a set", []llm.MCPEntry{{URL: "fairlead/mcp/support"}}, "", set},
		{"in any letter case", []llm.MCPEntry{{URL: "litellm_proxy/mcp/SUPPORT"}}, "", set},
		{"by the gateway's own URL", []llm.MCPEntry{{URL: "https://gw.example/mcp/support"}}, "", set},
		{"by its label", []llm.MCPEntry{{Label: "support"}}, "", set},
		{"by its label, without a name", []llm.MCPEntry{{URL: "fairlead", Label: "support"}}, "", set},
		{"sets together", []llm.MCPEntry{{URL: "fairlead/mcp/writers,support"}}, "", "a-read,a-write,b-read,b-write,b-list"},
		{"a set and a server", []llm.MCPEntry{{URL: "fairlead/mcp/support,a"}}, "", "a-read,a-write,a-list,b-read,b-write,b-list"},
		{"twice", []llm.MCPEntry{{URL: "fairlead/mcp/writers,writers"}, {URL: "fairlead/mcp/writers"}}, "", writers},
		{"with allowed_tools", []llm.MCPEntry{{URL: "fairlead/mcp/support", Filtered: true, Allowed: []string{"write", "a-read"}}}, "", "a-read,b-write"},
		{"narrowed to a server", []llm.MCPEntry{{URL: "fairlead/mcp/support"}}, "b", "b-read,b-write,b-list"},
		{"narrowed to a set", []llm.MCPEntry{{URL: "fairlead"}}, "support", set},
		{"a set narrowed to another", []llm.MCPEntry{{URL: "fairlead/mcp/support"}}, "writers", "b-write"},
		{"narrowed to several", []llm.MCPEntry{{URL: "fairlead"}}, "a,writers", "a-read,a-write,a-list,b-write"},
		{"an entry that narrows", []llm.MCPEntry{{URL: "fairlead", Headers: map[string]string{"x-mcp-servers": "writers"}}, {URL: "fairlead/mcp/a"}}, "", "a-read,a-write,a-list,b-write"},
		{"a set of no server", []llm.MCPEntry{{URL: "fairlead/mcp/gone"}}, "", "mcp_server_not_available"},
		{"a set that may not be named", []llm.MCPEntry{{URL: "fairlead/mcp/secret"}}, "", "mcp_server_not_available"},
		{"a set that there is not", []llm.MCPEntry{{URL: "fairlead/mcp/support,none"}}, "", "mcp_server_not_available"},
		{"narrowed to what may not be named", []llm.MCPEntry{{URL: "fairlead"}}, "secret", "mcp_server_not_available"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sel := Selection{Access: notSecret, Toolsets: someSets, Entries: tt.entries, Hosts: []string{"gw.example"}, Header: header("x-mcp-servers", tt.narrow)}
				b, err := threeServers(t).Open(t.Context(), sel)
				got := ""
				if err != nil {
					got = fault.From(err).Code
				} else {
					got = strings.Join(offered(b), ",")
				}
				if got != tt.want {
					t.Errorf("got %s, want %s (%v)", got, tt.want, err)
				}
			})
		})
	}
}

// The first entry that wants a tool decides about asking, and a set that has not got the tool does not want it.
func TestToolsetDecidesAboutAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sel := Selection{Access: notSecret, Toolsets: someSets, Entries: []llm.MCPEntry{
			{URL: "fairlead/mcp/writers", Label: "w"}, {URL: "fairlead/mcp/a", Approval: llm.Approval{Never: true}},
		}}
		b := open(t, threeServers(t), sel)
		for _, tool := range b.Tools() {
			if asks := tool.Tool == "write"; tool.Ask != asks || (tool.Label == "w") != asks {
				t.Errorf("%+v", tool)
			}
		}
	})
}

func TestToolsetLooksLikeUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := threeServers(t)
		text := func(name string) string {
			_, err := c.View(t.Context(), &Visit{Server: name, Selection: Selection{Access: notSecret, Toolsets: someSets}})
			return strings.ReplaceAll(fault.From(err).Message, name, "NAME")
		}
		if a, b := text("secret"), text("unknown"); a != b {
			t.Errorf("the texts differ:\n%s\n%s", a, b)
		}
	})
}

// A view of a set has its tools under the names of many servers, and nothing that the set leaves out can be called.
func TestViewOfAToolset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := threeServers(t)
		see := func(name string, access Access) (*View, []string) {
			v, err := c.View(t.Context(), &Visit{Server: name, Selection: Selection{Access: access, Toolsets: someSets}})
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, s := range v.shelf.order {
				all = append(all, v.picks[s.pick].pool.server.Name+"/"+s.tool.Name)
			}
			return v, all
		}
		v, got := see("support", everything)
		if want := []string{"a/read", "b/read", "b/write", "b/list"}; !slices.Equal(got, want) {
			t.Errorf("it has %v, want %v", got, want)
		}
		for name, want := range map[string]bool{"a-read": true, "a-write": false, "b-write": true, "read": false, "c-read": false} {
			if _, ok := v.Tool(name, nil); ok != want {
				t.Errorf("%s can be called: %v", name, ok)
			}
		}
		if again, _ := see("support", everything); again.shelf != v.shelf {
			t.Error("what was made of a set is not used again")
		}
		if _, got = see("writers,support", notSecret); !slices.Equal(got, []string{"a/read", "a/write", "b/read", "b/write", "b/list"}) {
			t.Errorf("two sets have %v", got)
		}
		// The set is narrowed by what the principal may use, not the other way round.
		if _, got = see("support", func(u Use) Verdict { return permit(u.Tool != "read") }); !slices.Equal(got, []string{"b/write", "b/list"}) {
			t.Errorf("with fewer permissions it has %v", got)
		}
		use := func(a Access, u Use) Decision { return Admit(a, &v.picks[0].pool.server, u).Decision }
		narrow := within(everything, v.picks)
		for _, u := range []Use{{Prompt: "p"}, {Resource: "file:///x"}, {Tool: "write"}} {
			if use(narrow, u) != Refuse {
				t.Errorf("of a server with some tools in the set, %+v is allowed", u)
			}
			if d := Admit(narrow, &v.picks[1].pool.server, u).Decision; d != Allow {
				t.Errorf("of a server that is whole in the set, %+v is refused", u)
			}
		}
		if use(narrow, Use{}) != Allow || use(narrow, Use{Tool: "read"}) != Allow {
			t.Error("what is in the set is refused")
		}
	})
}
