package responses

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

var updateDoor = flag.Bool("update-door", false, "write the frames of testdata/door anew")

// kept is a store of replies for one principal. It is as narrow as the interface.
type kept struct {
	replies []llm.Reply
	err     error
}

func (k *kept) Save(_ context.Context, r llm.Reply) error {
	if k.err == nil {
		k.replies = append(k.replies, r)
	}
	return k.err
}

func (k *kept) Reply(_ context.Context, id string) (llm.Reply, bool, error) {
	for _, r := range slices.Backward(k.replies) {
		if r.ID == id {
			return r, true, k.err
		}
	}
	return llm.Reply{}, false, k.err
}

func (k *kept) Chain(ctx context.Context, id string) ([]llm.Reply, bool, error) {
	var out []llm.Reply
	for id != "" {
		r, ok, err := k.Reply(ctx, id)
		if !ok || err != nil {
			return nil, false, err
		}
		out = append([]llm.Reply{r}, out...)
		id = r.Previous
	}
	return out, true, nil
}

func (k *kept) Item(_ context.Context, id string) ([]byte, bool, error) {
	for _, r := range k.replies {
		for _, list := range [][]byte{r.Input, r.Items} {
			for it := range jsonedit.Elements(list) {
				if got, _ := jsonedit.Unquote(jsonedit.Get(it, "id")); got == id {
					return it, true, k.err
				}
			}
		}
	}
	return nil, false, k.err
}

// testDoor is a Door whose ids are counted and whose clock stands still.
func testDoor() Door {
	n := 0
	return Door{
		id:  func() string { n++; return strconv.Itoa(n) },
		now: func() time.Time { return time.Unix(1700000000, 0) },
	}
}

func asked(tb testing.TB, body string) *llm.Request {
	tb.Helper()
	req, err := Door{}.ReadRequest(nil, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// script reads events that are written one to a line.
type script struct {
	tools []llm.Tool
	calls map[string]llm.Call
}

func (s *script) reply(tb testing.TB, lines string) iter.Seq2[llm.Event, error] {
	tb.Helper()
	s.calls = map[string]llm.Call{}
	return func(yield func(llm.Event, error) bool) {
		for line := range strings.Lines(lines) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			word, rest, _ := strings.Cut(line, " ")
			if word == "error" {
				kind, message, _ := strings.Cut(rest, " ")
				yield(llm.Event{}, map[string]error{
					"refused":  &fault.Error{Kind: fault.Refused, Status: 429, Code: "rate_limit_exceeded", Type: "rate_limit_error", Message: message},
					"upstream": &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: message},
					"tools":    fault.AfterTools(&fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: message}),
					"canceled": &fault.Error{Kind: fault.Canceled, Message: message},
				}[kind])
				return
			}
			ev, ok := s.event(tb, word, rest)
			if ok && !yield(ev, nil) {
				return
			}
		}
	}
}

func (s *script) event(tb testing.TB, word, rest string) (llm.Event, bool) {
	tb.Helper()
	text := rest
	if q, err := strconv.Unquote(rest); err == nil {
		text = q
	}
	f := strings.Fields(rest)
	last := func(n int) string {
		_, arg, _ := strings.Cut(rest, f[n-1]+" ")
		return arg
	}
	own := llm.Extra{Wire: Name}
	switch word {
	case "tool": // label server tool offered [ro]
		s.tools = append(s.tools, llm.Tool{Label: f[0], Server: f[1], Tool: f[2], Name: f[3], Description: "Does " + f[2], Schema: []byte("{\"type\":\n\"object\"}"), ReadOnly: len(f) > 4})
		return llm.Event{}, false
	case "tools":
		n := &llm.Notice{Tools: s.tools}
		if len(f) > 0 {
			n.Errors = []llm.ServerError{{Label: f[0], Server: f[1], Error: last(2)}}
		}
		return llm.Event{Kind: llm.Note, Note: n}, true
	case "start":
		return llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "up-1", Model: "gpt-x", Created: 1}}, true
	case "text":
		return llm.Event{Kind: llm.Text, Text: text}, true
	case "textx": // extra members, then the text
		own.Choice = []byte(f[0])
		t, _ := strconv.Unquote(last(1))
		return llm.Event{Kind: llm.Text, Text: t, Extra: own}, true
	case "think":
		return llm.Event{Kind: llm.Thinking, Text: text}, true
	case "thinkx":
		own.Choice = []byte(f[0])
		t, _ := strconv.Unquote(last(1))
		return llm.Event{Kind: llm.Thinking, Text: t, Extra: own}, true
	case "other":
		own.Choice = []byte(rest)
		return llm.Event{Kind: llm.Other, Extra: own}, true
	case "call", "ourcall", "custom": // index id name arguments
		i, _ := strconv.Atoi(f[0])
		c := llm.Call{ID: f[1], Name: f[2], Arguments: last(3)}
		if word == "custom" {
			c.Extra = []byte(customMark)
		}
		return llm.Event{Kind: llm.ToolCall, Index: i, Call: c, Ours: word == "ourcall"}, true
	case "args": // index arguments
		i, _ := strconv.Atoi(f[0])
		return llm.Event{Kind: llm.ToolCall, Index: i, Call: llm.Call{Arguments: last(1)}}, true
	case "started", "approved": // id offered arguments; approved: question id offered arguments
		n := &llm.Notice{}
		if word == "approved" {
			n.Asked, f = f[0], f[1:]
		}
		_, args, _ := strings.Cut(rest, f[1]+" ")
		n.Started = &llm.Call{ID: f[0], Name: f[1], Arguments: args}
		for _, t := range s.tools {
			if t.Name == f[1] {
				n.Label, n.Server, n.Tool = t.Label, t.Server, t.Tool
			}
		}
		s.calls[f[0]] = *n.Started
		return llm.Event{Kind: llm.Note, Note: n}, true
	case "result", "failed": // id text
		t, _ := strconv.Unquote(last(1))
		return llm.Event{Kind: llm.ToolResult, Result: &llm.Result{CallID: f[0], Name: s.calls[f[0]].Name, Text: t, IsError: word == "failed"}}, true
	case "asked": // question offered arguments
		p := &llm.Pending{ID: f[0], Call: llm.Call{ID: "call_a", Name: f[1], Arguments: last(2)}}
		for _, t := range s.tools {
			if t.Name == f[1] {
				p.Label, p.Server, p.Tool = t.Label, t.Server, t.Tool
			}
		}
		return llm.Event{Kind: llm.Asked, Pending: p}, true
	case "turn", "end": // stop input output
		kind := llm.TurnEnd
		if word == "end" {
			kind = llm.End
		}
		ev := llm.Event{Kind: kind, Stop: f[0]}
		if len(f) > 1 {
			in, _ := strconv.ParseInt(f[1], 10, 64)
			out, _ := strconv.ParseInt(f[2], 10, 64)
			ev.Usage = &llm.Usage{Known: true, Input: in, CacheRead: 1, Output: out, Reasoning: 2}
		}
		return ev, true
	}
	tb.Fatalf("the script says %q", word)
	return llm.Event{}, false
}

// TestWriteReply writes scripted replies, streamed and not, and compares every frame with the transcript. What is written also
// keeps the rules of Open Responses.
func TestWriteReply(t *testing.T) {
	files, err := filepath.Glob("testdata/door/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]string{}
			for _, f := range a.Files {
				in[f.Name] = string(f.Data)
			}
			plain := written(t, in, false)
			stream := written(t, in, true)
			golden(t, file, "stream", shorten(stream))
			golden(t, file, "plain", plain)
			if strings.HasPrefix(stream, "event:") {
				for _, why := range wiretest.OpenResponsesStream([]byte(stream)) {
					t.Error("stream: " + why)
				}
			}
			if _, last, ok := strings.Cut(stream, `"response":{"id":"resp_fl_1","object":"response","created_at":1700000000,"status":"completed"`); ok && !strings.Contains(plain, last[:strings.LastIndex(last, "}}\n\ndata: [DONE]")]) {
				t.Error("the stream ends with another response than the plain one")
			}
			if strings.HasPrefix(plain, `{"id"`) {
				for _, why := range wiretest.OpenResponsesBody([]byte(plain)) {
					t.Error("plain: " + why)
				}
			}
		})
	}
}

// written runs one transcript and returns the body, or the error and what was kept.
func written(t *testing.T, in map[string]string, streamed bool) string {
	t.Helper()
	d := testDoor()
	req := asked(t, strings.TrimSpace(in["request"]))
	req.Stream = streamed
	store := &kept{}
	req.Replies = store
	if strings.Contains(in["setup"], "broken store") {
		store.err = errors.New("disk full")
	}
	if strings.Contains(in["setup"], "hidden") {
		req.Show = llm.ShowHidden
	}
	decode := d.Decode
	if strings.Contains(in["setup"], "cross") {
		decode = d.DecodeAll
	}
	if err := decode(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	var s script
	err := d.WriteReply(w, req, s.reply(t, in["events"]))
	body := w.Body.String()
	if err != nil {
		if w.Body.Len() > 0 {
			t.Errorf("returned %v and wrote %s", err, body)
		}
		body = fmt.Sprintf("returned: %v\n", err)
	}
	if want := map[bool]string{true: "text/event-stream; charset=utf-8", false: "application/json"}[streamed]; err == nil && w.Header().Get("Content-Type") != want {
		t.Errorf("content type %q", w.Header().Get("Content-Type"))
	}
	return body
}

// shorten leaves out of a stream what each response object repeats of its request, where it is not the first.
func shorten(stream string) string {
	first := true
	var b strings.Builder
	for line := range strings.Lines(stream) {
		if i := strings.Index(line, `,"background":`); i > 0 && strings.HasPrefix(line, "data: ") {
			if !first {
				line = line[:i] + ",…}\n"
			}
			first = false
		}
		b.WriteString(line)
	}
	return b.String()
}

// golden compares got with a file of an archive, and writes it there with -update-door.
func golden(t *testing.T, archive, name, got string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	got = strings.TrimRight(got, "\n") + "\n"
	for i, f := range a.Files {
		if f.Name != name {
			continue
		}
		if !*updateDoor {
			if want := string(f.Data); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
			}
			return
		}
		a.Files[i].Data = []byte(got)
		got = ""
	}
	if !*updateDoor {
		t.Fatalf("the archive has no file %q; got\n%s", name, got)
	}
	if got != "" {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got)})
	}
	if err := os.WriteFile(archive, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDoor(t *testing.T) {
	wiretest.Door(t, Door{}, `{"model":"m","input":"hi"}`)
}

func TestRelayedStreamThatBreaks(t *testing.T) {
	req := asked(t, `{"model":"m","input":"hi","stream":true}`)
	req.Opaque = true
	w := httptest.NewRecorder()
	raw := []byte("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":41}\n\n")
	err := Door{}.WriteReply(w, req, func(yield func(llm.Event, error) bool) {
		head := &llm.Head{ContentType: "text/event-stream"}
		if yield(llm.Event{Kind: llm.Opaque, Raw: bytes.Clone(raw), Head: head}, nil) {
			yield(llm.Event{}, &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "gone"})
		}
	})
	want := string(raw) + "event: error\n" +
		`data: {"type":"error","sequence_number":42,"code":"upstream_error","message":"gone","param":null,"error":{"type":"server_error","code":"upstream_error","message":"gone","param":null}}` +
		"\n\ndata: [DONE]\n\n"
	if got := w.Body.String(); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}
