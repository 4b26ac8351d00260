package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// events reads a whole stream and renders each event as name|id|data.
func events(r *Reader) ([]string, error) {
	var list []string
	for {
		e, err := r.Next()
		if err != nil {
			return list, err
		}
		list = append(list, e.Name+"|"+e.ID+"|"+string(e.Data))
	}
}

func TestReader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"plain", "data: a\n\ndata: b\n\n", []string{"||a", "||b"}},
		{"crlf", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"||a", "||b"}},
		{"cr", "data: a\r\rdata: b\r\r", []string{"||a", "||b"}},
		{"mixed ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\n", []string{"||a", "||b", "||c", "||d"}},
		{"byte order mark", "\uFEFFdata: a\n\n", []string{"||a"}},
		{"byte order mark later", "data: a\n\n\uFEFFdata: b\n\n", []string{"||a"}},
		{"one space only", "data:  a\ndata:b\n\n", []string{"|| a\nb"}},
		{"named", "event: x\ndata: a\n\ndata: b\n\n", []string{"x||a", "||b"}},
		{"name without data", "event: x\n\ndata: b\n\n", []string{"||b"}},
		{"comments", ": ping\n\n:\ndata: a\n: in between\ndata: b\n\n", []string{"||a\nb"}},
		{"id stays", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: x\x00y\ndata: d\n\n", []string{"|1|a", "|1|b", "||c", "||d"}},
		{"id without data", "id: 7\n\ndata: a\n\n", []string{"|7|a"}},
		{"empty data", "data\n\ndata:\n\ndata: \ndata\n\n", []string{"||", "||", "||\n"}},
		{"unknown fields", "foo: 1\ndata: a\nDATA: b\n data: c\n\n", []string{"||a"}},
		{"no last blank line", "data: a\n\ndata: b\n", []string{"||a", "||b"}},
		{"no last line end", "data: a\n\ndata: b", []string{"||a", "||b"}},
		{"ends in cr", "data: a\r", []string{"||a"}},
		{"colons", "data: {\"a\":1}\n\n", []string{`||{"a":1}`}},
		{"empty", "", nil},
		{"only blank lines", "\n\n\r\n\r\r\n", nil},
		{"only a comment", ": a", nil},
	} {
		for name, wrap := range wraps {
			got, err := events(NewReader(wrap(strings.NewReader(tt.in)), 100))
			if !errors.Is(err, io.EOF) || !slices.Equal(got, tt.want) {
				t.Errorf("%s, %s: %q, %v, want %q", tt.name, name, got, err, tt.want)
			}
		}
	}
}

var wraps = map[string]func(io.Reader) io.Reader{
	"whole":       func(r io.Reader) io.Reader { return r },
	"byte":        iotest.OneByteReader,
	"half":        iotest.HalfReader,
	"data+err":    iotest.DataErrReader,
	"byte+err":    func(r io.Reader) io.Reader { return iotest.DataErrReader(iotest.OneByteReader(r)) },
	"empty reads": func(r io.Reader) io.Reader { return &stutter{r: iotest.OneByteReader(r)} },
}

// stutter returns nothing on every other read.
type stutter struct {
	r   io.Reader
	odd bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.odd = !s.odd; s.odd {
		return 0, nil
	}
	return s.r.Read(p)
}

// steps is a source that yields one piece per read, and fails the test when it is read further than it may be.
type steps struct {
	t      *testing.T
	pieces []string
	may    int
}

func (s *steps) Read(p []byte) (int, error) {
	if s.may--; s.may < 0 {
		s.t.Fatal("read although an event was there")
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func TestReaderDoesNotWaitForMore(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", "data: a\n\ndata: b\n\n"} {
		r := NewReader(&steps{t, []string{in}, 1}, 100)
		for range strings.Count(in, "data") {
			if _, err := r.Next(); err != nil {
				t.Errorf("%q: %v", in, err)
			}
		}
	}
}

func TestReaderFailures(t *testing.T) {
	broken := errors.New("connection reset")
	r := NewReader(io.MultiReader(strings.NewReader("data: a\n\ndata: half"), iotest.ErrReader(broken)), 100)
	got, err := events(r)
	if !slices.Equal(got, []string{"||a"}) || !errors.Is(err, broken) {
		t.Errorf("broken stream: %q, %v", got, err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("after the failure: %v", err)
	}
	r = NewReader(strings.NewReader("data: a"), 100)
	events(r)
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestNoProgress(t *testing.T) {
	if _, err := NewReader(nothing{}, 100).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
	if _, err := NewSplitter(nothing{}, 100).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

// endless repeats its text for ever and counts what was read.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.text[(e.n+i)%len(e.text)]
	}
	e.n += len(p)
	return len(p), nil
}

func TestTooLarge(t *testing.T) {
	const limit = 64 << 10
	for _, text := range []string{"x", "data: x\n", "data: x\r", "data", "event: x\ndata: yyyyyyyy\n"} {
		src := &endless{text: text}
		r := NewReader(src, limit)
		if _, err := r.Next(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := r.Next(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%q again: %v", text, err)
		}
		if cap(r.in.buf) > 2*limit || cap(r.data) > 2*limit {
			t.Errorf("%q: holds %d and %d bytes", text, cap(r.in.buf), cap(r.data))
		}
		s := NewSplitter(&endless{text: text}, limit)
		if _, err := s.Next(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%q split: %v", text, err)
		}
		if cap(s.in.buf) > 2*limit {
			t.Errorf("%q split: holds %d bytes", text, cap(s.in.buf))
		}
	}
	// What fits exactly passes.
	fits := "data: " + strings.Repeat("x", 94)
	for name, wrap := range wraps {
		if got, err := events(NewReader(wrap(strings.NewReader(fits+"\r\n\r\n"+fits)), 100)); len(got) != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := events(NewReader(wrap(strings.NewReader(fits+"x\n\n")), 100)); len(got) != 0 || !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReaderLastIDAndRetry(t *testing.T) {
	r := NewReader(strings.NewReader("retry: 1500\nid: 1\ndata: a\n\nretry: x\nretry: 99999999999\nid: 2\n\n"), 100)
	if _, err := r.Next(); err != nil || r.LastID() != "1" || r.Retry() != 1500*time.Millisecond {
		t.Error(r.LastID(), r.Retry(), err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) || r.LastID() != "2" || r.Retry() != 1500*time.Millisecond {
		t.Error(r.LastID(), r.Retry(), err)
	}
}

const stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\n: ping\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"hello\"}}\n\n"

func TestReaderAllocations(t *testing.T) {
	r := NewReader(&endless{text: stream}, 1<<20)
	for range 100 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { r.Next() }); n > 0 {
		t.Errorf("%v allocations for an event", n)
	}
}

func BenchmarkReader(b *testing.B) {
	r := NewReader(&endless{text: stream}, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// pieces is a source that yields text in pieces whose sizes follow cuts, again and again.
type pieces struct {
	text []byte
	cuts []byte
	n    int
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	size := len(c.text)
	if len(c.cuts) > 0 {
		size = int(c.cuts[c.n%len(c.cuts)])%16 + 1
		c.n++
	}
	n := copy(p, c.text[:min(size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

// spec reads events from whole text in the plainest way.
func spec(text []byte) []string {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	var list, data []string
	name, id := "", ""
	lines := strings.Split(string(text), "\n")
	if lines[len(lines)-1] != "" {
		lines = append(lines, "")
	}
	for _, l := range append(lines, "") {
		field, value, _ := strings.Cut(l, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case l == "":
			if data != nil {
				list = append(list, fmt.Sprintf("%s|%s|%s", name, id, strings.Join(data, "\n")))
			}
			name, data = "", nil
		case field == "data":
			data = append(data, value)
		case field == "event":
			name = value
		case field == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return list
}

var seeds = []string{
	"", "data: a\n\n", "\uFEFFdata: a\r\n\r\ndata: b\r\rdata", stream, "id: 1\nevent: x\ndata:b\ndata: c\n\n: c\n\ndata: last", "\n\r\n\r", "data: a\r\n\r", "\xef\xbb", "\uFEFF\n\n",
	"retry: 5\n\n\ndata\n\n", "\uFEFFdata: \r\n\na\rdata: b\r\rdata",
}

func FuzzReader(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte{1, 5, 2})
	}
	f.Fuzz(func(t *testing.T, text, cuts []byte) {
		const limit = 4 << 10
		r := NewReader(&pieces{text: text, cuts: cuts}, limit)
		got, err := events(r)
		whole, errWhole := events(NewReader(bytes.NewReader(text), limit))
		if !errors.Is(err, errWhole) || !slices.Equal(got, whole) {
			t.Fatalf("in pieces %q, %v; at once %q, %v", got, err, whole, errWhole)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		if errors.Is(err, ErrTooLarge) && len(text) <= limit {
			t.Fatal("refused what fits")
		}
		if want := spec(text); errors.Is(err, io.EOF) && !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
		if cap(r.in.buf) > 2*limit || cap(r.data) > 2*limit {
			t.Fatalf("holds %d and %d bytes", cap(r.in.buf), cap(r.data))
		}
	})
}
