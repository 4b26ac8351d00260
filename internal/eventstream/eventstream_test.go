package eventstream_test

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fairlead/fairlead/internal/eventstream"
)

//go:embed testdata/vectors.txt
var vectors string

type vector struct {
	name  string
	good  bool
	bytes []byte
}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	var out []vector
	for line := range strings.Lines(vectors) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		b, err := hex.DecodeString(f[2])
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, vector{f[1], f[0] == "positive", b})
	}
	return out
}

const maxFrame = 1 << 20

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			f, err := eventstream.NewReader(bytes.NewReader(v.bytes), maxFrame).Next()
			if !v.good {
				if !errors.Is(err, eventstream.ErrCorrupt) {
					t.Errorf("read as %v, %v", f, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if again := eventstream.Append(nil, f.Headers, f.Payload); !bytes.Equal(again, v.bytes) {
				t.Errorf("written again as %x", again)
			}
		})
	}
}

// TestValues holds the frame of the suite that has all types of headers against what the suite says that it holds.
func TestValues(t *testing.T) {
	var f *eventstream.Frame
	for _, v := range readVectors(t) {
		if v.name == "all_headers" {
			f, _ = eventstream.NewReader(bytes.NewReader(v.bytes), maxFrame).Next()
		}
	}
	want := []struct {
		name  string
		kind  byte
		value string
	}{
		{"event-type", eventstream.Integer, "\x00\x00\xa0\x0c"},
		{"content-type", eventstream.String, "application/json"},
		{"bool false", eventstream.False, ""},
		{"bool true", eventstream.True, ""},
		{"byte", eventstream.Byte, "\xcf"},
		{"byte buf", eventstream.Bytes, "I'm a little teapot!"},
		{"timestamp", eventstream.Timestamp, "\x00\x00\x00\x00\x00\x84_\xed"},
		{"int16", eventstream.Short, "\x00*"},
		{"int64", eventstream.Long, "\x00\x00\x00\x00\x02\x87W\xb2"},
		{"uuid", eventstream.UUID, "\x01\x02\x03\x04\x05\x06\a\b\t\n\v\f\r\x0e\x0f\x10"},
	}
	if f == nil || len(f.Headers) != len(want) || string(f.Payload) != "{'foo':'bar'}" {
		t.Fatalf("read %+v", f)
	}
	for i, w := range want {
		if h := f.Headers[i]; string(h.Name) != w.name || h.Type != w.kind || string(h.Value) != w.value {
			t.Errorf("header %d is %q, type %d, value %q", i, h.Name, h.Type, h.Value)
		}
	}
	if got := f.Text("content-type"); string(got) != "application/json" {
		t.Errorf("content-type %q", got)
	}
	if got := f.Text("event-type"); got != nil {
		t.Errorf("a number is the text %q", got)
	}
}

func TestFramesInPieces(t *testing.T) {
	var stream []byte
	for _, text := range []string{"a", strings.Repeat("b", 9000), ""} {
		stream = eventstream.Append(stream, eventstream.Texts(":event-type", text[:min(1, len(text))]), []byte(text))
	}
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "bytes": iotest.OneByteReader(bytes.NewReader(stream)), "error with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := eventstream.NewReader(src, maxFrame)
		var got []string
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got = append(got, string(f.Text(":event-type"))+string(f.Payload))
		}
		if len(got) != 3 || got[0] != "aa" || len(got[1]) != 9001 || got[2] != "" {
			t.Errorf("%s: read %d frames, %.20q", name, len(got), got)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the end: %v", name, err)
		}
	}
}

func TestBroken(t *testing.T) {
	frame := eventstream.Append(nil, eventstream.Texts("n", "v"), []byte("payload"))
	head := func(total, headers uint32) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, total), headers)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	bare := func(headers string) []byte {
		b := append(head(uint32(16+len(headers)), uint32(len(headers))), headers...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	lost := errors.New("lost")
	for name, c := range map[string]struct {
		src  io.Reader
		want error
	}{
		"cut off in the prelude":       {bytes.NewReader(frame[:7]), io.ErrUnexpectedEOF},
		"cut off in the payload":       {bytes.NewReader(frame[:len(frame)-6]), io.ErrUnexpectedEOF},
		"larger than is taken":         {bytes.NewReader(head(maxFrame+1, 0)), eventstream.ErrTooLarge},
		"as large as can be said":      {bytes.NewReader(head(1<<32-1, 0)), eventstream.ErrTooLarge},
		"headers larger than may be":   {bytes.NewReader(head(maxFrame, 200<<10)), eventstream.ErrTooLarge},
		"shorter than a frame can be":  {bytes.NewReader(head(15, 0)), eventstream.ErrCorrupt},
		"headers longer than the rest": {bytes.NewReader(head(20, 5)), eventstream.ErrCorrupt},
		"a header without a name":      {bytes.NewReader(bare("\x00\x00")), eventstream.ErrCorrupt},
		"a header without a type":      {bytes.NewReader(bare("\x01a")), eventstream.ErrCorrupt},
		"a header of an unknown type":  {bytes.NewReader(bare("\x01a\x0a")), eventstream.ErrCorrupt},
		"a string without a length":    {bytes.NewReader(bare("\x01a\x07\x00")), eventstream.ErrCorrupt},
		"a string that is cut off":     {bytes.NewReader(bare("\x01a\x07\x00\x02b")), eventstream.ErrCorrupt},
		"a number that is cut off":     {bytes.NewReader(bare("\x01a\x05\x00\x02b")), eventstream.ErrCorrupt},
		"a connection that fails":      {io.MultiReader(bytes.NewReader(frame[:20]), iotest.ErrReader(lost)), lost},
		"a reader that gives nothing":  {nothing{}, io.ErrNoProgress},
	} {
		if _, err := eventstream.NewReader(c.src, maxFrame).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestReady(t *testing.T) {
	one := eventstream.Append(nil, nil, []byte("one"))
	r := eventstream.NewReader(io.MultiReader(bytes.NewReader(bytes.Join([][]byte{one, one, one[:14]}, nil)), bytes.NewReader(one[14:])), maxFrame)
	if r.Ready() {
		t.Error("ready before anything was read")
	}
	for i, want := range []bool{true, false, false} {
		if _, err := r.Next(); err != nil || r.Ready() != want {
			t.Errorf("after frame %d: ready %v, error %v", i+1, r.Ready(), err)
		}
	}
}

func TestAppendCutsOff(t *testing.T) {
	long := strings.Repeat("x", 70000)
	f, err := eventstream.NewReader(bytes.NewReader(eventstream.Append(nil, eventstream.Texts(long[:300], long), nil)), maxFrame).Next()
	if err != nil || len(f.Headers[0].Name) != 255 || len(f.Headers[0].Value) != 65535 {
		t.Errorf("%v, %v", len(f.Headers), err)
	}
}

func TestReaderAllocations(t *testing.T) {
	stream := bytes.Repeat(eventstream.Append(nil, eventstream.Texts(":event-type", "contentBlockDelta", ":message-type", "event"), []byte(`{"delta":{"text":"x"}}`)), 1000)
	r := eventstream.NewReader(bytes.NewReader(stream), maxFrame)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		if f, err := r.Next(); err != nil || string(f.Text(":event-type")) != "contentBlockDelta" {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a frame costs %v allocations", n)
	}
}

// FuzzReader wants the same of a stream whatever pieces it comes in, and what was read to be written as it was.
func FuzzReader(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.bytes)
	}
	f.Add(eventstream.Append(eventstream.Append(nil, eventstream.Texts("a", "b"), []byte("c")), nil, nil))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole := eventstream.NewReader(bytes.NewReader(stream), 4096)
		pieces := eventstream.NewReader(iotest.OneByteReader(bytes.NewReader(stream)), 4096)
		for at := 0; ; {
			f, err := whole.Next()
			p, other := pieces.Next()
			if (err == nil) != (other == nil) || err != nil && err.Error() != other.Error() {
				t.Fatalf("%v and %v", err, other)
			}
			if err != nil {
				return
			}
			again := eventstream.Append(nil, f.Headers, f.Payload)
			if !bytes.HasPrefix(stream[at:], again) || !bytes.Equal(again, eventstream.Append(nil, p.Headers, p.Payload)) {
				t.Fatalf("%x was read as %x", stream[at:], again)
			}
			at += len(again)
		}
	})
}
