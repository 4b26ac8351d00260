package gemini

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

func upstream(tb testing.TB, q wire.Quirks) *Upstream {
	tb.Helper()
	u, err := NewUpstream(q)
	if err != nil {
		tb.Fatal(err)
	}
	u.newID = func() string { return "new" }
	u.now = func() time.Time { return time.Unix(1, 0) }
	return u
}

// samples are the replies of testdata/reply: each file has prose, a reply (stream or plain), and the events that it makes.
func samples(tb testing.TB) map[string]*txtar.Archive {
	tb.Helper()
	names, err := filepath.Glob("testdata/reply/*.txtar")
	if err != nil || len(names) == 0 {
		tb.Fatal("no samples", err)
	}
	out := map[string]*txtar.Archive{}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(name), ".txtar")] = a
	}
	return out
}

func sampleOf(name string, a *txtar.Archive) wiretest.Sample {
	s := wiretest.Sample{Name: name, ContentType: "application/json; charset=UTF-8", Body: bytes.TrimSpace(a.Files[0].Data)}
	if a.Files[0].Name == "stream" {
		s.ContentType, s.Body = "text/event-stream", a.Files[0].Data
	}
	return s
}

func TestUpstream(t *testing.T) {
	var list []wiretest.Sample
	for name, a := range samples(t) {
		list = append(list, sampleOf(name, a))
	}
	wiretest.Upstream(t, func() wire.Upstream { return upstream(t, wire.Quirks{}) }, list)
}

// TestReplies holds the events of each sample, read and relayed, against its file.
func TestReplies(t *testing.T) {
	for name, a := range samples(t) {
		t.Run(name, func(t *testing.T) {
			s := sampleOf(name, a)
			u := upstream(t, wire.Quirks{})
			lines := wiretest.Grammar(t, u.ReadReply(&llm.Request{}, s.ContentType, bytes.NewReader(s.Body)))
			relayed := wiretest.Grammar(t, u.ReadReply(&llm.Request{Opaque: true}, s.ContentType, bytes.NewReader(s.Body)))
			got := strings.Join(lines, "\n") + "\nrelayed: " + relayed[len(relayed)-1] + "\n"
			if os.Getenv("UPDATE") != "" {
				a.Files = append(a.Files[:1], txtar.File{Name: "events", Data: []byte(got)})
				if err := os.WriteFile("testdata/reply/"+name+".txtar", txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(a.Files[1].Data); got != want {
				t.Errorf("events:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// replied reads a reply to its end.
func replied(tb testing.TB, req *llm.Request, contentType, body string) (m llm.Message, last error) {
	tb.Helper()
	m = llm.Message{Role: llm.Assistant}
	for ev, err := range upstream(tb, wire.Quirks{}).ReadReply(req, contentType, strings.NewReader(body)) {
		if err != nil {
			return m, err
		}
		switch ev.Kind {
		case llm.Text:
			m.Text += ev.Text
		case llm.ToolCall:
			c := ev.Call
			c.Extra = bytes.Clone(c.Extra)
			m.Calls = append(m.Calls, c)
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
		}
	}
	return m, nil
}

func TestBrokenReplies(t *testing.T) {
	start := `data: {"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],"responseId":"r"}` + "\n\n"
	event := func(data string) string { return "data: " + data + "\n\n" }
	for _, tt := range []struct {
		name, body string
		status     int // of a fault of kind Refused; 0: another kind
		says       string
	}{
		{"empty", "", 0, "empty"},
		{"no end", start, 0, "ended before it was complete"},
		{"overloaded", start + event(`{"error":{"code":503,"message":"The model is\u0000 overloaded.","status":"UNAVAILABLE"}}`), 503, "The model is overloaded."},
		{"only the word", start + event(`{"error":{"message":"slow","status":"RESOURCE_EXHAUSTED"}}`), 429, "slow"},
		{"in a list", start + event(`[{"error":{"code":500,"message":"x","status":"INTERNAL"}}]`), 500, "x"},
		{"plain error", `{"error":{"code":400,"message":"down","status":"INVALID_ARGUMENT"}}`, 400, "down"},
		{"plain list", `[{"error":{"code":400,"message":"down","status":"INVALID_ARGUMENT"}}]`, 400, "down"},
		{"not JSON", start + event("nonsense"), 0, "not a JSON object"},
		{"no object", start + event("7"), 0, "not a JSON object"},
		{"page", "<html>", 0, "neither JSON nor an event stream"},
		{"empty list", "[]", 0, "empty"},
		{"nothing in it", "{}", 0, "ended before it was complete"},
		{"malformed call", start + event(`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: print(x)"}]}`), 0, "MALFORMED_FUNCTION_CALL): ask again; the provider says: Malformed function call: print(x)"},
		{"unexpected call", event(`{"candidates":[{"finishReason":"UNEXPECTED_TOOL_CALL"}]}`), 0, "UNEXPECTED_TOOL_CALL"},
		{"part that is none", event(`{"candidates":[{"content":{"parts":[7]}}]}`), 0, "not an object"},
		{"text that is none", event(`{"candidates":[{"content":{"parts":[{"text":7}]}}]}`), 0, "not a JSON string"},
		{"arguments that are none", event(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1.n}}}]}}]}`), 0, "arguments are not JSON"},
		{"call without a name", event(`{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}`), 0, "without a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			contentType := "text/event-stream"
			if strings.HasPrefix(tt.body, "{") || strings.HasPrefix(tt.body, "[") {
				contentType = "application/json"
			}
			_, err := replied(t, &llm.Request{}, contentType, tt.body)
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || !strings.Contains(e.Message, tt.says) || (e.Kind == fault.Refused) != (tt.status != 0) || e.Status != tt.status {
				t.Errorf("%+v", err)
			}
		})
	}
}

// TestRelayedErrors wants an error in a relayed stream told as one that the client has seen, and a cancelled body as it is.
func TestRelayedErrors(t *testing.T) {
	body := `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}` + "\n\n" + `data: {"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}` + "\n\n"
	for _, tt := range []struct {
		body string
		end  error
		told bool
	}{{body, io.EOF, true}, {body[:60], io.EOF, false}, {body, context.Canceled, false}} {
		var last error
		for _, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: true}, "text/event-stream", wiretest.Pieces([]byte(tt.body), 30, 1, tt.end)) {
			last = err
		}
		if last == nil || fault.From(last).Told != tt.told || !errors.Is(tt.end, io.EOF) && !errors.Is(last, tt.end) {
			t.Errorf("%v: %+v", tt, last)
		}
	}
}

func TestReadError(t *testing.T) {
	for _, tt := range []struct{ body, message, code, retry string }{
		{`{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}`, "models/x is not found", "not_found", ""},
		{`[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]`, "m", "not_found", ""},
		{`{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12.2s"}]}}`, "quota", "resource_exhausted", "13"},
		{`{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, "API key not valid.", "api_key_invalid", ""},
		{`{"error":{"code":400,"message":"m","status":"<b>","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"<i>"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"-1s"}]}}`, "m", "", ""},
		{`{"message":"from a proxy"}`, "from a proxy", "", ""},
		{`<html>`, "the provider answered with status 404", "", ""},
	} {
		e := fault.From(upstream(t, wire.Quirks{}).ReadError(404, []byte(tt.body)))
		if e.Kind != fault.Refused || e.Status != 404 || e.Message != tt.message || e.Type != "" || e.Code != tt.code || e.RetryAfter != tt.retry {
			t.Errorf("%s: %+v", tt.body, e)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		own, asked string
		stream     bool
		want       string
	}{
		{"", "gemini-2.5-pro", false, "/models/gemini-2.5-pro:generateContent"},
		{"gemini-3-pro-preview", "smart", true, "/models/gemini-3-pro-preview:streamGenerateContent?alt=sse"},
		{"models/gemini-2.5-pro", "", false, "/models/gemini-2.5-pro:generateContent"},
		{"tunedModels/mine-1", "", false, "/tunedModels/mine-1:generateContent"},
		{"endpoints/123", "", false, "/endpoints/123:generateContent"},
		{"", "../../x?y#z", false, "/models/..%2F..%2Fx%3Fy%23z:generateContent"},
	} {
		if got := upstream(t, wire.Quirks{Model: tt.own}).PathFor(&llm.Request{Model: tt.asked, Stream: tt.stream}); got != tt.want {
			t.Errorf("%s %s: %s", tt.own, tt.asked, got)
		}
	}
}

// FuzzReply feeds replies that are cut and shuffled. They make events in order, and what they say of their turn is JSON.
func FuzzReply(f *testing.F) {
	for name, a := range samples(f) {
		s := sampleOf(name, a)
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text/"), uint64(1), uint64(0))
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text/"), uint64(7), uint64(5))
	}
	f.Fuzz(func(t *testing.T, body []byte, stream bool, seed, swap uint64) {
		contentType := "application/json"
		if stream {
			contentType = "text/event-stream"
			if frames := bytes.SplitAfter(body, []byte("\n\n")); swap > 0 && len(frames) > 1 {
				i, j := int(swap%uint64(len(frames))), int((swap/7)%uint64(len(frames)))
				frames[i], frames[j] = frames[j], frames[i]
				body = bytes.Join(frames, nil)
			}
		}
		u := upstream(t, wire.Quirks{})
		for _, opaque := range []bool{false, true} {
			wiretest.Grammar(t, u.ReadReply(&llm.Request{Opaque: opaque}, contentType, wiretest.Pieces(body, 1+int(seed%50), seed, nil)))
		}
		m, err := replied(t, &llm.Request{}, contentType, string(body))
		if d := m.Extra; err == nil && len(d) > 0 && !jsonedit.Valid(append(append([]byte{'{'}, d...), '}')) {
			t.Errorf("the turn is no JSON: %s", d)
		}
		for _, c := range m.Calls {
			if !jsonedit.Valid([]byte(c.Arguments)) {
				t.Errorf("arguments %q", c.Arguments)
			}
		}
	})
}
