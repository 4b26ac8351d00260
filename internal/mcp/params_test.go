package mcp

import (
	"strings"
	"testing"
)

func TestParameterLists(t *testing.T) {
	s := &Server{Name: "files", Params: ParamLists{
		"read": {"path": {"/srv/docs/*", "/etc/hosts"}, "limit": {"1", "2.0"}, "raw": {"true"}, "any": {"*"}, "url": {"https://docs.example.com/*"}},
	}}
	for args, want := range map[string]string{
		`{}`:                                                "",
		`{"path":"/srv/docs/a.txt"}`:                        "",
		`{"path":"\u002fsrv\/docs/a"}`:                      "",
		`{"path":"/etc/hosts"}`:                             "",
		`{"path":"/etc/hosts2"}`:                            "path",
		`{"path":"/srv/docs"}`:                              "path",
		`{"path":"/srv/docs/../../etc/passwd"}`:             "path",
		`{"path":"/srv/docs/..\\..\\etc"}`:                  "path",
		`{"path":"/srv/docs/..."}`:                          "",
		`{"path":"/srv/docs/a\u0000"}`:                      "path",
		`{"path":["/srv/docs/a",{"deep":"/etc/shadow"}]}`:   "path",
		`{"path":["/srv/docs/a",["/etc/hosts"]]}`:           "",
		`{"path":null}`:                                     "path",
		`{"limit":1,"raw":true}`:                            "",
		`{"limit":1.0}`:                                     "limit",
		`{"limit":2.0}`:                                     "",
		`{"limit":2}`:                                       "limit",
		`{"raw":false}`:                                     "raw",
		`{"any":{"x":[1,null,"../../a"]}}`:                  "",
		`{"Path":"/srv/docs/a"}`:                            "Path",
		`{"p\u0061th":"/etc/passwd"}`:                       "path",
		`{"path":"/srv/docs/a","path":"/etc/passwd"}`:       "path",
		`{"path":"/srv/docs/a","other":1}`:                  "other",
		`{"url":"https://docs.example.com/a?b=c"}`:          "",
		`{"url":"https://docs.example.com/%2E%2e/a"}`:       "url",
		`{"url":"https://docs.example.com/%2e%2e%2fadmin"}`: "url",
		`{"url":"https://docs.example.com@evil.test/"}`:     "url",
	} {
		v := Admit(everything, s, Use{Tool: "read", Arguments: []byte(args)})
		if ok := v.Decision == Allow; ok != (want == "") || !ok && (!strings.Contains(v.Reason, `the parameter "`+want+`" may not`) || v.Rule != "tools.params") {
			t.Errorf("%s: %+v, want %q", args, v, want)
		}
	}
	for _, u := range []Use{{Tool: "read"}, {Tool: "write", Arguments: []byte(`{"path":"/etc"}`)}, {Prompt: "read"}} {
		if v := Admit(everything, s, u); v.Decision != Allow {
			t.Errorf("%+v is refused", u)
		}
	}
}

// Who has no rules pays for none.
func TestAdmissionAllocatesNothing(t *testing.T) {
	s, access := &Server{Name: "files"}, Only([]string{"files"})
	u := Use{Principal: "alice", Tool: "read", Arguments: []byte(`{"path":"/srv"}`)}
	if n := testing.AllocsPerRun(100, func() {
		if v, ok := decide(access, s, u); !ok || v.Decision != Allow {
			t.Error("refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
