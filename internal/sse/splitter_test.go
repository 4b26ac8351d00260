package sse

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func frames(s *Splitter) (list []string, err error) {
	for {
		f, err := s.Next()
		if err != nil {
			return list, err
		}
		list = append(list, string(f))
	}
}

func TestSplitter(t *testing.T) {
	for _, want := range [][]string{
		nil,
		{"data: a\n\n", "event: x\ndata: b\ndata: c\n\n"},
		{"data: a\r\n\r\n", ": ping\r\n\r\n", "data: b\r\n\r\n"},
		{"data: a\n\n", "data: unfinished"},
		{"data: a\n\n", "data: unfinished\n"},
		{"\uFEFFdata: a\n\n", "data: b\n\n"},
		{"\uFEFF\n", "data: b\n\n"},
		{"\n", "\n", "data: a\n\n", "\n"},
		{"data: a\n\r\n", "data: a\r\n\n", "x\n\n"},
		{"data: a\r\n\r\n", "d\r"},
	} {
		for name, wrap := range wraps {
			got, err := frames(NewSplitter(wrap(strings.NewReader(strings.Join(want, ""))), 100))
			if !errors.Is(err, io.EOF) || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
		}
	}
	// Lone \r ends lines, too; whether a \n that comes later still belongs to the frame is open.
	got, _ := frames(NewSplitter(strings.NewReader("data: a\r\rdata: b\r\r"), 100))
	if want := []string{"data: a\r\r", "data: b\r\r"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSplitterDoesNotWaitForMore(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", "data: a\n\ndata: b\n\ndata: c\n\nda"} {
		s := NewSplitter(&steps{t, []string{in}, 1}, 100)
		if s.Ready() {
			t.Error("ready before anything was read")
		}
		for i := range strings.Count(in, "data") {
			if f, err := s.Next(); err != nil || !strings.HasPrefix(string(f), "data: ") {
				t.Errorf("%q: %q, %v", in, f, err)
			}
			if more := strings.Count(in, "data") > i+1; s.Ready() != more {
				t.Errorf("%q: Ready is %v", in, !more)
			}
		}
	}
}

func TestSplitterBrokenStream(t *testing.T) {
	broken := errors.New("connection reset")
	s := NewSplitter(io.MultiReader(strings.NewReader("data: a\n\ndata: half"), iotest.ErrReader(broken)), 100)
	got, err := frames(s)
	if !slices.Equal(got, []string{"data: a\n\n"}) || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestData(t *testing.T) {
	for frame, want := range map[string]string{
		"data: a\n\n": "a", "data:a\r\n\r\n": "a", "event: x\ndata: a\nid: 1\n\n": "a", "data: a\ndata: b\r\ndata:\n\n": "a\nb\n", "data: a": "a", "\uFEFFdata: a\n\n": "a", "\ndata: a\n\n": "a",
		": c\ndata:  a\n\n": " a",
	} {
		if got := Data([]byte(frame)); string(got) != want {
			t.Errorf("Data(%q) = %q, want %q", frame, got, want)
		}
	}
	for _, frame := range []string{"", "\n", ": ping\n\n", "event: x\n\n", "database: 1\n\n", "dat\n\n"} {
		if got := Data([]byte(frame)); got != nil {
			t.Errorf("Data(%q) = %q", frame, got)
		}
	}
	for _, frame := range []string{"data\n\n", "data:\n\n", "data: \n\n", "data: "} {
		if got := Data([]byte(frame)); got == nil || len(got) != 0 {
			t.Errorf("Data(%q) = %#v", frame, got)
		}
	}
	frame := []byte("data: a\ndata: b\n\n")
	Data(frame)
	if string(frame) != "data: a\ndata: b\n\n" {
		t.Errorf("Data changed the frame to %q", frame)
	}
}

func TestSplitterAllocations(t *testing.T) {
	s := NewSplitter(&endless{text: stream}, 1<<20)
	do := func() {
		f, err := s.Next()
		if err != nil || len(f) > 6+len(stream) {
			t.Error(err)
		}
		Data(f)
	}
	for range 100 {
		do()
	}
	if n := testing.AllocsPerRun(1000, do); n > 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

func BenchmarkSplitter(b *testing.B) {
	s := NewSplitter(&endless{text: stream}, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := s.Next()
		if err != nil {
			b.Fatal(err)
		}
		Data(f)
	}
}

func FuzzSplitter(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte{1, 5, 2})
	}
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		const limit = 4 << 10
		s := NewSplitter(&pieces{text: text, cuts: cuts}, limit)
		list, err := frames(s)
		joined := strings.Join(list, "")
		switch {
		case errors.Is(err, io.EOF) && joined != string(text):
			t.Fatalf("frames %q", list)
		case errors.Is(err, ErrTooLarge) && (len(text) <= limit || !strings.HasPrefix(string(text), joined)):
			t.Fatalf("refused, after %q", list)
		case !errors.Is(err, io.EOF) && !errors.Is(err, ErrTooLarge):
			t.Fatal(err)
		case !errors.Is(err, io.EOF):
			return
		case bytes.LastIndex(text, []byte("\uFEFF")) > 0:
			return // Data cannot know which frame was the first
		}
		// Each frame is one event at most, and they are the events that a Reader sees.
		var got, want []string
		for _, f := range list {
			if d := Data([]byte(f)); d != nil {
				got = append(got, string(d))
			}
		}
		r := NewReader(bytes.NewReader(text), 2*limit)
		for {
			e, err := r.Next()
			if err != nil {
				break
			}
			want = append(want, string(e.Data))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("frames hold %q, the stream %q", got, want)
		}
	})
}
