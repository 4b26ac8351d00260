package messages

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
		s.ContentType, s.Body = "text/event-stream; charset=utf-8", a.Files[0].Data
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

// TestTurnComesBack wants what a reply says of its turn to be sent again as it came, also with the ids that the loop gave.
func TestTurnComesBack(t *testing.T) {
	s := sampleOf("thinking", samples(t)["thinking"])
	u := upstream(t, wire.Quirks{})
	m := llm.Message{Role: llm.Assistant}
	for ev, err := range u.ReadReply(&llm.Request{}, s.ContentType, bytes.NewReader(s.Body)) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == llm.ToolCall && ev.Call.ID != "" {
			m.Calls = append(m.Calls, llm.Call{ID: ev.Call.ID + "_2", Name: ev.Call.Name})
		}
		if len(ev.Extra.Delta) > 0 {
			m.Wire, m.Extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
		}
	}
	req := asked(t, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	req.AddedMessages = []llm.Message{m, {Role: llm.ToolRole, Result: &llm.Result{CallID: m.Calls[0].ID, Text: "1"}}, {Role: llm.ToolRole, Result: &llm.Result{CallID: m.Calls[1].ID, Text: "2", IsError: true}}}
	want := `{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[` +
		`{"type":"thinking","thinking":"Let me \u0022see\u0022 \ud83d\ude00.","signature":"EqQBCgIYAhIM+/1a=="},` +
		`{"type":"redacted_thinking","data":"EmwKAhgBEgy3va3=="},` +
		`{"type":"text","text":"I will add."},` +
		`{"type":"tool_use","id":"toolu_01A_2","name":"add","input":{"a": 1.0, "b":"\u00e9"},"caller":{"type":"direct"}},` +
		`{"type":"tool_use","id":"toolu_01B_2","name":"now","input":{}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_01A_2","content":"1"},{"type":"tool_result","tool_use_id":"toolu_01B_2","content":"2","is_error":true}]}]}`
	if got := sent(t, wire.Quirks{}, req); got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

func TestBrokenReplies(t *testing.T) {
	start := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{}}}\n\n"
	event := func(data string) string { return "data: " + data + "\n\n" }
	for _, tt := range []struct {
		name, body string
		status     int // of a fault of kind Refused; 0: another kind
		says       string
	}{
		{"empty", "", 0, "empty"},
		{"no end", start, 0, "ended before message_stop"},
		{"overloaded", start + event(`{"type":"error","error":{"type":"overloaded_error","message":"Over\u0000loaded"},"request_id":"r"}`), 529, "Overloaded"},
		{"rate", start + event(`{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`), 429, "slow"},
		{"strange error", start + event(`{"type":"error","error":{"type":"odd","message":"x"}}`), 0, "x"},
		{"plain error", `{"type":"error","error":{"type":"api_error","message":"down"}}`, 500, "down"},
		{"not JSON", start + event("nonsense"), 0, "not a JSON object"},
		{"page", "<html>", 0, "neither JSON nor an event stream"},
		{"no content", `{"id":"m"}`, 0, "no content"},
		{"twice", start + start, 0, "began its reply twice"},
		{"content before the start", event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`), 0, "before the start"},
		{"stop before the start", event(`{"type":"message_stop"}`), 0, "before it began"},
		{"text that is none", start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":7}}`), 0, "not a JSON string"},
		{"call without a name", start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a"}}`), 0, "without a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			contentType := "text/event-stream"
			if strings.HasPrefix(tt.body, "{") {
				contentType = "application/json"
			}
			var last error
			for _, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{}, contentType, strings.NewReader(tt.body)) {
				last = err
			}
			e, ok := errors.AsType[*fault.Error](last)
			if !ok || !strings.Contains(e.Message, tt.says) || (e.Kind == fault.Refused) != (tt.status != 0) || e.Status != tt.status {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestRelayedErrors wants an error in a relayed stream told as one that the client has seen, and a cancelled body as it is.
func TestRelayedErrors(t *testing.T) {
	body := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"
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
	for _, tt := range []struct{ body, message, kind, code string }{
		{`{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"req_1"}`, "model: x", "not_found_error", ""},
		{`{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"thread_not_found"}}}`, "m", "invalid_request_error", "thread_not_found"},
		{`{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"<b>"}}}`, "m", "invalid_request_error", ""},
		{`{"message":"from a proxy"}`, "from a proxy", "", ""},
		{`<html>`, "the provider answered with status 404", "", ""},
	} {
		e := fault.From(upstream(t, wire.Quirks{}).ReadError(404, []byte(tt.body)))
		if e.Kind != fault.Refused || e.Status != 404 || e.Message != tt.message || e.Type != tt.kind || e.Code != tt.code {
			t.Errorf("%s: %+v", tt.body, e)
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
		for ev, err := range u.ReadReply(&llm.Request{}, contentType, bytes.NewReader(body)) {
			if d := ev.Extra.Delta; err == nil && len(d) > 0 && !jsonedit.Valid(append(append([]byte{'{'}, d...), '}')) {
				t.Errorf("the turn is no JSON: %s", d)
			}
		}
	})
}
