package mcp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func TestReadHints(t *testing.T) {
	for _, tt := range []struct {
		tool                                         string
		reads, destructive, idempotent, openWorldish bool
	}{
		{`{"name":"x"}`, false, true, false, true},
		{`{"name":"x","annotations":null}`, false, true, false, true},
		{`{"name":"x","annotations":{"readOnlyHint":true}}`, true, false, false, true},
		{`{"name":"x","annotations":{"readOnlyHint":"true","openWorldHint":0}}`, false, true, false, true},
		{`{"name":"x","annotations":{"destructiveHint":false,"idempotentHint":true,"openWorldHint":false}}`, false, false, true, false},
		{`{"name":"x","annotations":{"readOnlyHint":true,"destructiveHint":true}}`, true, false, false, true},
	} {
		h := ReadHints([]byte(tt.tool))
		if h.ReadOnly != tt.reads || h.Destructive() != tt.destructive || h.Idempotent != tt.idempotent || h.OpenWorld() != tt.openWorldish {
			t.Errorf("%s: %+v", tt.tool, h)
		}
	}
}

// A call that is refused because of its arguments says why; one of a tool that may not be seen says nothing.
func TestVerdictsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read", "write", "hidden", "send")}
		for i := range f.tools {
			f.tools[i].Raw = fmt.Appendf(nil, `{"name":%q}`, f.tools[i].Name)
		}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		sel := ask("fairlead")
		sel.Principal = "alice"
		sel.Access = func(u Use) Verdict {
			switch {
			case u.Principal != "alice" || u.Tool == "hidden":
				return Verdict{Reason: "a secret"}
			case u.Tool == "send":
				return Verdict{Decision: Ask, Reason: "it sends mail"}
			case u.Tool == "write" && u.Arguments != nil && strings.Contains(string(u.Arguments), "/etc"):
				return Verdict{Reason: "not there"}
			}
			return Verdict{Decision: Allow}
		}
		b := open(t, c, sel)
		for name, want := range map[string]struct{ args, text string }{
			"a-read":   {"{}", "ok"},
			"a-write":  {`{"path":"/etc/passwd"}`, "Error: this call is refused by the gateway's policy; the tool was not called: not there"},
			"a-hidden": {"{}", `Error: there is no tool named "a-hidden"`},
			"a-send":   {"{}", "Error: this call needs approval, which cannot be asked for here; the tool was not called: it sends mail"},
		} {
			if res := run(t, b, name, want.args); res.Text != want.text {
				t.Errorf("%s: %s", name, res.Text)
			}
		}
		v, err := c.View(t.Context(), &Visit{Principal: "alice", Server: "a", Selection: Selection{Access: sel.Access}})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]struct {
			known    bool
			args     string
			decision Decision
		}{
			"read": {true, "", Allow}, "write": {true, `{"path":"/etc/passwd"}`, Refuse}, "hidden": {}, "send": {true, "{}", Ask},
		} {
			target, ok := v.Tool(name, []byte(want.args))
			if ok != want.known || target.Verdict.Decision != want.decision {
				t.Errorf("%s: %v %+v", name, ok, target.Verdict)
			}
			if !ok || want.decision == Allow {
				continue
			}
			if _, err := v.Call(t.Context(), target, Request{Method: "tools/call"}); err == nil || SafeMessage(err) != (&RefusedError{Verdict: target.Verdict}).Error() {
				t.Errorf("%s: called without approval: %v", name, err)
			}
		}
	})
}
