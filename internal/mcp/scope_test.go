package mcp

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// TestScope is the truth table of server_url and server_label. The key may use git, git-hub and my_files, not secret.
func TestScope(t *testing.T) {
	all := "git,git-hub,my_files"
	tests := []struct {
		url, label string
		want       string // servers, or the code of the error
	}{
		{"fairlead", "", all},
		{"fairlead/", "", all},
		{"fairlead/mcp", "", all},
		{"fairlead/mcp/", "", all},
		{"litellm_proxy", "", all},
		{"litellm_proxy/", "", all},
		{"litellm_proxy/mcp", "", all},
		{"litellm_proxy/mcp/", "", all},
		{"fairlead/mcp/git", "", "git"},
		{"fairlead/mcp/git/", "", "git"},
		{"litellm_proxy/mcp/git", "", "git"},
		{"litellm_proxy/mcp/GIT-hub", "", "git-hub"},
		{"litellm_proxy/mcp/git_hub", "", "git-hub"},
		{"fairlead/mcp/my-files", "", "my_files"},
		{"fairlead/mcp/my_files,git", "", "git,my_files"}, // the config's order
		{"fairlead/mcp/git, my_files,", "", "git,my_files"},
		{"fairlead/mcp/git,git", "", "git"},
		{"fairlead/mcp/git", "my_files", "git"}, // a name counts before a label

		{"fairlead", "git", "git"},
		{"litellm_proxy", "GIT_HUB", "git-hub"},
		{"litellm_proxy/mcp", "my-files", "my_files"},
		{"litellm_proxy", "litellm", all}, // clients put any word there
		{"fairlead", "secret", all},       // and what is forbidden is like what is unknown
		{"", "git", "git"},
		{"", "secret", "mcp_server_not_available"},
		{"", "nobody", "mcp_server_not_available"},
		{"", "", "invalid_value"},

		{"fairlead/mcp/secret", "", "mcp_server_not_available"},
		{"fairlead/mcp/nobody", "", "mcp_server_not_available"},
		{"fairlead/mcp/git,nobody", "", "mcp_server_not_available"},
		{"litellm_proxy/git", "", "invalid_value"},
		{"litellm_proxy/git/mcp", "", "invalid_value"},
		{"litellm_proxy/mcp/a/b", "", "invalid_value"},
		{"litellm_proxy/mcp/,", "", "invalid_value"},
		{"litellm_proxyX", "", "invalid_value"},
		{"fairleadX", "", "invalid_value"},
		{"fairlead/mcpgit", "", "invalid_value"},
		{"LITELLM_PROXY/mcp/git", "", "invalid_value"},
		{"git", "", "invalid_value"},
		{"ftp://gw.example/mcp/git", "", "invalid_value"},

		{"http://gw.example:4000/mcp/git", "", "git"},
		{"https://GW.example:4000/mcp/git/", "", "git"},
		{"http://gw.example:4000/mcp/git,my-files", "", "git,my_files"},
		{"http://gw.example:4000/mcp", "", all},
		{"http://gw.example:4000/mcp/", "git", "git"},
		{"https://plain.example/mcp/git", "", "git"},
		{"https://plain.example:443/mcp/git", "", "git"},
		{"http://gw.example:4000/git/mcp", "", "invalid_value"},
		{"http://gw.example:4000/", "", "invalid_value"},
		{"http://gw.example:4000", "", "invalid_value"},
		{"http://gw.example:4001/mcp/git", "", "external_mcp_not_allowed"}, // another port is another host
		{"https://stranger.example/mcp/git", "", "external_mcp_not_allowed"},
		{"http://", "", "invalid_value"},
		{"http://user:pass@gw.example:4000/mcp/git", "", "invalid_value"},
		{"http://ok.example/ mcp", "", "invalid_value"},

		{"https://ok.example/mcp", "", "ok_example"},
		{"https://ok.example/mcp", "Deep Wiki", "Deep_Wiki"},
		{"https://ok.example/mcp", "git", "git_external"}, // never under the name of one of the config
		{"https://ok.example:8443/x", "w", "w"},
		{"https://a.wild.example/x", "w", "w"},
		{"https://wild.example/x", "w", "external_mcp_not_allowed"},
		{"https://port.example:99/x", "w", "w"},
		{"https://port.example/x", "w", "external_mcp_not_allowed"},
	}
	c := New(nil, Options{})
	t.Cleanup(c.Close)
	c.Apply([]Server{webServer("git"), webServer("git-hub"), webServer("my_files"), webServer("secret")})
	for _, tt := range tests {
		sel := Selection{
			Access:   Only([]string{"git", "git-hub", "my_files"}),
			Hosts:    []string{"gw.example:4000", "plain.example"},
			External: []string{"ok.example", "*.wild.example", "port.example:99"},
			Entries:  []llm.MCPEntry{{Param: "tools[0]", URL: tt.url, Label: tt.label}},
		}
		var got []string
		p, err := c.pick(&sel)
		if err != nil {
			e := fault.From(err)
			got = []string{e.Code}
			if e.Code != "mcp_server_not_available" && e.Param != "tools[0].server_url" {
				t.Errorf("%q: the error names %q", tt.url, e.Param)
			}
		} else {
			for _, k := range p.picks {
				got = append(got, k.pool.server.Name)
			}
		}
		if s := strings.Join(got, ","); s != tt.want {
			t.Errorf("server_url %q, label %q: got %s, want %s (%v)", tt.url, tt.label, s, tt.want, err)
		}
	}
}

func TestForbiddenLooksLikeUnknown(t *testing.T) {
	c := New(nil, Options{})
	t.Cleanup(c.Close)
	c.Apply([]Server{webServer("git"), webServer("secret")})
	text := func(name string) string {
		sel := ask("fairlead/mcp/" + name)
		sel.Access = Only([]string{"git"})
		_, err := c.Open(t.Context(), sel)
		e := fault.From(err)
		if e.Kind != fault.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
		return strings.ReplaceAll(e.Message, name, "NAME")
	}
	if a, b := text("secret"), text("unknown"); a != b {
		t.Errorf("the texts differ:\n%s\n%s", a, b)
	}
}

func TestNarrowing(t *testing.T) {
	c := New(nil, Options{})
	t.Cleanup(c.Close)
	c.Apply([]Server{webServer("a"), webServer("b"), webServer("c"), webServer("secret")})
	tests := []struct {
		name, header string
		entries      []llm.MCPEntry
		want         string
	}{
		{"all to two", "b, A", []llm.MCPEntry{{URL: "fairlead"}}, "a,b"},
		{"named and narrowed", "b,c", []llm.MCPEntry{{URL: "fairlead/mcp/a,b"}}, "b"},
		{"nothing left", "c", []llm.MCPEntry{{URL: "fairlead/mcp/a"}}, ""},
		{"unknown", "c,zzz", []llm.MCPEntry{{URL: "fairlead"}}, "mcp_server_not_available"},
		{"forbidden", "secret", []llm.MCPEntry{{URL: "fairlead"}}, "mcp_server_not_available"},
		{"inside an entry", "", []llm.MCPEntry{{URL: "fairlead", Headers: map[string]string{"X-MCP-Servers": "b"}}}, "b"},
		{"inside one entry of two", "", []llm.MCPEntry{{URL: "fairlead", Headers: map[string]string{"x-mcp-servers": "b"}}, {URL: "fairlead/mcp/c"}}, "b,c"},
	}
	for _, tt := range tests {
		sel := Selection{Access: Only([]string{"a", "b", "c"}), Header: header("x-mcp-servers", tt.header), Entries: tt.entries}
		var got []string
		if p, err := c.pick(&sel); err != nil {
			got = []string{fault.From(err).Code}
		} else {
			for _, k := range p.picks {
				got = append(got, k.pool.server.Name)
			}
		}
		if s := strings.Join(got, ","); s != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, s, tt.want)
		}
	}
}

func TestTwoExternalServersOfOneLabel(t *testing.T) {
	c := New(nil, Options{})
	t.Cleanup(c.Close)
	sel := Selection{Access: everything, External: []string{"*"}, Entries: []llm.MCPEntry{
		{URL: "https://one.example/mcp", Label: "x"}, {URL: "https://two.example/mcp", Label: "x"}, {URL: "https://one.example/mcp", Label: "y"},
	}}
	p, err := c.pick(&sel)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range p.picks {
		got = append(got, k.pool.server.Name)
	}
	if !slices.Equal(got, []string{"x", "x_external"}) {
		t.Errorf("got %q", got)
	}
}
