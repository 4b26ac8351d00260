package messages

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

var updateDoor = flag.Bool("update-door", false, "write what the door answers into testdata/door")

func TestDoor(t *testing.T) {
	wiretest.Door(t, Door{}, `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`)
}

// testDoor is a Door whose ids are known.
func testDoor() Door { return Door{newID: func() string { return "1" }} }

// taken reads a body that the door must take. header lines are "Name: value".
func taken(tb testing.TB, body, header string) *llm.Request {
	tb.Helper()
	h := http.Header{}
	for line := range strings.Lines(header) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	req, err := testDoor().ReadRequest(h, []byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// TestDoorReplies writes the events of each transcript as a stream and as one message, holds both to the rules of the wire, and
// compares them with what the transcript has.
func TestDoorReplies(t *testing.T) {
	files, err := filepath.Glob("testdata/door/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { replyTranscript(t, file) })
	}
}

func replyTranscript(t *testing.T, file string) {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, f := range a.Files {
		in[f.Name] = string(f.Data)
	}
	got := map[string]string{}
	for _, streamed := range []bool{true, false} {
		req := taken(t, in["request"], in["header"])
		req.Stream = streamed
		if strings.TrimSpace(in["show"]) == "hidden" {
			req.Show = llm.ShowHidden
		}
		if err := testDoor().Decode(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		w.Header().Set("X-Fairlead-Call-Id", "call-1")
		name := map[bool]string{true: "stream", false: "plain"}[streamed]
		if err := testDoor().WriteReply(w, req, script(t, in["events"])); err != nil {
			got[name] = "error " + err.Error() + "\n"
			if w.Body.Len() > 0 {
				t.Errorf("wrote %s before the error", w.Body)
			}
			continue
		}
		wiretest.Messages(t, w.Header().Get("Content-Type"), w.Body.Bytes())
		got[name] = strings.TrimSpace(w.Body.String()) + "\n"
	}
	if *updateDoor {
		a.Files = append(a.Files[:keepInputs(a.Files)], txtar.File{Name: "stream", Data: []byte(got["stream"])}, txtar.File{Name: "plain", Data: []byte(got["plain"])})
		if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range []string{"stream", "plain"} {
		if d := cmp.Diff(in[name], got[name]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// keepInputs is how many files of a transcript come before the answers.
func keepInputs(files []txtar.File) int {
	for i, f := range files {
		if f.Name == "stream" || f.Name == "plain" {
			return i
		}
	}
	return len(files)
}

// script yields the events that lines tell of, in words and quoted texts.
func script(tb testing.TB, lines string) iter.Seq2[llm.Event, error] {
	tb.Helper()
	return func(yield func(llm.Event, error) bool) {
		for line := range strings.Lines(lines) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			ev, err := scripted(tb, fieldsOf(tb, line))
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// fieldsOf splits a line into words, quoted texts, and JSON objects to the end of the line.
func fieldsOf(tb testing.TB, line string) []string {
	tb.Helper()
	var out []string
	for line != "" {
		switch line[0] {
		case '`':
			s, rest, _ := strings.Cut(line[1:], "`")
			out, line = append(out, s), rest
		case '"':
			q, err := strconv.QuotedPrefix(line)
			if err != nil {
				tb.Fatalf("%s: %v", line, err)
			}
			s, _ := strconv.Unquote(q)
			out, line = append(out, s), line[len(q):]
		default:
			word, rest, _ := strings.Cut(line, " ")
			out, line = append(out, word), rest
		}
		line = strings.TrimLeft(line, " ")
	}
	return out
}

func scripted(tb testing.TB, f []string) (llm.Event, error) {
	tb.Helper()
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	num := func(i int) int64 { n, _ := strconv.ParseInt(arg(i), 10, 64); return n }
	own := llm.Extra{Wire: Name, Choice: []byte(arg(1))}
	usage := &llm.Usage{Known: true, Input: num(2), Output: num(3)}
	if arg(4) != "" {
		usage.Raw = llm.Frame{Wire: Name, Bytes: []byte(arg(4))}
	}
	switch f[0] {
	case "start":
		return llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "x", Model: arg(1)}}, nil
	case "text":
		return llm.Event{Kind: llm.Text, Text: arg(1)}, nil
	case "think":
		return llm.Event{Kind: llm.Thinking, Text: arg(1)}, nil
	case "own-text":
		return llm.Event{Kind: llm.Text, Extra: own}, nil
	case "own-think":
		return llm.Event{Kind: llm.Thinking, Extra: own}, nil
	case "other":
		return llm.Event{Kind: llm.Other, Extra: own}, nil
	case "call", "ours": // index id name args
		return llm.Event{Kind: llm.ToolCall, Index: int(num(1)), Ours: f[0] == "ours", Call: llm.Call{ID: arg(2), Name: arg(3), Arguments: arg(4)}}, nil
	case "args":
		return llm.Event{Kind: llm.ToolCall, Index: int(num(1)), Call: llm.Call{Arguments: arg(2)}}, nil
	case "offer": // label/tool=name…
		n := &llm.Notice{}
		for _, t := range f[1:] {
			label, tool, _ := strings.Cut(t, "/")
			tool, name, _ := strings.Cut(tool, "=")
			n.Tools = append(n.Tools, llm.Tool{Name: name, Label: label, Tool: tool, Description: "does " + tool, Schema: []byte(`{"type": "object"}`)})
		}
		return llm.Event{Kind: llm.Note, Note: n}, nil
	case "down":
		return llm.Event{Kind: llm.Note, Note: &llm.Notice{Errors: []llm.ServerError{{Server: arg(1), Error: arg(2)}}}}, nil
	case "run": // id label tool name args
		return llm.Event{Kind: llm.Note, Note: &llm.Notice{Started: &llm.Call{ID: arg(1), Name: arg(4), Arguments: arg(5)}, Label: arg(2), Tool: arg(3)}}, nil
	case "result", "failed": // id text
		return llm.Event{Kind: llm.ToolResult, Result: &llm.Result{CallID: arg(1), Text: arg(2), IsError: f[0] == "failed"}}, nil
	case "turn":
		return llm.Event{Kind: llm.TurnEnd, Stop: arg(1), Usage: usage}, nil
	case "end":
		ev := llm.Event{Kind: llm.End, Stop: arg(1), Usage: usage}
		if arg(5) != "" {
			ev.Extra = llm.Extra{Wire: Name, Top: []byte(arg(5))}
		}
		return ev, nil
	case "error":
		return llm.Event{}, &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: arg(1)}
	}
	tb.Fatalf("no event is called %q", f[0])
	return llm.Event{}, errors.New("unreachable")
}

// TestDoorCutScripts ends each transcript's events after each of them: whatever was told before, the client gets an error or a
// reply that keeps the rules.
func TestDoorCutScripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/door/*.txtar")
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]string{}
		for _, f := range a.Files {
			in[f.Name] = string(f.Data)
		}
		lines := strings.SplitAfter(in["events"], "\n")
		for n := range lines {
			req := taken(t, in["request"], in["header"])
			req.Stream = true
			w := httptest.NewRecorder()
			err := testDoor().WriteReply(w, req, script(t, strings.Join(lines[:n], "")))
			if (err == nil) != (w.Body.Len() > 0) {
				t.Errorf("%s after %d events: error %v, wrote %q", file, n, err, w.Body)
			}
			if err == nil {
				wiretest.Messages(t, w.Header().Get("Content-Type"), w.Body.Bytes())
			}
		}
	}
}

func TestDoorOpaqueReplies(t *testing.T) {
	raw := []byte("event: message_start\ndata: {}\n\n")
	opaque := func(kind string, err error) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			if yield(llm.Event{Kind: llm.Opaque, Raw: raw, Head: &llm.Head{ContentType: kind}}, nil) && err != nil {
				yield(llm.Event{}, err)
			}
		}
	}
	w := httptest.NewRecorder()
	broke := &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "it broke"}
	if err := testDoor().WriteReply(w, &llm.Request{Opaque: true}, opaque("text/event-stream", broke)); err != nil {
		t.Fatal(err)
	}
	want := string(raw) + `event: error` + "\n" + `data: {"type":"error","error":{"type":"api_error","message":"it broke","code":"upstream_error"}}` + "\n\n"
	if d := cmp.Diff(want, w.Body.String()); d != "" {
		t.Error(d)
	}
	w = httptest.NewRecorder()
	if err := testDoor().WriteReply(w, &llm.Request{Opaque: true}, opaque("application/json", broke)); !errors.Is(err, broke) || w.Body.Len() > 0 {
		t.Errorf("a plain reply that breaks looks complete: %v, %q", err, w.Body)
	}
	w = httptest.NewRecorder()
	if err := testDoor().WriteReply(w, &llm.Request{Opaque: true}, opaque("application/json", nil)); err != nil || !bytes.Equal(w.Body.Bytes(), raw) {
		t.Errorf("%v, %q", err, w.Body)
	}
}

func TestDoorErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		want   string
	}{
		{fault.Invalidf("n", "no"), 400, `{"type":"invalid_request_error","message":"no","param":"n","code":"invalid_value"}`},
		{&fault.Error{Kind: fault.Unauthenticated, Code: "invalid_api_key", Message: "no"}, 401, `{"type":"authentication_error","message":"no","code":"invalid_api_key"}`},
		{&fault.Error{Kind: fault.Forbidden, Message: "no"}, 403, `{"type":"permission_error","message":"no"}`},
		{&fault.Error{Kind: fault.NotFound, Message: "no"}, 404, `{"type":"not_found_error","message":"no"}`},
		{&fault.Error{Kind: fault.TooLarge, Message: "no"}, 413, `{"type":"request_too_large","message":"no"}`},
		{&fault.Error{Kind: fault.Dependency, Message: "no"}, 424, `{"type":"api_error","message":"no"}`},
		{&fault.Error{Kind: fault.Refused, Status: 429, Message: "no"}, 429, `{"type":"rate_limit_error","message":"no"}`},
		{&fault.Error{Kind: fault.Refused, Status: 402, Message: "no"}, 402, `{"type":"billing_error","message":"no"}`},
		{&fault.Error{Kind: fault.Refused, Status: 529, Message: "no"}, 529, `{"type":"overloaded_error","message":"no"}`},
		{&fault.Error{Kind: fault.Refused, Status: 400, Type: "overloaded_error", Message: "no"}, 400, `{"type":"overloaded_error","message":"no"}`},
		{&fault.Error{Kind: fault.Refused, Status: 400, Type: "server_error", Message: "no"}, 400, `{"type":"invalid_request_error","message":"no"}`},
		{&fault.Error{Kind: fault.Timeout, Message: "no"}, 504, `{"type":"timeout_error","message":"no"}`},
		{&fault.Error{Kind: fault.Upstream, Message: "no"}, 502, `{"type":"api_error","message":"no"}`},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("X-Fairlead-Call-Id", "call-1")
		testDoor().WriteError(w, tt.err)
		want := fmt.Sprintf(`{"type":"error","error":%s,"request_id":"call-1"}`+"\n", tt.want)
		if w.Code != tt.status || w.Body.String() != want {
			t.Errorf("%v: %d %s, want %d %s", tt.err, w.Code, w.Body, tt.status, want)
		}
	}
}
