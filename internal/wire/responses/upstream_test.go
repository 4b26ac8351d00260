package responses

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
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

var updateReplies = flag.Bool("update-replies", false, "write the events of testdata/reply anew")

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

// transcripts are the files of testdata/reply, as samples of what providers send.
func transcripts(tb testing.TB) map[string]wiretest.Sample {
	tb.Helper()
	files, err := filepath.Glob("testdata/reply/*.txtar")
	if err != nil || len(files) == 0 {
		tb.Fatal("no transcripts", err)
	}
	out := map[string]wiretest.Sample{}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		s := wiretest.Sample{Name: filepath.Base(file), ContentType: "application/json"}
		for _, f := range a.Files {
			switch f.Name {
			case "reply":
				s.Body = f.Data
			case "reply crlf":
				s.Body = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
			}
		}
		if !bytes.ContainsAny(s.Body[:1], "{[<") {
			s.ContentType = "text/event-stream; charset=utf-8"
		}
		out[file] = s
	}
	return out
}

// told writes events as lines that a person can read.
func told(u *Upstream, contentType string, body io.Reader) string {
	var b strings.Builder
	for ev, err := range u.ReadReply(&llm.Request{}, contentType, body) {
		if err != nil {
			e := fault.From(err)
			kinds := map[fault.Kind]string{fault.Refused: "refused", fault.Upstream: "upstream"}
			fmt.Fprintf(&b, "error %s %d code=%q %s\n", kinds[e.Kind], e.HTTPStatus(), e.Code, e.Message)
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
				fmt.Fprintf(&b, " input=%d read=%d written=%d output=%d reasoning=%d", u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning)
			}
		default:
			b.WriteString(strings.ToLower(ev.Kind.String()))
		}
		for _, x := range []struct {
			name string
			raw  []byte
		}{{"choice", ev.Extra.Choice}, {"delta", ev.Extra.Delta}} {
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
	for file, s := range transcripts(t) {
		t.Run(s.Name, func(t *testing.T) {
			got := told(upstream(t, wire.Quirks{}), s.ContentType, bytes.NewReader(s.Body))
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for i, f := range a.Files {
				if f.Name != "events" {
					continue
				}
				want = string(f.Data)
				if *updateReplies {
					a.Files[i].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
			if got != want {
				t.Errorf("the events are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestUpstream runs what every wire promises.
func TestUpstream(t *testing.T) {
	var samples []wiretest.Sample
	for _, s := range transcripts(t) {
		samples = append(samples, s)
	}
	wiretest.Upstream(t, func() wire.Upstream { return upstream(t, wire.Quirks{}) }, samples)
}

const (
	created   = `event: response.created` + "\n" + `data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","created_at":1760000000,"status":"in_progress","model":"m","output":[]}}` + "\n\n"
	delta     = `event: response.output_text.delta` + "\n" + `data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"say \"response.completed\" and \"usage\": {}"}` + "\n\n"
	completed = `event: response.completed` + "\n" + `data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":4},"output_tokens":2}}}` + "\n\n"
	failed    = `event: response.failed` + "\n" + `data: {"type":"response.failed","sequence_number":9,"response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"it broke"}}}` + "\n\n"
)

// TestReadReplyPassesTheBodysError wants the error of the body as it is, unless the answer is complete.
func TestReadReplyPassesTheBodysError(t *testing.T) {
	slow := &fault.Error{Kind: fault.Timeout, Code: "upstream_timeout", Message: "too slow"}
	for _, opaque := range []bool{false, true} {
		for _, tt := range []struct {
			body string
			err  error
			want error
		}{
			{"", slow, slow},
			{created + delta, slow, slow},
			{created + delta, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
			{created + completed, io.ErrUnexpectedEOF, nil},
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

// TestReadError wants the provider's words, whatever the form.
func TestReadError(t *testing.T) {
	err := upstream(t, wire.Quirks{}).ReadError(400, []byte(`{"error":{"message":"No tool output found for function call call_1.","type":"invalid_request_error","param":"input","code":null}}`))
	e := fault.From(err)
	if e.Kind != fault.Refused || e.HTTPStatus() != 400 || e.Param != "input" || e.Type != "invalid_request_error" || !strings.Contains(e.Message, "call_1") {
		t.Errorf("%+v", e)
	}
}

// FuzzReadReply reads cut and shuffled streams: the events obey the grammar, and a relay changes nothing. What comes behind
// the mark of a stream's end is not waited for.
func FuzzReadReply(f *testing.F) {
	for _, s := range transcripts(f) {
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text"), uint64(0), uint64(0))
		f.Add(s.Body, strings.HasPrefix(s.ContentType, "text"), uint64(3), uint64(7))
	}
	f.Fuzz(func(t *testing.T, body []byte, stream bool, drop, swap uint64) {
		kind := "application/json"
		if stream {
			kind = "text/event-stream"
			body = shuffled(body, drop, swap)
		}
		wiretest.Grammar(t, upstream(t, wire.Quirks{}).ReadReply(&llm.Request{}, kind, bytes.NewReader(body)))
		var out []byte
		for ev, err := range upstream(t, wire.Quirks{}).ReadReply(&llm.Request{Opaque: true}, kind, wiretest.Pieces(body, 9, 1, nil)) {
			if err == nil && ev.Kind == llm.Opaque {
				out = append(out, ev.Raw...)
			}
		}
		if marked := bytes.HasSuffix(out, []byte("data: [DONE]\n\n")); len(out) < len(body) && !marked || !bytes.HasPrefix(body, out) {
			t.Fatalf("relayed %q as %q", body, out)
		}
	})
}

// shuffled leaves out the frames whose bit is set in drop, and exchanges those whose bit is set in swap with the next.
func shuffled(body []byte, drop, swap uint64) []byte {
	frames := bytes.SplitAfter(body, []byte("\n\n"))
	for i := range frames {
		if swap>>(i%64)&1 == 1 && i+1 < len(frames) {
			frames[i], frames[i+1] = frames[i+1], frames[i]
		}
	}
	var out [][]byte
	for i, frame := range frames {
		if drop>>(i%64)&1 == 0 {
			out = append(out, frame)
		}
	}
	return bytes.Join(out, nil)
}
