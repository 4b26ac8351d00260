package cohere

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
	s := wiretest.Sample{Name: name, ContentType: "application/json", Body: bytes.TrimSpace(a.Files[0].Data)}
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
			u := upstream(t, wire.Quirks{Model: "command-a"})
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
func replied(tb testing.TB, contentType, body string) (m llm.Message, last error) {
	tb.Helper()
	m = llm.Message{Role: llm.Assistant}
	for ev, err := range upstream(tb, wire.Quirks{}).ReadReply(&llm.Request{}, contentType, strings.NewReader(body)) {
		if err != nil {
			return m, err
		}
		switch ev.Kind {
		case llm.Text:
			m.Text += ev.Text
		case llm.ToolCall:
			if ev.Call.ID != "" {
				m.Calls = append(m.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			m.Calls[ev.Index].Arguments += ev.Call.Arguments
		default:
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
		}
	}
	return m, nil
}

func TestBrokenReplies(t *testing.T) {
	start := "data: {\"type\":\"message-start\",\"id\":\"m\"}\n\n"
	event := func(data string) string { return "data: " + data + "\n\n" }
	for _, tt := range []struct {
		name, body string
		status     int // of a fault of kind Refused; 0: another kind
		says       string
	}{
		{"empty", "", 0, "empty"},
		{"no end", start, 0, "ended before message-end"},
		{"only the mark", start + event("[DONE]"), 0, "ended before message-end"},
		{"an end without a reason", start + event(`{"type":"message-end"}`), 0, "ended before message-end"},
		{"error at the end", start + event(`{"type":"message-end","delta":{"finish_reason":"ERROR","error":"the model\u0000 broke"}}`), 0, "the model broke"},
		{"error without words", start + event(`{"type":"message-end","delta":{"finish_reason":"ERROR"}}`), 0, "failed before it was done"},
		{"out of time", start + event(`{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}`), 0, "ran out of time"},
		{"error in place of an event", start + event(`{"message":"too many requests","status_code":429}`), 429, "too many requests"},
		{"plain error", `{"id":"e","message":"internal server error"}`, 0, "internal server error"},
		{"not JSON", start + event("nonsense"), 0, "not a JSON object"},
		{"page", "<html>", 0, "neither JSON nor an event stream"},
		{"no message", `{"id":"m"}`, 0, "no message"},
		{"twice", start + start, 0, "began its reply twice"},
		{"content before the start", event(`{"type":"content-start","index":0}`), 0, "before the start"},
		{"end before the start", event(`{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}`), 0, "before it began"},
		{"content that is none", start + event(`{"type":"content-start","index":0,"delta":{"message":{"content":7}}}`), 0, "not an object"},
		{"text that is none", start + event(`{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":7}}}}`), 0, "not a JSON string"},
		{"call without a name", start + event(`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"a"}}}}`), 0, "without a name"},
		{"arguments that are none", start + event(`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"function":{"name":"f","arguments":{}}}}}}`), 0, "arguments that are not a JSON string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			contentType := "text/event-stream"
			if strings.HasPrefix(tt.body, "{") {
				contentType = "application/json"
			}
			_, err := replied(t, contentType, tt.body)
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || !strings.Contains(e.Message, tt.says) || (e.Kind == fault.Refused) != (tt.status != 0) || e.Status != tt.status {
				t.Errorf("%+v", err)
			}
		})
	}
}

// TestRelayedErrors wants an error in a relayed stream told as one that the client has seen, and a cancelled body as it is.
func TestRelayedErrors(t *testing.T) {
	body := "data: {\"type\":\"message-start\",\"id\":\"m\"}\n\n" + `data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"x"}}` + "\n\n"
	for _, tt := range []struct {
		body string
		end  error
		told bool
	}{{body, io.EOF, true}, {body[:30], io.EOF, false}, {body[:60], context.Canceled, false}} {
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
	for _, tt := range []struct{ body, message string }{
		{`{"id":"e","message":"model 'x' not found"}`, "model 'x' not found"},
		{`{"error":{"message":"from a proxy"}}`, "from a proxy"},
		{`<html>`, "the provider answered with status 404"},
	} {
		e := fault.From(upstream(t, wire.Quirks{}).ReadError(404, []byte(tt.body)))
		if e.Kind != fault.Refused || e.Status != 404 || e.Message != tt.message {
			t.Errorf("%s: %+v", tt.body, e)
		}
	}
}

// FuzzReply feeds replies that are cut and shuffled. They make events in order, and what they say of their turn goes back as
// JSON.
func FuzzReply(f *testing.F) {
	for name, a := range samples(f) {
		s := sampleOf(name, a)
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text/"), uint64(1), uint64(0))
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text/"), uint64(7), uint64(5))
	}
	f.Add([]byte("data:{\"type\":\"message-start\"}\n\ndata:{\"type\":\"content-start\",\"delta\":{\"message\":{\"content\":{\"\"}}}}\n\ndata:{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"0\"}}\n\n"), true, uint64(93), uint64(0))
	f.Fuzz(func(t *testing.T, body []byte, stream bool, size, seed uint64) {
		contentType := "application/json"
		if stream {
			contentType = "text/event-stream"
		}
		u := upstream(t, wire.Quirks{})
		wiretest.Grammar(t, u.ReadReply(&llm.Request{}, contentType, wiretest.Pieces(body, int(size%4096), seed, nil)))
		wiretest.Grammar(t, u.ReadReply(&llm.Request{Opaque: true}, contentType, wiretest.Pieces(body, int(size%4096), seed, nil)))
		m, err := replied(t, contentType, string(body))
		if err != nil {
			return
		}
		out, err := u.AppendRequest(nil, &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.User, Text: "hi"}, m}})
		if err != nil || !jsonedit.Valid(out) {
			t.Fatalf("the turn goes back as %s, %v", out, err)
		}
	})
}
