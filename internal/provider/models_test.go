package provider

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

func modelsOf(t *testing.T, provider string, own ModelRules) func(string) *wire.Rules {
	t.Helper()
	return setOf(t, provider, own).Of
}

func setOf(t *testing.T, provider string, own ModelRules) *ModelSet {
	t.Helper()
	s, err := Models(provider, own)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBuiltInModels holds the file to its form: each row says of whom it is, and where that is told.
func TestBuiltInModels(t *testing.T) {
	for i, row := range builtInModels() {
		if len(row.Match) == 0 || !strings.HasPrefix(row.Source, "https://") {
			t.Errorf("row %d: %+v", i, row)
		}
		for _, m := range row.Match {
			if vendor, name, ok := strings.Cut(m, "/"); !ok || vendor == "" || name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*") {
				t.Errorf("row %d: %q", i, m)
			}
		}
		if !slices.Contains([]string{"", wire.BridgeTools, wire.BridgeToolsEffort}, row.Bridge) {
			t.Errorf("row %d: bridge %q", i, row.Bridge)
		}
		if _, err := row.rules(); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
	}
}

func TestModels(t *testing.T) {
	openai := modelsOf(t, "openai", ModelRules{})
	for name, want := range map[string]string{
		"gpt-5.4": wire.BridgeToolsEffort, "gpt-5.5-2026-04-01": wire.BridgeToolsEffort, "gpt-5.6-terra": wire.BridgeTools, "gpt-6-sol": wire.BridgeTools,
		"gpt-6.1-sol": wire.BridgeTools, "gpt-5.2": "", "gpt-5": "", "o3": "",
	} {
		if r := openai(name); r == nil || r.Bridge != want || r.Renames == nil {
			t.Errorf("%s: %+v, want bridge %q", name, r, want)
		}
	}
	if r := openai("gpt-4o"); r != nil {
		t.Errorf("gpt-4o: %+v", r)
	}
	if r := openai("gpt-5-chat-latest"); r == nil || r.Unsupported != nil {
		t.Errorf("gpt-5-chat-latest: %+v", r)
	}
	if r := modelsOf(t, "acme", ModelRules{})("gpt-5"); r != nil {
		t.Errorf("another provider's gpt-5: %+v", r)
	}
	own := modelsOf(t, "openai", ModelRules{Unsupported: []string{"seed"}, Bridge: "none"})
	if r := own("gpt-5.4"); r.Bridge != "" || !slices.Equal(r.Unsupported, []string{"seed"}) || r.Renames == nil {
		t.Errorf("with rules of its own: %+v", r)
	}
	if r := own("unheard-of"); r == nil || !slices.Equal(r.Unsupported, []string{"seed"}) || r.Renames != nil {
		t.Errorf("with rules of its own: %+v", r)
	}
	for _, c := range []struct {
		provider, model string
		own             ModelRules
		want            bool
	}{
		{"openai", "gpt-5.4", ModelRules{}, true},
		{"openai", "gpt-4o", ModelRules{}, false},
		{"openai", "", ModelRules{}, true},
		{"openai", "", ModelRules{Bridge: "none"}, false},
		{"acme", "", ModelRules{}, false},
		{"acme", "", ModelRules{Bridge: wire.BridgeTools}, true},
		{"acme", "m", ModelRules{Bridge: wire.BridgeTools}, true},
	} {
		if got := setOf(t, c.provider, c.own).Bridges(c.model); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	if _, err := Models("x", ModelRules{Rename: map[string]string{"a b": "c"}}); err == nil {
		t.Error("a name that is none is taken")
	}
}

// echoWire sends the client's own bytes, or what the temperature is.
type echoWire struct{ name, body string }

func (w echoWire) Name() string { return w.name }
func (echoWire) Path() string   { return "/x" }

func (w echoWire) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	if req.Raw.Wire == w.name {
		return append(dst, req.Raw.Bytes...), nil
	}
	return append(dst, w.body...), nil
}

func (echoWire) ReadReply(*llm.Request, string, io.Reader) iter.Seq2[llm.Event, error] { return nil }

func (echoWire) ReadError(int, []byte) error { return nil }

func TestRuled(t *testing.T) {
	q := &wire.Quirks{Model: "m", Rules: modelsOf(t, "acme", ModelRules{Unsupported: []string{"temperature", "logit_bias"}, Rename: map[string]string{"max_tokens": "max_out"}})}
	u := Ruled(echoWire{"w", `{"built":1,"max_tokens":2}`}, q)
	hot := `{"model":"x","temperature":0.5,"max_tokens":7}`
	for _, c := range []struct {
		name, want, refuses string
		req                 llm.Request
	}{
		{"another wire", `{"built":1,"max_out":2}`, "", llm.Request{}},
		{"another wire, refused", "", "temperature", llm.Request{Params: llm.Params{Temperature: []byte("0.5")}}},
		{"another wire, what holds anyway", `{"built":1,"max_out":2}`, "", llm.Request{Params: llm.Params{Temperature: []byte("1.0")}}},
		{"its own wire", `{"model":"x","temperature":0.5,"max_out":7}`, "", llm.Request{Raw: llm.Frame{Wire: "w", Bytes: []byte(hot)}}},
		{"its own wire, to be dropped", "", "temperature", llm.Request{Drops: true, Raw: llm.Frame{Wire: "w", Bytes: []byte(hot)}}},
		{"its own wire, dropped", `{"model":"x","max_out":7}`, "", llm.Request{Drops: true, Without: []string{"temperature"}, Raw: llm.Frame{Wire: "w", Bytes: []byte(hot)}}},
		{"its own wire, what holds anyway", `{"temperature":1,"logit_bias":null}`, "", llm.Request{Drops: true, Raw: llm.Frame{Wire: "w", Bytes: []byte(`{"temperature":1,"logit_bias":null}`)}}},
	} {
		got, err := u.AppendRequest([]byte("before"), &c.req)
		if f, _ := errors.AsType[*fault.Error](err); (f != nil) != (c.refuses != "") || f != nil && (f.Param != c.refuses || f.Code != codeUnsupported) {
			t.Errorf("%s: %v, want %q refused", c.name, err, c.refuses)
		}
		if err == nil && string(got) != "before"+c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestBridge(t *testing.T) {
	b := &Bridge{Rules: modelsOf(t, "openai", ModelRules{})}
	const tool = `"tools":[{"type":"function"}]`
	for _, c := range []struct {
		model, dialect, body string
		tools                bool
		want                 string
	}{
		{"gpt-5.4", "chat", `{}`, false, "chat"},
		{"gpt-5.4", "chat", `{` + tool + `}`, false, "chat"},
		{"gpt-5.4", "chat", `{"reasoning_effort":"low"}`, false, "chat"},
		{"gpt-5.4", "chat", `{"reasoning_effort":"low",` + tool + `}`, false, "responses"},
		{"gpt-5.4", "chat", `{"reasoning_effort":"low","tools":[]}`, false, "chat"},
		{"gpt-5.4", "chat", `{"reasoning_effort":"low"}`, true, "responses"},
		{"gpt-5.4", "chat", `{"reasoning_effort":"none",` + tool + `}`, false, "chat"},
		{"gpt-5.4", "responses", `{}`, false, "responses"},
		{"gpt-5.4", "messages", `{"thinking":{"type":"enabled","budget_tokens":2000},` + tool + `}`, false, "responses"},
		{"gpt-5.4", "messages", `{"thinking":{"type":"disabled"},` + tool + `}`, false, "chat"},
		{"gpt-5.4", "messages", `{"output_config":{"effort":"low"},` + tool + `}`, false, "responses"},
		{"gpt-5.6", "chat", `{` + tool + `}`, false, "responses"},
		{"gpt-5.6", "chat", `{"reasoning_effort":"none",` + tool + `}`, false, "chat"},
		{"gpt-5.6", "chat", `{"reasoning_effort":"low"}`, false, "chat"},
		{"gpt-4o", "chat", `{"reasoning_effort":"low",` + tool + `}`, false, "chat"},
		{"gpt-4o", "responses", `{}`, false, "chat"},
	} {
		req := &llm.Request{Model: c.model, Raw: llm.Frame{Wire: c.dialect, Bytes: []byte(c.body)}}
		if got := b.WireFor(req, c.tools); got != c.want {
			t.Errorf("%s over %s with %s (tools %t): %s, want %s", c.model, c.dialect, c.body, c.tools, got, c.want)
		}
	}
	decoded := &llm.Request{Model: "gpt-5.4", Params: llm.Params{ThinkTokens: 1}}
	if b.WireFor(decoded, true) != "responses" || b.WireFor(decoded, false) != "chat" {
		t.Error("a decoded request goes elsewhere")
	}
}
