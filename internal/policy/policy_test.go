package policy

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/config"
)

func deny(when string) config.Rule  { return config.Rule{Name: "no", When: when, Then: "deny"} }
func allow(when string) config.Rule { return config.Rule{Name: "yes", When: when, Then: "allow"} }
func ask(when string) config.Rule   { return config.Rule{Name: "maybe", When: when, Then: "ask"} }

func policy(tb testing.TB, taint string, rules ...config.Rule) *Policy {
	tb.Helper()
	p, err := New(&config.Config{Taint: taint, Rules: rules, ExternalMCP: config.ExternalMCP{Untrusted: true}}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// tool is a tool of which its server says nothing, asked about for a list.
func tool(name string) Facts {
	return Facts{Principal: "alice", Server: "files", Tool: name, Destructive: true, OpensUp: true}
}

func called(name, args string) Facts {
	f := tool(name)
	f.Args = []byte(args)
	return f
}

func TestTheFirstRuleThatIsTrueDecides(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []config.Rule
		facts Facts
		want  Decision
	}{
		{"no rule is true", []config.Rule{deny(`tool.name == "write"`)}, called("read", `{}`), Allow},
		{"denied", []config.Rule{deny(`tool.name == "read"`)}, called("read", `{}`), Deny},
		{"allowed before it is denied", []config.Rule{allow(`principal.name == "alice"`), deny(`true`)}, called("read", `{}`), Allow},
		{"denied before it is allowed", []config.Rule{deny(`principal.name == "alice"`), allow(`true`)}, called("read", `{}`), Deny},
		{"asked", []config.Rule{ask(`!tool.read_only && tool.destructive && tool.open_world && !tool.idempotent`)}, called("read", `{}`), Ask},
		{"by an argument", []config.Rule{deny(`args.path.startsWith("/etc")`)}, called("read", `{"path":"\u002fetc/passwd"}`), Deny},
		{"by another argument", []config.Rule{deny(`args.path.startsWith("/etc")`)}, called("read", `{"path":"/srv"}`), Allow},
		{"deep inside", []config.Rule{deny(`args.a.b[1].c == 9007199254740993`)}, called("x", `{"a":{"b":[0,{"c":9007199254740993}]}}`), Deny},
		{"no rounding", []config.Rule{deny(`args.n == 9007199254740992`)}, called("x", `{"n":9007199254740993}`), Allow},
		{"numbers of several kinds", []config.Rule{deny(`args.n > 100`)}, called("x", `{"n":1e3}`), Deny},
		{"a large number", []config.Rule{deny(`args.n > 100`)}, called("x", `{"n":18446744073709551615}`), Deny},
		{"null", []config.Rule{deny(`args.n == null`)}, called("x", `{"n":null}`), Deny},
		{"an optional argument", []config.Rule{deny(`args.?path.orValue("/") == "/"`)}, called("x", `{}`), Deny},
		{"a server of the request", []config.Rule{deny(`server.external`)}, Facts{Tool: "x", Args: []byte(`{}`), External: true}, Deny},
		{"a prompt", []config.Rule{deny(`prompt == "p" && server.name == "s"`)}, Facts{Prompt: "p", Server: "s"}, Deny},
		{"a resource", []config.Rule{deny(`resource.startsWith("file:///etc/")`)}, Facts{Resource: "file:///etc/passwd"}, Deny},
		{"after no trust", []config.Rule{deny(`"web" in tainted`)}, Facts{Tool: "x", ReadOnly: true, Args: []byte(`{}`), Tainted: []string{"web"}}, Deny},
		{"before", []config.Rule{deny(`"web" in tainted`)}, Facts{Tool: "x", Args: []byte(`{}`)}, Allow},

		// What cannot be evaluated is denied.
		{"an argument that is not there", []config.Rule{allow(`args.path == "/srv"`)}, called("x", `{}`), Deny},
		{"an argument of another kind", []config.Rule{deny(`args.path.startsWith("/etc")`)}, called("x", `{"path":["/etc"]}`), Deny},
		{"guarded", []config.Rule{deny(`has(args.path) && args.path == "/etc"`)}, called("x", `{}`), Allow},
		{"guarded by the tool", []config.Rule{deny(`args.path == "/etc" && tool.name == "read"`)}, called("x", `{}`), Allow},
		{"a name twice", []config.Rule{deny(`args.path == "/etc"`)}, called("x", `{"path":"/etc","path":"/srv"}`), Deny},
		{"a name twice, deep inside", []config.Rule{deny(`has(args.x)`)}, called("x", `{"a":{"b":1,"\u0062":2}}`), Deny},
		{"arguments are not looked at", []config.Rule{deny(`tool.name == "y"`)}, called("x", `{"a":1,"a":2}`), Allow},
		{"more than one value", []config.Rule{deny(`has(args.x)`)}, called("x", `{} {}`), Deny},
		{"a number out of range", []config.Rule{deny(`has(args.x)`)}, called("x", `{"n":1e999}`), Deny},
		{"too much work", []config.Rule{deny(`args.s.matches("(a|b|ab|ba)*(c|d)$")`)}, called("x", `{"s":"`+strings.Repeat("ab", 500<<10)+`"}`), Deny},
		{"too much to look at", []config.Rule{deny(`has(args.x)`)}, called("x", `{"s":"`+strings.Repeat("ab", 1<<20)+`"}`), Deny},
		{"a loop in loops", []config.Rule{deny(`args.l.all(a, args.l.all(b, args.l.all(c, a + b + c >= 0)))`)}, called("x", `{"l":[`+strings.Repeat("1,", 999)+`1]}`), Deny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := policy(t, "off", tt.rules...).Decide(&tt.facts); got.Decision != tt.want {
				t.Errorf("got %+v, want %d", got, tt.want)
			}
		})
	}
}

// A rule that cannot be decided without the arguments hides nothing; one that can does.
func TestWhatListsShow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules []config.Rule
		facts Facts
		want  Decision
	}{
		{"nothing is said", nil, tool("x"), Allow},
		{"denied whatever the arguments", []config.Rule{deny(`tool.name == "x"`)}, tool("x"), Deny},
		{"denied by an argument", []config.Rule{deny(`tool.name == "x" && args.path == "/etc"`)}, tool("x"), Allow},
		{"another tool", []config.Rule{deny(`tool.name == "y" && args.path == "/etc"`)}, tool("x"), Allow},
		{"denied, whether the argument is so or not", []config.Rule{deny(`args.path == "/etc"`), deny(`true`)}, tool("x"), Deny},
		{"allowed by an argument, else denied", []config.Rule{allow(`args.path == "/srv"`), deny(`true`)}, tool("x"), Allow},
		{"asked by an argument, else denied", []config.Rule{ask(`args.path == "/srv"`), deny(`true`)}, tool("x"), Ask},
		{"asked in any case", []config.Rule{ask(`!tool.read_only`)}, tool("x"), Ask},
		{"denied after no trust", []config.Rule{deny(`size(tainted) > 0`)}, tool("x"), Allow},
		{"the argument does not matter", []config.Rule{deny(`tool.destructive || args.path == "/etc"`)}, tool("x"), Deny},
		{"no such argument can be known to be there", []config.Rule{deny(`has(args.path)`)}, tool("x"), Allow},
		{"a rule that fails for any arguments", []config.Rule{deny(`1 / 0 == 1`)}, tool("x"), Deny},

		{"a server", []config.Rule{deny(`server.name == "files"`)}, Facts{Server: "files"}, Deny},
		{"a server, one tool of it", []config.Rule{deny(`server.name == "files" && tool.name == "x"`)}, Facts{Server: "files"}, Allow},
		{"a server, all but one tool of it", []config.Rule{allow(`tool.name == "x"`), deny(`true`)}, Facts{Server: "files"}, Allow},
		{"a server, for a scope", []config.Rule{deny(`!("write" in principal.scopes)`)}, Facts{Server: "files", Scopes: []string{"read", "write"}}, Allow},
		{"a server, without the scope", []config.Rule{deny(`!("write" in principal.scopes)`)}, Facts{Server: "files", Scopes: []string{"read"}}, Deny},
		{"a server, for a subject", []config.Rule{deny(`principal.name == "staff" && principal.subject == "eve"`)}, Facts{Server: "files", Principal: "staff", Subject: "eve"}, Deny},
		{"a server, for a key", []config.Rule{deny(`principal.subject != "" || size(principal.scopes) > 0`)}, Facts{Server: "files", Principal: "ops"}, Allow},
		{"a server, for one principal", []config.Rule{deny(`server.name == "files" && principal.name != "alice"`)}, Facts{Server: "files", Principal: "bob"}, Deny},
		{"what only writes is no word on a server", []config.Rule{deny(`!tool.read_only`)}, Facts{Server: "files"}, Allow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := policy(t, "deny", tt.rules...)
			for range 2 { // the second answer is remembered
				if got := p.Decide(&tt.facts); got.Decision != tt.want {
					t.Errorf("got %+v, want %d", got, tt.want)
				}
			}
		})
	}
}

func TestTaint(t *testing.T) {
	read := func(closed bool) Facts {
		return Facts{Tool: "x", ReadOnly: true, OpensUp: !closed, Args: []byte(`{}`)}
	}
	write := func() Facts { return Facts{Tool: "x", Args: []byte(`{}`)} }
	for _, tt := range []struct {
		name    string
		mode    string
		facts   Facts
		tainted []string
		rules   []config.Rule
		want    Decision
	}{
		{"nothing was read", "ask", write(), nil, nil, Allow},
		{"a tool that writes", "ask", write(), []string{"web"}, nil, Ask},
		{"a tool that writes, denied", "deny", write(), []string{"web"}, nil, Deny},
		{"a tool that writes, off", "off", write(), []string{"web"}, nil, Allow},
		{"a reader in an open world", "ask", read(false), []string{"web"}, nil, Ask},
		{"a reader in a closed world", "ask", read(true), []string{"web"}, nil, Allow},
		{"a prompt", "ask", Facts{Prompt: "p"}, []string{"web"}, nil, Allow},
		{"a rule allows", "deny", read(false), []string{"web"}, []config.Rule{allow(`tool.read_only`)}, Allow},
		{"a rule is stricter", "ask", read(true), []string{"web"}, []config.Rule{deny(`"web" in tainted`)}, Deny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.facts.Tainted = tt.tainted
			p := policy(t, tt.mode, tt.rules...)
			if p == nil {
				if tt.want != Allow {
					t.Error("there is no policy")
				}
				return
			}
			if got := p.Decide(&tt.facts); got.Decision != tt.want {
				t.Errorf("got %+v, want %d", got, tt.want)
			} else if got.Rule == "taint" && !strings.Contains(got.Reason, "the MCP server web, whose results were read before, is not trusted") {
				t.Errorf("the reason is %q", got.Reason)
			}
		})
	}
}

// Without rules and without servers of no trust there is nothing to ask.
func TestNoPolicy(t *testing.T) {
	for _, cfg := range []*config.Config{config.Default(), {Taint: "off", ExternalMCP: config.ExternalMCP{Untrusted: true}}} {
		if p, err := New(cfg, nil); p != nil || err != nil {
			t.Errorf("got %v, %v", p, err)
		}
	}
}

func TestWhatCannotBeEvaluatedIsLogged(t *testing.T) {
	var log bytes.Buffer
	p, err := New(&config.Config{Rules: []config.Rule{deny(`args.path == "x"`)}}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	f := called("read", `{}`)
	if v := p.Decide(&f); v.Decision != Deny || v.Reason != "a rule of the gateway could not be evaluated" {
		t.Errorf("got %+v", v)
	}
	if !strings.Contains(log.String(), "no such key: path") || !strings.Contains(log.String(), "rule=no") {
		t.Errorf("the log says %s", &log)
	}
}

func TestMistakesInExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`tool.name == "x"`:                 "",
		`tool.nam == "x"`:                  "1:5: undeclared reference to 'tool.nam' (did you mean 'tool.name'?)",
		`tool.name == 1`:                   "1:11: found no matching overload for '_==_' applied to '(string, int)'",
		`tool.name`:                        "1:1: the expression is a string, and must be true or false (bool)",
		`args.path`:                        "1:1: the expression is a dyn, and must be true or false (bool)",
		"true &&\n  tol.name == 'x'":       "2:6: undeclared reference to 'tol.name' (did you mean 'tool.name'?)",
		`tool.name ==`:                     "1:13: ",
		`tool.name.matches("(")`:           "1:19: invalid matches argument",
		strings.Repeat("!", 9000) + `true`: "1:1: ",
		strings.Repeat("(", 300) + strings.Repeat(")", 300): "1:",
		`[` + strings.Repeat(`1,`, 3000) + `1].size() == 1`: "1:",
	} {
		got := ""
		if bad := Check(expr); len(bad) > 0 {
			got = fmt.Sprintf("%d:%d: %s", bad[0].Line, bad[0].Column, bad[0].Message)
		}
		if got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%.60s: %q, want %q", expr, got, want)
		}
	}
}

func TestFunctions(t *testing.T) {
	for expr, want := range map[string]bool{
		`within("/srv/docs/a.txt", "/srv/docs")`:                            true,
		`within("/srv/docs", "/srv/docs/")`:                                 true,
		`within("/srv/docs/./x/../a", "/srv/docs")`:                         true,
		`within("/srv/docs/../../etc/passwd", "/srv/docs")`:                 false,
		`within("/srv/docs2", "/srv/docs")`:                                 false,
		`within("/srv/docs/..\\..\\etc", "/srv/docs")`:                      false,
		`within("/srv/docs/a\u0000", "/srv/docs")`:                          false,
		`within("a", "/srv/docs")`:                                          false,
		`within("/anything", "/")`:                                          true,
		`host("https://Docs.Example.com:8443/a") == "docs.example.com"`:     true,
		`host("https://docs.example.com.evil.test/") == "docs.example.com"`: false,
		`host("https://docs.example.com./") == "docs.example.com"`:          true,
	} {
		f := called("x", `{}`)
		if got := policy(t, "off", deny(expr)).Decide(&f).Decision == Deny; got != want {
			t.Errorf("%s is %v", expr, got)
		}
	}
	for _, u := range []string{`https://good.test\\@evil.test/`, `https://good.test@evil.test/`, `//`, `evil`, `https:// evil.test`, `javascript:alert(1)`} {
		f := called("x", `{}`)
		if v := policy(t, "off", allow(`host("`+u+`") == "x" || true`)).Decide(&f); v.Decision != Allow {
			t.Errorf("%s: %+v", u, v)
		}
		if v := policy(t, "off", deny(`host("`+u+`") == "x"`)).Decide(&f); v.Reason == "" {
			t.Errorf("%s has a host: %+v", u, v)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := policy(b, "ask", deny(`server.name == "git" && tool.name == "push"`), deny(`tool.name == "read" && !within(args.path, "/srv/docs")`))
	b.Run("call", func(b *testing.B) {
		b.ReportAllocs()
		f := called("read", `{"path":"/srv/docs/a.txt","limit":10}`)
		for b.Loop() {
			p.Decide(&f)
		}
	})
	b.Run("list", func(b *testing.B) {
		b.ReportAllocs()
		f := tool("read")
		for b.Loop() {
			p.Decide(&f)
		}
	})
}

func FuzzDecodeArguments(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5,{"b":null}],"c":"\ud83d\ude00"}`, `{"a":1,"\u0061":2}`, `[]`, `{"n":1e400}`, `{"n":-0}`} {
		f.Add([]byte(s))
	}
	p := policy(f, "off", deny(`args.exists(k, k == "denied")`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		facts := Facts{Tool: "x", Args: doc}
		m, err := decodeObject(doc)
		_, denied := m["denied"]
		if got := p.Decide(&facts).Decision; (got == Deny) != (err != nil || denied) {
			t.Errorf("%s: %d, %v", doc, got, err)
		}
	})
}
