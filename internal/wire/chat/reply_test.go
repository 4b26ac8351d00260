package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// upstream returns a codec whose made-up ids are counted.
func upstream(tb testing.TB, q wire.Quirks) *Upstream {
	tb.Helper()
	u, err := NewUpstream(q)
	if err != nil {
		tb.Fatal(err)
	}
	n := 0
	u.newID = func() string { n++; return fmt.Sprintf("made-up-%d", n) }
	return u
}

// transcript is one file of testdata/reply.
type transcript struct {
	file  string
	q     wire.Quirks
	reply []byte
	kind  string // content type
}

func transcripts(tb testing.TB) []transcript {
	tb.Helper()
	files, err := filepath.Glob("testdata/reply/*.txtar")
	if err != nil || len(files) == 0 {
		tb.Fatal("no transcripts", err)
	}
	var out []transcript
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		tr := transcript{file: file}
		for _, f := range a.Files {
			switch f.Name {
			case "quirks":
				tr.q.UsageMember = strings.TrimPrefix(strings.TrimSpace(string(f.Data)), "UsageMember=")
			case "reply":
				tr.reply = f.Data
			case "reply crlf":
				tr.reply = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
			}
		}
		tr.kind = "application/json"
		if !bytes.ContainsAny(tr.reply[:1], "{[<") {
			tr.kind = "text/event-stream; charset=utf-8"
		}
		out = append(out, tr)
	}
	return out
}

// told writes events as lines that a person can read.
func told(u *Upstream, req *llm.Request, contentType string, body io.Reader) string {
	var b strings.Builder
	for ev, err := range u.ReadReply(req, contentType, body) {
		if err != nil {
			e := fault.From(err)
			kinds := map[fault.Kind]string{fault.Refused: "refused", fault.Upstream: "upstream"}
			fmt.Fprintf(&b, "error %s %d code=%q %s", kinds[e.Kind], e.HTTPStatus(), e.Code, e.Message)
			if e.Err != nil {
				fmt.Fprintf(&b, " (%v)", e.Err)
			}
			b.WriteByte('\n')
			continue
		}
		switch ev.Kind {
		case llm.Start:
			fmt.Fprintf(&b, "start %s %s %d", ev.Head.ID, ev.Head.Model, ev.Head.Created)
		case llm.Text, llm.Thinking:
			fmt.Fprintf(&b, "%s %q", strings.ToLower(ev.Kind.String()), ev.Text)
		case llm.ToolCall:
			fmt.Fprintf(&b, "call %d", ev.Index)
			if ev.Call.ID != "" {
				fmt.Fprintf(&b, " id=%s name=%s", ev.Call.ID, ev.Call.Name)
			}
			fmt.Fprintf(&b, " %s", ev.Call.Arguments)
			if len(ev.Call.Extra) > 0 {
				fmt.Fprintf(&b, " extra=%s", ev.Call.Extra)
			}
		case llm.End:
			fmt.Fprintf(&b, "end %s", ev.Stop)
			if u := ev.Usage; u != nil {
				fmt.Fprintf(&b, " input=%d read=%d written=%d output=%d reasoning=%d raw=%s", u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning, u.Raw.Bytes)
			}
		default:
			b.WriteString(strings.ToLower(ev.Kind.String()))
		}
		for _, x := range []struct {
			name string
			raw  []byte
		}{{"top", ev.Extra.Top}, {"choice", ev.Extra.Choice}, {"delta", ev.Extra.Delta}} {
			if len(x.raw) > 0 {
				fmt.Fprintf(&b, "\n      %s %s", x.name, x.raw)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestReadReply reads what providers send and compares the events with the transcript.
func TestReadReply(t *testing.T) {
	for _, tr := range transcripts(t) {
		t.Run(filepath.Base(tr.file), func(t *testing.T) {
			golden(t, tr.file, "events", told(upstream(t, tr.q), &llm.Request{}, tr.kind, bytes.NewReader(tr.reply)))
		})
	}
}

// TestWire runs what every wire promises.
func TestWire(t *testing.T) {
	wiretest.Door(t, Door{}, `{"model":"m","messages":[]}`)
	for q, samples := range samples(t) {
		wiretest.Upstream(t, func() wire.Upstream { return upstream(t, wire.Quirks{UsageMember: q}) }, samples)
	}
}

// samples returns the transcripts by their UsageMember.
func samples(t *testing.T) map[string][]wiretest.Sample {
	t.Helper()
	out := map[string][]wiretest.Sample{}
	for _, tr := range transcripts(t) {
		q := tr.q.UsageMember
		out[q] = append(out[q], wiretest.Sample{Name: filepath.Base(tr.file), ContentType: tr.kind, Body: tr.reply})
	}
	return out
}

// TestReadReplyPassesTheBodysError wants the error of the body as it is, unless the answer is complete.
func TestReadReplyPassesTheBodysError(t *testing.T) {
	slow := &fault.Error{Kind: fault.Timeout, Code: "upstream_timeout", Message: "too slow"}
	const half = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	const done = half + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	for _, opaque := range []bool{false, true} {
		for _, tt := range []struct {
			body string
			err  error
			want error
		}{
			{"", slow, slow},
			{half, slow, slow},
			{half, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
			{done, io.ErrUnexpectedEOF, nil},
			{done, &fault.Error{Kind: fault.Canceled}, &fault.Error{Kind: fault.Canceled}},
		} {
			body := io.MultiReader(strings.NewReader(tt.body), iotest.ErrReader(tt.err))
			var last error
			for _, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: opaque}, "text/event-stream", body) {
				last = err
			}
			if tt.want == nil && last != nil || tt.want != nil && !errors.Is(last, tt.err) {
				t.Errorf("opaque %v, body %q ending in %v: error %v", opaque, tt.body, tt.err, last)
			}
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, tr := range transcripts(f) {
		f.Add(tr.reply, strings.HasPrefix(tr.kind, "text"))
	}
	f.Fuzz(func(t *testing.T, body []byte, stream bool) {
		kind := "application/json"
		if stream {
			kind = "text/event-stream"
		}
		wiretest.Grammar(t, upstream(t, wire.Quirks{}).ReadReply(&llm.Request{}, kind, bytes.NewReader(body)))
		var out []byte
		for ev, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: true}, kind, wiretest.Pieces(body, 9, 1, nil)) {
			if err == nil && ev.Kind == llm.Opaque {
				out = append(out, ev.Raw...)
			}
		}
		if !bytes.Equal(out, body) {
			t.Fatalf("relayed %q as %q", body, out)
		}
	})
}
