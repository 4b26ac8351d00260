package mcp

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestCredentials(t *testing.T) {
	const key = "sk-gateway-1234"
	type m = map[string]string
	tests := []struct {
		name    string
		server  Server
		header  http.Header
		entries []m
		want    m
	}{
		{"nothing", Server{Name: "git"}, header("Authorization", "Bearer "+key, "X-Other", "1"), nil, m{}},
		{"own authorization", Server{Name: "git"}, header("X-Mcp-Git-Authorization", "Bearer t"), nil, m{"Authorization": "Bearer t"}},
		{"own header", Server{Name: "git"}, header("X-Mcp-Git-X-Api-Key", "t"), nil, m{"X-Api-Key": "t"}},
		{"the longest name", Server{Name: "git"}, header("X-Mcp-Git-Hub-Token", "t"), nil, m{}},
		{"the longest name, the other", Server{Name: "git_hub"}, header("X-Mcp-Git-Hub-Token", "t"), nil, m{"Token": "t"}},
		{"_ for -", Server{Name: "git_hub"}, header("X-Mcp-Git_hub-Token", "t"), nil, m{"Token": "t"}},
		{"another server's", Server{Name: "git"}, header("X-Mcp-Files-Token", "t"), nil, m{}},
		{"no header left", Server{Name: "git"}, header("X-Mcp-Git-", "t", "X-Mcp-Git", "t"), nil, m{}},
		{"x-mcp-auth", Server{Name: "git"}, header("X-Mcp-Auth", "Bearer a"), nil, m{"Authorization": "Bearer a"}},
		{"x-mcp-auth beside its own", Server{Name: "git"}, header("X-Mcp-Auth", "Bearer a", "X-Mcp-Git-Authorization", "Bearer t"), nil, m{"Authorization": "Bearer t"}},
		{"x-mcp-auth beside another header", Server{Name: "git"}, header("X-Mcp-Auth", "Bearer a", "X-Mcp-Git-Token", "t"), nil, m{"Authorization": "Bearer a", "Token": "t"}},
		{"x-mcp-auth beside the config's", Server{Name: "git", Headers: m{"authorization": "Bearer c"}}, header("X-Mcp-Auth", "Bearer a"), nil, m{}},
		{"x-mcp-auth beside the config's tokens", Server{Name: "git", Auth: &Auth{Type: "oauth"}}, header("X-Mcp-Auth", "Bearer a"), []m{{"x-mcp-auth": "Bearer b"}}, m{}},
		{"own authorization beside the config's tokens", Server{Name: "git", Auth: &Auth{Type: "oauth"}}, header("X-Mcp-Git-Authorization", "Bearer t"), nil, m{"Authorization": "Bearer t"}},
		{"a server called auth-x keeps apart", Server{Name: "git"}, header("X-Mcp-Access-Groups", "g", "X-Mcp-Servers", "git"), nil, m{}},
		{"forwarded", Server{Name: "git", ForwardHeaders: []string{"x-tenant", "x-none"}}, header("X-Tenant", "7"), nil, m{"X-Tenant": "7"}},
		{"header over forwarded", Server{Name: "git", ForwardHeaders: []string{"x-tenant"}}, header("X-Tenant", "7", "X-Mcp-Git-X-Tenant", "8"), nil, m{"X-Tenant": "8"}},
		{"forwarded authorization of the caller", Server{Name: "git", ForwardHeaders: []string{"authorization"}}, header("Authorization", "Bearer own"), nil, m{"Authorization": "Bearer own"}},

		{"entry", Server{Name: "git"}, nil, []m{{"authorization": "Bearer b", "X-Foo": "1"}}, m{"Authorization": "Bearer b", "X-Foo": "1"}},
		{"entry over header", Server{Name: "git"}, header("X-Mcp-Git-Authorization", "Bearer t"), []m{{"Authorization": "Bearer b"}}, m{"Authorization": "Bearer b"}},
		{"entry, spelt long", Server{Name: "git"}, nil, []m{{"x-mcp-git-authorization": "Bearer b", "x-mcp-files-authorization": "Bearer f"}}, m{"Authorization": "Bearer b"}},
		{"entry, both spellings", Server{Name: "git"}, nil, []m{{"x-mcp-git-authorization": "Bearer long", "Authorization": "Bearer short"}}, m{"Authorization": "Bearer long"}},
		{"entry, x-mcp-auth", Server{Name: "git"}, nil, []m{{"x-mcp-auth": "Bearer b"}}, m{"Authorization": "Bearer b"}},
		{"entry, x-mcp-auth beside its own", Server{Name: "git"}, nil, []m{{"x-mcp-auth": "Bearer b", "X-MCP-GIT-AUTHORIZATION": "Bearer o"}}, m{"Authorization": "Bearer o"}},
		{"the first entry counts", Server{Name: "git"}, nil, []m{{"Authorization": "Bearer 1"}, {"Authorization": "Bearer 2", "X-B": "2"}}, m{"Authorization": "Bearer 1", "X-B": "2"}},

		{
			"the key, forwarded",
			Server{Name: "git", ForwardHeaders: []string{"authorization", "x-api-key", "api-key", "x-litellm-api-key"}},
			header("Authorization", "Bearer "+key, "X-Api-Key", key, "Api-Key", key, "X-Litellm-Api-Key", "other"), nil,
			m{},
		},
		{"the key, by name", Server{Name: "git"}, header("X-Mcp-Git-Authorization", "Bearer "+key, "X-Mcp-Git-Token", key), nil, m{}},
		{"the key, for all", Server{Name: "git"}, header("X-Mcp-Auth", key), nil, m{}},
		{"the key, in an entry", Server{Name: "git"}, nil, []m{{"Authorization": "bearer " + key, "x-litellm-api-key": "Bearer " + key, "X-Any": "a" + key + "b"}}, m{}},
		{
			"not a caller's to set",
			Server{Name: "git", ForwardHeaders: []string{"connection", "host", "content-type", "mcp-session-id", "transfer-encoding"}},
			header("Connection", "x", "Host", "x", "Content-Type", "x", "Mcp-Session-Id", "x", "Transfer-Encoding", "x", "X-Mcp-Git-Mcp-Session-Id", "x", "X-Mcp-Git-Host", "x"),
			[]m{{"Mcp-Name": "x", "content-length": "1", "proxy-authorization": "x", "accept": "x", "x-fairlead-mcp": "x"}},
			m{},
		},
		{"a child process has none", Server{Name: "git", Command: []string{"git"}}, header("X-Mcp-Git-Authorization", "Bearer t"), nil, m{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sel := &Selection{Header: tt.header, Key: key}
			cr := newCredentials(sel, []string{"git", "git_hub", "files"})
			var wishes []wish
			for _, h := range tt.entries {
				wishes = append(wishes, wish{MCPEntry: &llm.MCPEntry{Headers: h}})
			}
			session, call := cr.forServer(&tt.server, wishes)
			if diff := cmp.Diff(tt.want, flat(session)); diff != "" {
				t.Error(diff)
			}
			if len(call) > 0 {
				t.Errorf("call headers %v", call)
			}
		})
	}
}

func TestForwardIsAsked(t *testing.T) {
	sel := &Selection{Header: header("Authorization", "Bearer dummy", "X-Tenant", "7"), Forward: func(name, _ string) bool { return name != "authorization" }}
	session, _ := newCredentials(sel, nil).forServer(&Server{Name: "git", ForwardHeaders: []string{"authorization", "x-tenant"}}, nil)
	if diff := cmp.Diff(map[string]string{"X-Tenant": "7"}, flat(session)); diff != "" {
		t.Error(diff)
	}
}

func TestHeadersOfARequestOpenNoSession(t *testing.T) {
	sel := &Selection{Header: header("X-Request-Tag", "abc", "X-Tenant", "7")}
	session, call := newCredentials(sel, nil).forServer(&Server{Name: "git", ForwardHeaders: []string{"x-request-tag", "x-tenant"}}, nil)
	if diff := cmp.Diff(map[string]string{"X-Tenant": "7"}, flat(session)); diff != "" {
		t.Error("session: " + diff)
	}
	if diff := cmp.Diff(map[string]string{"X-Request-Tag": "abc"}, flat(call)); diff != "" {
		t.Error("call: " + diff)
	}
}

func TestBadHeadersOfAnEntry(t *testing.T) {
	for _, h := range []map[string]string{{"a b": "x"}, {"": "x"}, {"X-A": "b\r\nc: d"}, {"ä": "x"}} {
		if err := checkHeaders(&llm.MCPEntry{Param: "tools[0]", Headers: h}); err == nil {
			t.Errorf("%q was taken", h)
		}
	}
}

// FuzzCredentials: whatever headers come, none that leaves is one that a caller must not set, holds the gateway's key, or
// could break a request apart.
func FuzzCredentials(f *testing.F) {
	f.Add("X-Mcp-Git-Authorization", "Bearer x", "x-mcp-git-hub-a", "v")
	f.Add("X-Mcp-Auth", "sk-gateway-1234", "Mcp-Session-Id", "1")
	f.Add("x-mcp-git-mcp-name", "v\r\n", "x-mcp-", "v")
	const key = "sk-gateway-1234"
	f.Fuzz(func(t *testing.T, name, value, entryName, entryValue string) {
		sel := &Selection{Header: http.Header{name: {value}}, Key: key}
		cr := newCredentials(sel, []string{"git", "git-hub", "g"})
		e := &llm.MCPEntry{Headers: map[string]string{entryName: entryValue}}
		for _, server := range []string{"git", "git-hub", "g"} {
			session, call := cr.forServer(&Server{Name: server, ForwardHeaders: []string{name}}, []wish{{MCPEntry: e}})
			for _, h := range []http.Header{session, call} {
				for n, vs := range h {
					low := strings.ToLower(n)
					if strings.HasPrefix(low, "mcp-") || strings.HasPrefix(low, "content-") || low == "host" || low == "x-litellm-api-key" {
						t.Errorf("%q leaves", n)
					}
					if strings.Contains(vs[0], key) || strings.ContainsAny(n+vs[0], "\r\n\x00") {
						t.Errorf("%q: %q leaves", n, vs[0])
					}
				}
			}
		}
	})
}
