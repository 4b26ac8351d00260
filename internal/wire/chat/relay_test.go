package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

const (
	chunkA   = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"say \"usage\": {} and [DONE]"},"finish_reason":null}],"usage":null}` + "\n\n"
	chunkEnd = `data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n"
	chunkUse = `data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}` + "\n\n"
	done     = "data: [DONE]\n\n"
)

// relayed collects an opaque reply.
func collect(t *testing.T, u *Upstream, req *llm.Request, kind string, body io.Reader) (out string, end *llm.Event, err error) {
	t.Helper()
	first := true
	for ev, e := range u.ReadReply(req, kind, body) {
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
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	for _, tt := range []struct {
		name, body, kind, reply, want string
		q                             wire.Quirks
		usage                         int64 // of the prompt; -1 for none
		fails                         string
		told                          bool
	}{
		{name: "usage asked by the gateway", body: `{"model":"m","stream":true}`, kind: stream, reply: chunkA + chunkEnd + chunkUse + done, want: chunkA + chunkEnd + done, usage: 3},
		{name: "usage asked by the client", body: `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, kind: stream, reply: chunkA + chunkEnd + chunkUse + done, want: chunkA + chunkEnd + chunkUse + done, usage: 3},
		{name: "crlf", body: `{"model":"m","stream":true}`, kind: stream, reply: crlf(chunkA + chunkEnd + chunkUse + done), want: crlf(chunkA + chunkEnd + done), usage: 3},
		{name: "usage unasked, in the finishing chunk", body: `{"model":"m","stream":true}`, q: wire.Quirks{NoStreamUsage: true}, kind: stream, reply: chunkA + strings.Replace(chunkEnd, `"usage":null`, `"usage": {"prompt_tokens":4}`, 1), want: chunkA + strings.Replace(chunkEnd, `"usage":null`, `"usage": {"prompt_tokens":4}`, 1), usage: 4},
		{name: "usage elsewhere", body: `{"model":"m","stream":true}`, q: wire.Quirks{UsageMember: "x_groq.use"}, kind: stream, reply: chunkEnd + "data: {\"choices\":[],\"x_groq\":{\"use\":{\"prompt_tokens\":9}}}\n\n" + done, want: chunkEnd + "data: {\"choices\":[],\"x_groq\":{\"use\":{\"prompt_tokens\":9}}}\n\n" + done, usage: 9},
		{name: "comments and an unfinished last frame", body: `{"model":"m","stream":true}`, kind: stream, reply: ": hi\n\n" + chunkEnd + strings.TrimSpace(done), want: ": hi\n\n" + chunkEnd + strings.TrimSpace(done), usage: -1},
		{name: "no finish", body: `{"model":"m","stream":true}`, kind: stream, reply: chunkA, want: chunkA, usage: -1, fails: "without a finish reason"},
		{name: "error in the stream", body: `{"model":"m","stream":true}`, kind: stream, reply: chunkA + "data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n", want: chunkA + "data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n", usage: -1, fails: "overloaded", told: true},
		{name: "plain", body: `{"model":"m"}`, kind: "application/json", reply: `{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":1}}`, want: `{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":1}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":1}}`, usage: 7},
		{name: "plain without usage", body: `{"model":"m"}`, kind: "application/json", reply: `{"choices":[]}`, want: `{"choices":[]}`, usage: -1},
		{name: "empty", body: `{"model":"m"}`, kind: "application/json", usage: -1, fails: "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := range 40 {
				req := asked(t, tt.body)
				req.Opaque = true
				body := wiretest.Pieces([]byte(tt.reply), 1+size*size, uint64(size), nil)
				got, end, err := collect(t, upstream(t, tt.q), req, tt.kind, body)
				if got != tt.want {
					t.Fatalf("size %d: relayed\n%s\nwant\n%s", size, got, tt.want)
				}
				if tt.fails != "" {
					if err == nil || end != nil || !strings.Contains(err.Error(), tt.fails) || fault.From(err).Told != tt.told {
						t.Fatalf("end %v, error %+v", end, err)
					}
					continue
				}
				if err != nil || end == nil {
					t.Fatalf("end %v, error %v", end, err)
				}
				if tt.usage < 0 && end.Usage != nil || tt.usage >= 0 && (end.Usage == nil || end.Usage.Input != tt.usage) {
					t.Fatalf("usage %+v, want input %d", end.Usage, tt.usage)
				}
			}
		})
	}
}

// TestRelayOfLongReplies wants the bytes of replies that are longer than any buffer, and the usage wherever it stands.
func TestRelayOfLongReplies(t *testing.T) {
	long := strings.Repeat("wörd ", 20<<10)
	usage := `"usage":{"prompt_tokens":5,"completion_tokens":1}`
	for name, reply := range map[string]string{
		"usage last":  `{"choices":[{"message":{"content":"` + long + `"}}],` + usage + `}`,
		"usage first": `{"id":"x",` + usage + `,"choices":[{"message":{"content":"` + long + `"}}]}`,
	} {
		req := asked(t, `{"model":"m"}`)
		req.Opaque = true
		got, end, err := collect(t, upstream(t, wire.Quirks{}), req, "application/json", strings.NewReader(reply))
		if got != reply || err != nil || end.Usage == nil || end.Usage.Input != 5 {
			t.Errorf("%s: %d bytes of %d, end %+v, error %v", name, len(got), len(reply), end, err)
		}
	}
	req := asked(t, `{"model":"m","stream":true}`)
	req.Opaque = true
	frame := `data: {"choices":[{"delta":{"content":"` + long + `"}}]}` + "\n\n"
	got, end, err := collect(t, upstream(t, wire.Quirks{}), req, "text/event-stream", strings.NewReader(frame+frame+chunkEnd+chunkUse+done))
	if got != frame+frame+chunkEnd+done || err != nil || end.Usage == nil || end.Stop != "stop" {
		t.Errorf("stream: %d bytes, end %+v, error %v", len(got), end, err)
	}
}

// TestRelayEndsBetweenFrames cuts a stream off in the middle of a frame: what the client gets ends with a whole one, so that
// the error can be told behind it.
func TestRelayEndsBetweenFrames(t *testing.T) {
	req := asked(t, `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`)
	req.Opaque = true
	for size := range 50 {
		body := wiretest.Pieces([]byte(chunkA+chunkA[:40]), 1+size, 1, io.ErrUnexpectedEOF)
		got, end, err := collect(t, upstream(t, wire.Quirks{}), req, "text/event-stream", body)
		if got != chunkA || end != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("size %d: %q, end %v, error %v", size, got, end, err)
		}
	}
}

// TestRelayAgreesWithReading reads the same replies both ways: usage and reason are the same.
func TestRelayAgreesWithReading(t *testing.T) {
	for _, tr := range transcripts(t) {
		_, opaque, _ := collect(t, upstream(t, tr.q), &llm.Request{Opaque: true}, tr.kind, bytes.NewReader(tr.reply))
		for ev, err := range upstream(t, tr.q).ReadReply(&llm.Request{}, tr.kind, bytes.NewReader(tr.reply)) {
			if err != nil || ev.Kind != llm.End {
				continue
			}
			if opaque == nil {
				t.Errorf("%s: relayed without an end", filepath.Base(tr.file))
			} else if a, b := fmt.Sprint(ev.Usage), fmt.Sprint(opaque.Usage); a != b && ev.Usage != nil && fmt.Sprint(*ev.Usage) != fmt.Sprint(*opaque.Usage) {
				t.Errorf("%s: usage %s, relayed %s", filepath.Base(tr.file), a, b)
			}
		}
	}
}

// TestRelayAllocates holds the relay to a few allocations a reply, however long it is.
func TestRelayAllocates(t *testing.T) {
	u := upstream(t, wire.Quirks{})
	for _, tt := range []struct {
		name, body, kind, reply string
		max                     float64
	}{
		{"stream", `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, "text/event-stream", strings.Repeat(chunkA, 1000) + chunkEnd + chunkUse + done, 8},
		{"stream with usage withheld", `{"model":"m","stream":true}`, "text/event-stream", strings.Repeat(chunkA, 1000) + chunkEnd + chunkUse + done, 8},
		{"plain", `{"model":"m"}`, "application/json", `{"choices":[],"usage":{"prompt_tokens":5}}`, 8},
	} {
		req := asked(t, tt.body)
		req.Opaque = true
		body := strings.NewReader("")
		got := testing.AllocsPerRun(50, func() {
			body.Reset(tt.reply)
			for _, err := range u.ReadReply(req, tt.kind, body) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if got > tt.max {
			t.Errorf("%s: %v allocations, at most %v are allowed", tt.name, got, tt.max)
		}
	}
}

func BenchmarkRelay(b *testing.B) {
	u := upstream(b, wire.Quirks{})
	for _, body := range []string{`{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"m","stream":true}`} {
		reply := strings.Repeat(chunkA, 100) + chunkEnd + chunkUse + done
		req := asked(b, body)
		req.Opaque = true
		b.Run(fmt.Sprintf("withhold=%v", u.asksForUsage(req)), func(b *testing.B) {
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			for b.Loop() {
				for range u.ReadReply(req, "text/event-stream", strings.NewReader(reply)) {
				}
			}
		})
	}
}

// once yields its text in one read, and fails the test when it is read again.
type once struct {
	t    *testing.T
	text string
	read bool
}

func (o *once) Read(p []byte) (int, error) {
	if o.read {
		o.t.Error("the body was read after the mark of the stream's end: a provider that keeps the connection open would hold the client")
		return 0, io.EOF
	}
	o.read = true
	return copy(p, o.text), nil
}

func TestTheMarkEndsARelayedStream(t *testing.T) {
	u, err := NewUpstream(wire.Quirks{})
	if err != nil {
		t.Fatal(err)
	}
	text := `data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
	var got strings.Builder
	req := &llm.Request{Stream: true, Opaque: true, Raw: llm.Frame{Wire: Name, Bytes: []byte(`{"model":"m","stream":true,"stream_options":{"include_usage":true}}`)}}
	last := llm.Kind(0)
	for ev, err := range u.ReadReply(req, "text/event-stream", &once{t: t, text: text}) {
		if err != nil {
			t.Fatal(err)
		}
		got.Write(ev.Raw)
		last = ev.Kind
	}
	if got.String() != text || last != llm.End {
		t.Errorf("relayed %q, ended with %v", got.String(), last)
	}
}
