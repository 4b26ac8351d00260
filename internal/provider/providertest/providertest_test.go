package providertest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

func post(ctx context.Context, t *testing.T, s *providertest.Server, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

const (
	user  = `{"role":"user","content":"hi"}`
	calls = `{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	ans1  = `{"role":"tool","tool_call_id":"c1","content":"1"}`
	ans2  = `{"role":"tool","tool_call_id":"c2","content":"2"}`
	fn    = `{"type":"function","function":{"name":"f"}}`
)

func TestRefusals(t *testing.T) {
	messages := func(list ...string) string { return `{"model":"m","messages":[` + strings.Join(list, ",") + `]}` }
	with := func(members string) string { return `{"model":"m","messages":[` + user + `],` + members + `}` }
	for _, c := range []struct {
		name, body, says string // says is empty where the request is fine
	}{
		{"plain", messages(user), ""},
		{"unknown members of the request", with(`"x_vendor":{"a":1},"seed":7,"temperature":0.5`), ""},
		{"not JSON", `{"model":`, "could not parse"},
		{"a member twice", `{"model":"m","model":"n","messages":[` + user + `]}`, "could not parse"},
		{"no model", `{"messages":[` + user + `]}`, "model"},
		{"no messages", `{"model":"m","messages":[]}`, "empty array"},
		{"role", messages(`{"role":"robot","content":"x"}`), "'robot'"},
		{"no content", messages(`{"role":"user"}`), "messages[0].content"},
		{"null content", messages(user, `{"role":"assistant","content":null}`), "expected a string, got null"},
		{"parts", messages(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:"}}]}`), ""},
		{"part without a type", messages(`{"role":"user","content":[{"text":"a"}]}`), "content[0].type"},
		{"vendor fields", messages(user, `{"role":"assistant","content":"a","provider_specific_fields":{}}`), "messages[1].provider_specific_fields"},
		{"reasoning comes back", messages(user, `{"role":"assistant","content":"a","reasoning_content":"b"}`), ""},

		{"calls and answers", messages(user, calls, ans2, ans1), ""},
		{"calls and answers, then more", messages(user, calls, ans1, ans2, user), ""},
		{"one answer is missing", messages(user, calls, ans1), "did not have response messages: c2"},
		{"one answer is late", messages(user, calls, ans1, user, ans2), "did not have response messages: c2"},
		{"answer without a call", messages(user, ans1), "preceding message with 'tool_calls'"},
		{"answer twice", messages(user, calls, ans1, ans1, ans2), "preceding message with 'tool_calls'"},
		{"image in an answer", messages(user, calls, `{"role":"tool","tool_call_id":"c1","content":[{"type":"image_url"}]}`, ans2), "only allowed for messages with role 'user'"},
		{"arguments are an object", messages(user, strings.Replace(calls, `"{}"`, `{}`, 1), ans1, ans2), "arguments': expected a string"},
		{"call without an id", messages(user, strings.Replace(calls, `"c1"`, `""`, 1), ans1, ans2), "tool_calls[0].id"},
		{"calls with one id", messages(user, strings.Replace(calls, "c2", "c1", 1), ans1), "Duplicate"},
		{"no calls", messages(user, `{"role":"assistant","content":"a","tool_calls":[]}`), "messages[1].tool_calls"},

		{"tool", with(`"tools":[` + fn + `],"tool_choice":"auto","parallel_tool_calls":false`), ""},
		{"custom tool", with(`"tools":[{"type":"custom","custom":{"name":"f","format":{"type":"text"}}}]`), ""},
		{"no tools", with(`"tools":[]`), "empty array"},
		{"mcp", with(`"tools":[{"type":"mcp","server_url":"fairlead"}]`), "Invalid value: 'mcp'"},
		{"no function", with(`"tools":[{"type":"function"}]`), "tools[0].function"},
		{"name", with(`"tools":[{"type":"function","function":{"name":"a.b"}}]`), "does not match pattern"},
		{"long name", with(`"tools":[{"type":"function","function":{"name":"` + strings.Repeat("a", 65) + `"}}]`), "does not match pattern"},
		{"name twice", with(`"tools":[` + fn + `,` + fn + `]`), "unique"},
		{"member of a function", with(`"tools":[{"type":"function","function":{"name":"f","server":"s"}}]`), "tools[0].function.server"},
		{"schema", with(`"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`), ""},
		{"schema of another type", with(`"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]`), "Invalid schema for function 'f'"},
		{"choice without tools", with(`"tool_choice":"none"`), "only allowed when 'tools' are specified"},
		{"parallel without tools", with(`"parallel_tool_calls":true`), "only allowed when 'tools' are specified"},
		{"choice", with(`"tools":[` + fn + `],"tool_choice":"any"`), "'any'"},
		{"choice by name", with(`"tools":[` + fn + `],"tool_choice":{"type":"function","function":{"name":"f"}}`), ""},
		{"choice of nothing", with(`"tools":[` + fn + `],"tool_choice":{"type":"function","function":{"name":"g"}}`), "not found"},
		{"stream_options", with(`"stream_options":{"include_usage":true}`), "only allowed when 'stream' is enabled"},
		{"n", with(`"n":0`), "'n'"},
		{"the gateway's own", with(`"mock_response":"x"`), "Unrecognized request argument supplied: mock_response"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
			resp, body, err := post(t.Context(), t, s, c.body)
			switch {
			case err != nil:
				t.Fatal(err)
			case c.says == "" && resp.StatusCode != http.StatusOK:
				t.Errorf("refused: %s", body)
			case c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || s.Request(1).Refusal == ""):
				t.Errorf("status %d %s, want 400 with %q", resp.StatusCode, body, c.says)
			}
		})
	}
	t.Run("loose", func(t *testing.T) {
		s := providertest.New(t, providertest.Text("ok")).Loose()
		if resp, body, err := post(t.Context(), t, s, messages(user, ans1)); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s %v", body, err)
		}
	})
	t.Run("key", func(t *testing.T) {
		s := providertest.New(t).RequireKey("k")
		if resp, body, err := post(t.Context(), t, s, messages(user)); err != nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %v", body, err)
		}
	})
}

// TestReplies holds what the model sends against testdata/replies.txtar.
func TestReplies(t *testing.T) {
	steps := map[string]providertest.Step{
		"text":      providertest.Text("Hel", "lo"),
		"calls":     providertest.Text("Wait.").Then(providertest.Call("c1", "f", `{"a":`, `1}`), providertest.Call("c2", "g", `{}`)),
		"reasoning": providertest.Reasoning("hm").Then(providertest.Text("yes")).Stop("length").Costs(providertest.Usage{Input: 3, Cached: 2, Output: 7, Reasoning: 4}),
		"no end":    providertest.Text("a").NoFinish(),
		"no done":   providertest.Text("a").NoDone(),
		"verbatim":  providertest.Frames(`{"choices":[]}`, "[DONE]"),
		"among":     providertest.Text("a").Then(providertest.Bytes(": waiting\n\n"), providertest.Frame(`{"error":{"message":"no"}}`)).NoFinish(),
		"json":      providertest.JSON(`{"a":1}`),
		"error":     providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "slow down"),
	}
	file, err := os.ReadFile("testdata/replies.txtar")
	if err != nil {
		t.Fatal(err)
	}
	asks := map[string]string{
		"stream": `"stream":true`, "stream with usage": `"stream":true,"stream_options":{"include_usage":true}`, "plain": `"stream":false`,
	}
	archive := txtar.Parse(file)
	for i, f := range archive.Files {
		name, ask, ok := strings.Cut(f.Name, ", ")
		if !ok || asks[ask] == "" {
			t.Fatalf("%q is no name of a step and a way to ask", f.Name)
		}
		_, body, err := post(t.Context(), t, providertest.New(t, steps[name]), `{"model":"m","messages":[`+user+`],`+asks[ask]+`}`)
		if err != nil {
			t.Fatal(err)
		}
		if body = strings.TrimRight(body, "\n") + "\n"; body != string(f.Data) {
			t.Errorf("%s: got\n%s\nwant\n%s", f.Name, body, f.Data)
		}
		archive.Files[i].Data = []byte(body)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/replies.txtar", txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCRLF(t *testing.T) {
	_, body, err := post(t.Context(), t, providertest.New(t, providertest.Text("a").CRLF()), `{"model":"m","stream":true,"messages":[`+user+`]}`)
	if err != nil || !strings.HasSuffix(body, "\r\n\r\ndata: [DONE]\r\n\r\n") || strings.Count(body, "\n") != strings.Count(body, "\r\n") {
		t.Errorf("%q %v", body, err)
	}
}

func TestClientLeaves(t *testing.T) {
	g := providertest.NewGate()
	s := providertest.New(t, providertest.Text("a").Then(providertest.Pause(g), providertest.Text("b")), providertest.Text("c"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-g.Reached()
		cancel()
	}()
	if _, _, err := post(ctx, t, s, `{"model":"m","stream":true,"messages":[`+user+`]}`); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-s.Request(1).Gone()
	<-s.Request(1).Ended()
	if _, _, err := post(t.Context(), t, s, `{"model":"m","stream":true,"messages":[`+user+`]}`); err != nil {
		t.Error(err)
	}
	<-s.Request(2).Ended()
	select {
	case <-s.Request(2).Gone():
		t.Error("a client that had its reply is said to have left")
	default:
	}
}

func TestGateOpens(t *testing.T) {
	g := providertest.NewGate()
	s := providertest.New(t, providertest.Pause(g).Then(providertest.Text("a")))
	go func() {
		<-g.Reached()
		g.Open()
	}()
	if _, body, err := post(t.Context(), t, s, `{"model":"m","messages":[`+user+`]}`); err != nil || !strings.Contains(body, `"content":"a"`) {
		t.Errorf("%s %v", body, err)
	}
}

func TestBrokenReplies(t *testing.T) {
	for name, step := range map[string]providertest.Step{
		"cut": providertest.Text("aaa").Then(providertest.Cut()), "reset": providertest.Text("aaa").Then(providertest.Reset()),
	} {
		for _, stream := range []string{"true", "false"} {
			_, body, err := post(t.Context(), t, providertest.New(t, step), `{"model":"m","stream":`+stream+`,"messages":[`+user+`]}`)
			if err == nil {
				t.Errorf("%s, stream %s: the reply ended well: %s", name, stream, body)
			}
		}
	}
}

// recorder is a T that keeps what it is told.
type recorder struct {
	providertest.T
	errors int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.errors++ }

func TestScriptEnds(t *testing.T) {
	r := &recorder{T: t}
	s := providertest.New(r)
	resp, _, err := post(t.Context(), t, s, `{"model":"m","messages":[`+user+`]}`)
	if err != nil || resp.StatusCode != http.StatusNotImplemented || r.errors != 1 {
		t.Errorf("status %v, %d errors, %v", resp, r.errors, err)
	}
}
