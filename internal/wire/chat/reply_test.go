package chat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
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

// TestReadReplyInAnyPieces cuts the same bytes in other places: the events stay the same.
func TestReadReplyInAnyPieces(t *testing.T) {
	for _, tr := range transcripts(t) {
		t.Run(filepath.Base(tr.file), func(t *testing.T) {
			want := told(upstream(t, tr.q), &llm.Request{}, tr.kind, bytes.NewReader(tr.reply))
			for seed := range uint64(20) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				got := told(upstream(t, tr.q), &llm.Request{}, tr.kind, &pieces{tr.reply, rnd, 1 + int(seed*seed)})
				if got != want {
					t.Fatalf("seed %d:\n%s\nwant:\n%s", seed, got, want)
				}
			}
		})
	}
}

// pieces is a reader that gives up to max bytes at a time.
type pieces struct {
	b   []byte
	rnd *rand.Rand
	max int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(len(p.b), 1+p.rnd.IntN(p.max))])
	p.b = p.b[n:]
	return n, nil
}

// TestReadReplyStops stops listening after each event: nothing more is yielded, and nothing panics.
func TestReadReplyStops(t *testing.T) {
	for _, tr := range transcripts(t) {
		for _, opaque := range []bool{false, true} {
			for stop := 0; ; stop++ {
				seen := 0
				for range upstream(t, tr.q).ReadReply(&llm.Request{Opaque: opaque}, tr.kind, iotest.OneByteReader(bytes.NewReader(tr.reply))) {
					if seen++; seen > stop {
						break
					}
				}
				if seen <= stop || stop > 20 {
					break
				}
			}
		}
	}
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
		grammar(t, upstream(t, wire.Quirks{}), &llm.Request{}, kind, body)
		var out []byte
		for ev, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: true}, kind, iotest.HalfReader(bytes.NewReader(body))) {
			if err == nil && ev.Kind == llm.Opaque {
				out = append(out, ev.Raw...)
			}
		}
		if !bytes.Equal(out, body) {
			t.Fatalf("relayed %q as %q", body, out)
		}
	})
}

// grammar checks the promises that events make whatever the bytes were.
func grammar(t *testing.T, u *Upstream, req *llm.Request, kind string, body []byte) {
	t.Helper()
	begun, over, next := false, false, 0
	ids := map[string]bool{}
	for ev, err := range u.ReadReply(req, kind, bytes.NewReader(body)) {
		if over {
			t.Fatal("something came after the end")
		}
		if err != nil {
			over = true
			continue
		}
		if (ev.Kind == llm.Start) == begun {
			t.Fatalf("%v where begun is %v", ev.Kind, begun)
		}
		begun = true
		switch ev.Kind {
		case llm.End:
			over = true
			if ev.Stop == "" {
				t.Fatal("an end without a reason")
			}
		case llm.ToolCall:
			if ev.Index > next || ev.Index == next && (ev.Call.ID == "" || ev.Call.Name == "" || ids[ev.Call.ID]) || ev.Index < next && ev.Call.ID != "" {
				t.Fatalf("call %d of %d: %+v", ev.Index, next, ev.Call)
			}
			if ev.Index == next {
				ids[ev.Call.ID] = true
				next++
			}
		default:
		}
	}
	if !over {
		t.Fatal("neither an end nor an error")
	}
}
