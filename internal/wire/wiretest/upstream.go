package wiretest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Sample is a reply of status 200 as a provider sends it.
type Sample struct {
	Name        string
	ContentType string
	Body        []byte
}

// Upstream checks the promises of wire.Upstream. fresh returns a codec that makes up the same ids each time.
func Upstream(t *testing.T, fresh func() wire.Upstream, samples []Sample) {
	t.Helper()
	for _, s := range samples {
		t.Run(s.Name, func(t *testing.T) {
			anyPieces(t, fresh, s)
			breaksOff(t, fresh, s)
			brokenBody(t, fresh, s)
			relays(t, fresh, s)
		})
	}
	t.Run("requests", func(t *testing.T) { requests(t, fresh()) })
	t.Run("errors", func(t *testing.T) { refusals(t, fresh()) })
}

// anyPieces wants the same events wherever the bytes are cut.
func anyPieces(t *testing.T, fresh func() wire.Upstream, s Sample) {
	t.Helper()
	want := Grammar(t, fresh().ReadReply(&llm.Request{}, s.ContentType, bytes.NewReader(s.Body)))
	for seed := range uint64(20) {
		got := Grammar(t, fresh().ReadReply(&llm.Request{}, s.ContentType, Pieces(s.Body, 1+int(seed*seed), seed, nil)))
		if !slices.Equal(got, want) {
			t.Fatalf("cut in other places the events are\n%s\ninstead of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// breaksOff stops listening after each event. A codec that yields on makes the range panic.
func breaksOff(t *testing.T, fresh func() wire.Upstream, s Sample) {
	t.Helper()
	for _, opaque := range []bool{false, true} {
		for stop := range 20 {
			seen := 0
			for _, err := range fresh().ReadReply(&llm.Request{Opaque: opaque}, s.ContentType, Pieces(s.Body, 64, 1, nil)) {
				if seen++; seen > stop || err != nil {
					break
				}
			}
		}
	}
}

// brokenBody cuts the reply off: its error comes through, unless the answer was complete.
func brokenBody(t *testing.T, fresh func() wire.Upstream, s Sample) {
	t.Helper()
	for _, opaque := range []bool{false, true} {
		var last error
		begun := false
		for ev, err := range fresh().ReadReply(&llm.Request{Opaque: opaque}, s.ContentType, Pieces(s.Body[:min(len(s.Body), 20)], 7, 1, errBody)) {
			last, begun = err, begun || err == nil && ev.Kind == llm.End
		}
		if _, told := errors.AsType[*fault.Error](last); begun || !told && !errors.Is(last, errBody) {
			t.Fatalf("opaque %v: a body that broke off after a few bytes ends in %v", opaque, last)
		}
	}
}

// relays wants an opaque reply byte for byte.
func relays(t *testing.T, fresh func() wire.Upstream, s Sample) {
	t.Helper()
	var got []byte
	for ev, err := range fresh().ReadReply(&llm.Request{Opaque: true}, s.ContentType, Pieces(s.Body, 50, 3, nil)) {
		if err == nil {
			got = append(got, ev.Raw...)
		}
	}
	if !bytes.Equal(got, s.Body) {
		t.Fatalf("relayed\n%s\nas\n%s", s.Body, got)
	}
	Grammar(t, fresh().ReadReply(&llm.Request{Opaque: true}, s.ContentType, bytes.NewReader(s.Body)))
}

// requests wants a request made in process to become one JSON document behind what dst holds.
func requests(t *testing.T, u wire.Upstream) {
	t.Helper()
	req := &llm.Request{
		Model:      "m",
		Messages:   []llm.Message{{Role: llm.System, Text: "be \"brief\""}, {Role: llm.User, Text: "hi\n\x00\xff"}},
		AddedTools: []llm.Tool{{Name: "f", Description: "does", Schema: []byte(`{"type":"object"}`)}},
		AddedMessages: []llm.Message{
			{Role: llm.Assistant, Calls: []llm.Call{{ID: "call_1", Name: "f", Arguments: `{"a":`}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_1", Name: "f", Text: "done"}},
		},
	}
	out, err := u.AppendRequest([]byte("dst"), req)
	if err != nil {
		t.Fatal(err)
	}
	body, ok := bytes.CutPrefix(out, []byte("dst"))
	if !ok || !jsontext.Value(body).IsValid() {
		t.Fatalf("not one JSON document behind dst: %q", out)
	}
	again, err := u.AppendRequest(nil, req)
	if err != nil || !bytes.Equal(again, body) {
		t.Fatalf("the same request yields other bytes: %s", again)
	}
	if u.Name() == "" || !strings.HasPrefix(u.Path(), "/") {
		t.Errorf("name %q, path %q", u.Name(), u.Path())
	}
}

// refusals wants every reply of another status as a fault of kind Refused with a text, and no page of a proxy in it.
func refusals(t *testing.T, u wire.Upstream) {
	t.Helper()
	for _, body := range []string{"", "{}", "null", "[]", `{"error":null}`, `{"error":[[[[[[[]]]]]]]}`, "<html>10.0.0.7</html>", "\xff", `{"error":{"message":"a\u0000b"}}`} {
		err := u.ReadError(503, []byte(body))
		e, ok := errors.AsType[*fault.Error](err)
		switch {
		case !ok || e.Kind != fault.Refused || e.HTTPStatus() != 503 || e.Message == "":
			t.Errorf("%q: %+v", body, err)
		case strings.ContainsAny(e.Message, "\x00\n\r") || strings.Contains(e.Message, "10.0.0.7"):
			t.Errorf("%q: message %q", body, e.Message)
		}
	}
}
