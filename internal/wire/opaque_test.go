package wire_test

import (
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// opaqueReply yields pieces of a reply of this type, and then err, or an end.
func opaqueReply(contentType string, err error, pieces ...string) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for _, p := range pieces {
			if !yield(llm.Event{Kind: llm.Opaque, Raw: []byte(p), Head: &llm.Head{ContentType: contentType}}, nil) {
				return
			}
		}
		if err != nil {
			yield(llm.Event{}, err)
			return
		}
		yield(llm.Event{Kind: llm.End}, nil)
	}
}

func TestWriteOpaque(t *testing.T) {
	broken := &fault.Error{Kind: fault.Upstream, Message: "it broke off"}
	tell := func(*fault.Error) []byte { return []byte("data: broken\n\n") }
	half := strings.Repeat("x", 48<<10)
	for _, c := range []struct {
		name, contentType string
		err               error
		pieces            []string
		body, length      string
		returned, cut     bool
	}{
		{name: "plain", contentType: "application/json", pieces: []string{`{"a":`, `1}`}, body: `{"a":1}`},
		{name: "plain that breaks off", contentType: "application/json", err: broken, pieces: []string{`{"a":`}, returned: true},
		{name: "longer than net/http looks", contentType: "application/json", pieces: []string{half}, body: half, length: strconv.Itoa(len(half))},
		{name: "longer than is held", contentType: "application/json", pieces: []string{half, half}, body: half + half},
		{name: "longer than is held, breaks off", contentType: "application/json", err: broken, pieces: []string{half, half}, body: half + half, cut: true},
		{name: "stream", contentType: "text/event-stream", pieces: []string{"data: a\n\n"}, body: "data: a\n\n"},
		{name: "stream that breaks off", contentType: "text/event-stream", err: broken, pieces: []string{"data: a\n\n"}, body: "data: a\n\ndata: broken\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			defer func() {
				if p := recover(); (p == http.ErrAbortHandler) != c.cut { //nolint:errorlint // as net/http compares it
					t.Errorf("panic %v", p)
				}
				if got := w.Body.String(); got != c.body || w.Header().Get("Content-Length") != c.length {
					t.Errorf("%d bytes, content-length %q; want %d bytes and %q", len(got), w.Header().Get("Content-Length"), len(c.body), c.length)
				}
			}()
			if err := wire.WriteOpaque(w, opaqueReply(c.contentType, c.err, c.pieces...), tell); errors.Is(err, broken) != c.returned {
				t.Errorf("returned %v", err)
			}
		})
	}
}

// TestWriteOpaqueTellsTheHeadLast: what is put into the head until a plain reply ends reaches the client.
func TestWriteOpaqueTellsTheHeadLast(t *testing.T) {
	w := httptest.NewRecorder()
	reply := opaqueReply("application/json", nil, `{}`)
	err := wire.WriteOpaque(w, func(yield func(llm.Event, error) bool) {
		for ev, err := range reply {
			if ev.Kind == llm.End {
				w.Header().Set("X-Cost", "1")
			}
			if !yield(ev, err) {
				return
			}
		}
	}, nil)
	if err != nil || w.Result().Header.Get("X-Cost") != "1" {
		t.Errorf("%v, head %v", err, w.Result().Header)
	}
}
