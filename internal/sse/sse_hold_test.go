package sse_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/sse"
)

// flushes counts the flushes of a recorder.
type flushes struct {
	*httptest.ResponseRecorder
	n int
}

func (f *flushes) Flush() { f.n++ }

func TestHeldEventsGoWithTheNext(t *testing.T) {
	f := &flushes{ResponseRecorder: httptest.NewRecorder()}
	w := sse.NewWriter(f)
	for _, step := range []struct {
		do   func() error
		want int
	}{
		{func() error { return w.Hold([]byte("a")) }, 0},
		{func() error { return w.Hold([]byte("b")) }, 0},
		{func() error { return w.Data([]byte("c")) }, 1},
		{w.Flush, 1},
		{func() error { return w.Hold([]byte("d")) }, 1},
		{w.Flush, 2},
	} {
		if err := step.do(); err != nil || f.n != step.want {
			t.Fatalf("%d flushes and %v, want %d", f.n, err, step.want)
		}
	}
	if got := f.Body.String(); got != "data: a\n\ndata: b\n\ndata: c\n\ndata: d\n\n" {
		t.Errorf("wrote %q", got)
	}
}

func TestReady(t *testing.T) {
	for _, tt := range []struct {
		rest string
		want bool
	}{
		{"data: b\n\n", true},
		{"data: b\r\n\r\n", true},
		{"event: x\ndata: b\n\n", true},
		{"", false},
		{"data: b\n", false},
		{": wait\n\n", false},
		{"\n", false},
		{"id: 1\n\n", false},
	} {
		r := sse.NewReader(strings.NewReader("data: a\n\n"+tt.rest), 1000)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if got := r.Ready(); got != tt.want {
			t.Errorf("before %q: ready %v", tt.rest, got)
		}
	}
}
