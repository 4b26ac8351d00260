package responses

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// collect collects an opaque reply.
func collect(t *testing.T, kind string, body io.Reader) (out string, end *llm.Event, err error) {
	t.Helper()
	first := true
	for ev, e := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: true}, kind, body) {
		switch {
		case e != nil:
			err = e
		case ev.Kind == llm.Opaque:
			if first && (ev.Head == nil || ev.Head.ContentType != kind) {
				t.Errorf("the first event's head is %+v", ev.Head)
			}
			first = false
			out += string(ev.Raw)
		case ev.Kind == llm.End:
			if ev.Usage != nil {
				u := *ev.Usage
				u.Raw.Bytes = bytes.Clone(u.Raw.Bytes)
				ev.Usage = &u
			}
			end = &ev
		default:
			t.Errorf("event %v", ev.Kind)
		}
	}
	return out, end, err
}

func TestRelay(t *testing.T) {
	const stream = "text/event-stream"
	long := strings.Repeat("wörd ", 20<<10)
	large := strings.Replace(completed, `"output":[]`, `"output":[{"text":"`+long+`"}]`, 1)
	typeLast := `data: {"response":{"id":"r","status":"incomplete","incomplete_details":{"reason":"content_filter"},"usage":{"input_tokens":3}},"sequence_number":4,"type":"response.incomplete"}` + "\n\n"
	for _, tt := range []struct {
		name, kind, reply string
		usage             int64 // of the input and what was read from a cache; -1 for none
		stop, fails       string
		told              bool
	}{
		{name: "stream", kind: stream, reply: created + delta + completed, usage: 7, stop: "stop"},
		{name: "stream with the mark of others", kind: stream, reply: created + delta + completed + "data: [DONE]\n\n", usage: 7, stop: "stop"},
		{name: "crlf", kind: stream, reply: strings.ReplaceAll(created+delta+completed, "\n", "\r\n"), usage: 7, stop: "stop"},
		{name: "a last event larger than any buffer", kind: stream, reply: created + delta + large, usage: 7, stop: "stop"},
		{name: "no event lines, the type last", kind: stream, reply: typeLast, usage: 3, stop: "content_filter"},
		{name: "comments", kind: stream, reply: ": hi\n\n" + created + completed, usage: 7, stop: "stop"},
		{name: "no end", kind: stream, reply: created + delta, fails: "before it was complete"},
		{name: "failed", kind: stream, reply: created + failed, fails: "it broke", told: true},
		{name: "error", kind: stream, reply: created + "event: error\ndata: {\"type\":\"error\",\"message\":\"overloaded\",\"code\":\"server_error\"}\n\n", fails: "overloaded", told: true},
		{name: "plain", kind: "application/json", reply: `{"id":"r","status":"completed","output":[{"text":"\"usage\":{\"input_tokens\":1}"}],"usage":{"input_tokens":9}}`, usage: 9, stop: "stop"},
		{name: "a count of tokens", kind: "application/json", reply: `{"object":"response.input_tokens","input_tokens":11}`, usage: -1, stop: "stop"},
		{name: "empty", kind: "application/json", fails: "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := range 40 {
				body := wiretest.Pieces([]byte(tt.reply), 1+size*size*size, uint64(size), nil)
				if len(tt.reply) > 10<<10 && size < 8 {
					continue
				}
				got, end, err := collect(t, tt.kind, body)
				if got != tt.reply {
					t.Fatalf("size %d: relayed %d bytes of %d", size, len(got), len(tt.reply))
				}
				if tt.fails != "" {
					if err == nil || end != nil || !strings.Contains(err.Error(), tt.fails) || fault.From(err).Told != tt.told {
						t.Fatalf("end %v, error %+v", end, err)
					}
					continue
				}
				if err != nil || end == nil || end.Stop != tt.stop {
					t.Fatalf("size %d: end %+v, error %v", size, end, err)
				}
				if u := end.Usage; tt.usage < 0 && u != nil || tt.usage >= 0 && (u == nil || u.Input+u.CacheRead != tt.usage) {
					t.Fatalf("usage %+v, want %d", u, tt.usage)
				}
			}
		})
	}
}

// TestRelayEndsBetweenFrames cuts a stream off in the middle of a frame: what the client gets ends with a whole one, so that
// the error can be told behind it.
func TestRelayEndsBetweenFrames(t *testing.T) {
	for size := range 50 {
		body := wiretest.Pieces([]byte(created+delta[:60]), 1+size, 1, io.ErrUnexpectedEOF)
		got, end, err := collect(t, "text/event-stream", body)
		if got != created || end != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("size %d: %q, end %v, error %v", size, got, end, err)
		}
	}
}

// TestRelayAgreesWithReading reads the same replies both ways: usage and reason are the same, but for calls, which a relay
// does not look for.
func TestRelayAgreesWithReading(t *testing.T) {
	for _, s := range transcripts(t) {
		_, opaque, _ := collect(t, s.ContentType, bytes.NewReader(s.Body))
		for ev, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{}, s.ContentType, bytes.NewReader(s.Body)) {
			if err != nil || ev.Kind != llm.End {
				continue
			}
			stop := strings.Replace(ev.Stop, llm.StopTools, llm.StopDone, 1)
			if opaque == nil || stop != opaque.Stop || fmt.Sprint(*ev.Usage) != fmt.Sprint(*opaque.Usage) {
				t.Errorf("%s: end %+v, relayed %+v", s.Name, ev, opaque)
			}
		}
	}
}

// TestRelayAllocates holds the relay to a few allocations a reply, however long it is.
func TestRelayAllocates(t *testing.T) {
	u := upstream(t, wire.Quirks{})
	for name, reply := range map[string]string{
		"text/event-stream": created + strings.Repeat(delta, 1000) + completed,
		"application/json":  `{"output":[],"usage":{"input_tokens":5}}`,
	} {
		req := &llm.Request{Opaque: true}
		body := strings.NewReader("")
		got := testing.AllocsPerRun(50, func() {
			body.Reset(reply)
			for _, err := range u.ReadReply(req, name, body) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if got > 8 {
			t.Errorf("%s: %v allocations, at most 8 are allowed", name, got)
		}
	}
}

// TestAppendRequestAllocates holds an edit that changes the model alone to a few allocations, however large the body is.
func TestAppendRequestAllocates(t *testing.T) {
	u := upstream(t, wire.Quirks{Model: "other"})
	req := posed(t, `{"model":"m","input":[{"role":"user","content":"`+strings.Repeat("x", 64<<10)+`"}],"tools":[{"type":"function","name":"f"}]}`)
	buf := make([]byte, 0, 128<<10)
	got := testing.AllocsPerRun(100, func() {
		if _, err := u.AppendRequest(buf, req); err != nil {
			t.Fatal(err)
		}
	})
	if got > 8 {
		t.Errorf("%v allocations, at most 8 are allowed", got)
	}
}

func BenchmarkRelay(b *testing.B) {
	u := upstream(b, wire.Quirks{})
	reply := created + strings.Repeat(delta, 100) + completed
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		for range u.ReadReply(&llm.Request{Opaque: true}, "text/event-stream", strings.NewReader(reply)) {
		}
	}
}

func BenchmarkReadTyped(b *testing.B) {
	u := upstream(b, wire.Quirks{})
	reply := created + strings.Repeat(delta, 100) + completed
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		for range u.ReadReply(&llm.Request{}, "text/event-stream", strings.NewReader(reply)) {
		}
	}
}
