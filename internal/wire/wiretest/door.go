package wiretest

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Door checks the promises of wire.Door. good is a body that it takes and that does not ask for a stream.
func Door(t *testing.T, d wire.Door, good string) {
	t.Helper()
	if d.Name() == "" || len(d.Routes()) == 0 {
		t.Errorf("name %q, routes %v", d.Name(), d.Routes())
	}
	t.Run("bad bodies", func(t *testing.T) {
		for _, body := range []string{"", "{", "[]", "null", `"x"`, good + "x", "\xef\xbb\xbf" + good, `{"model":1}`} {
			_, err := d.ReadRequest(http.Header{}, []byte(body))
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Code == "" || e.Message == "" {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
	t.Run("good body", func(t *testing.T) {
		req, err := d.ReadRequest(http.Header{}, []byte(good))
		if err != nil {
			t.Fatal(err)
		}
		if req.Raw.Wire != d.Name() || string(req.Raw.Bytes) != good || req.Model == "" {
			t.Errorf("request %+v", req)
		}
		if err := d.Decode(t.Context(), req); err != nil {
			t.Error(err)
		}
	})
	t.Run("errors", func(t *testing.T) { doorErrors(t, d) })
	t.Run("replies", func(t *testing.T) { doorReplies(t, d, good) })
}

func doorErrors(t *testing.T, d wire.Door) {
	t.Helper()
	for _, tt := range []struct {
		err    error
		status int
		retry  string
	}{
		{fault.Invalidf("n", "n is wrong"), 400, ""},
		{&fault.Error{Kind: fault.Refused, Status: 429, Message: "slow down", RetryAfter: "3"}, 429, ""},
		{fault.AfterTools(&fault.Error{Kind: fault.Refused, Status: 429, Message: "slow down"}), 424, "false"},
		{errors.New("dial tcp 10.0.0.7: secret"), 500, ""},
	} {
		w := httptest.NewRecorder()
		d.WriteError(w, tt.err)
		if w.Code != tt.status || w.Header().Get("X-Should-Retry") != tt.retry || !jsontext.Value(w.Body.Bytes()).IsValid() {
			t.Errorf("%v: status %d, headers %v, body %s", tt.err, w.Code, w.Header(), w.Body)
		}
		if tt.status == 500 && strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("shows the cause: %s", w.Body)
		}
	}
}

// doorReplies wants an error that comes first returned with nothing written, and a plain reply as one JSON document.
func doorReplies(t *testing.T, d wire.Door, good string) {
	t.Helper()
	read := func() *llm.Request {
		req, err := d.ReadRequest(http.Header{}, []byte(good))
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	cause := &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "no"}
	w := httptest.NewRecorder()
	if err := d.WriteReply(w, read(), events(cause)); !errors.Is(err, cause) || w.Body.Len() > 0 {
		t.Errorf("an error that came first: returned %v, wrote %q", err, w.Body)
	}
	w = httptest.NewRecorder()
	if err := d.WriteReply(w, read(), events(nil)); err == nil || w.Body.Len() > 0 {
		t.Errorf("a reply without a word: returned %v, wrote %q", err, w.Body)
	}
	w = httptest.NewRecorder()
	err := d.WriteReply(w, read(), events(nil,
		llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "id", Model: "m", Created: 1}},
		llm.Event{Kind: llm.Thinking, Text: "hm"},
		llm.Event{Kind: llm.Text, Text: "a \"b\"\n\x00"},
		llm.Event{Kind: llm.ToolCall, Call: llm.Call{ID: "call_1", Name: "f", Arguments: `{"a":`}},
		llm.Event{Kind: llm.ToolCall, Call: llm.Call{Arguments: `1}`}},
		llm.Event{Kind: llm.End, Stop: llm.StopTools, Usage: &llm.Usage{Known: true, Input: 1, Output: 2}}))
	if err != nil || w.Code != 200 || !jsontext.Value(w.Body.Bytes()).IsValid() {
		t.Errorf("a plain reply: error %v, status %d, body %s", err, w.Code, w.Body)
	}
}

func events(err error, list ...llm.Event) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, ev := range list {
			if !yield(ev, nil) {
				return
			}
		}
		if err != nil {
			yield(llm.Event{}, err)
		}
	}
}
