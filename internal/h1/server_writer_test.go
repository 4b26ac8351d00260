package h1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// deeds is what a handler does, as a fuzz target says it, and what of it must reach the client.
type deeds struct {
	script []byte
	total  int // what Write is given all in all

	status  int
	header  http.Header // as it was when the reply began
	length  int         // as it was said then; -1: it was not
	body    []byte      // what Write has taken
	aborted bool
	refused error // what Write has not taken, without a reason that the handler gave
}

var (
	someStatuses = [...]int{200, 204, 304, 404, 500, 599, 103, 100, 205, 999, 99, 0}
	someFields   = [...][2]string{
		{"X-A", "b"},
		{"X-A", ""},
		{"X-A", " \tpadded "},
		{"X-A", "b\r\nEvil: c"},
		{"X-A", "b\nEvil: c"},
		{"X-A", "\x00\x7f\xff"},
		{"X\r\nEvil", "b"},
		{"X A", "b"},
		{"", "b"},
		{"Evil:", "c"},
		{"Transfer-Encoding", "chunked"},
		{"transfer-encoding", "chunked"},
		{"Transfer-Encoding", "gzip"},
		{"Content-Length", "x"},
		{"Content-Length", "-1"},
		{"content-length", "3"},
		{"Connection", "close"},
		{"connection", "close"},
		{"Connection", "keep-alive"},
		{"Content-Type", "text/event-stream"},
		{"content-type", "a/b"},
		{"Date", "never"},
		{"Content-Encoding", "br"},
		{"Trailer", "X-T"},
		{"Trailer:X-T", "t"},
		{"X-Large", strings.Repeat("l", 5000)},
		{"X-Page", strings.Repeat("p", readSize-200)},
	}
)

// newDeeds reads a script: pairs of what is done, and with what.
func newDeeds(script []byte) *deeds {
	d := &deeds{script: script[:min(len(script)&^1, 60)], length: -1}
	for i := 0; i < len(d.script); i += 2 {
		if d.script[i]%8 == 0 {
			d.total += writeOf(d.script[i+1])
		}
	}
	return d
}

// writeOf is how many bytes a Write is given: from none to 20000.
func writeOf(arg byte) int { return int(arg) * int(arg) * 20000 / (255 * 255) }

// do is the handler.
func (d *deeds) do(w http.ResponseWriter, _ *http.Request) {
	for i := 0; i < len(d.script); i += 2 {
		switch arg := d.script[i+1]; d.script[i] % 8 {
		case 0:
			d.write(w, writeOf(arg))
		case 1:
			if status := someStatuses[int(arg)%len(someStatuses)]; status >= 200 {
				d.begin(w, status)
			}
			w.WriteHeader(max(100, someStatuses[int(arg)%len(someStatuses)]))
		case 2, 3:
			f := someFields[int(arg)%len(someFields)]
			w.Header()[f[0]] = append(w.Header()[f[0]], f[1])
		case 4, 5:
			d.begin(w, 200)
			_ = http.NewResponseController(w).Flush() // there is no error: the client takes everything
		case 6:
			n := d.total
			if arg%4 == 0 {
				n = max(0, n+int(int8(arg)))
			}
			w.Header()["Content-Length"] = []string{fmt.Sprint(n)}
		case 7:
			if arg%8 == 0 {
				d.aborted = true
				panic(http.ErrAbortHandler)
			}
		}
	}
	d.begin(w, 200)
}

func (d *deeds) write(w http.ResponseWriter, n int) {
	d.begin(w, 200)
	p := bytes.Repeat([]byte{byte('a' + len(d.body)%26)}, n)
	if n, err := w.Write(p); err == nil {
		d.body = append(d.body, p...)
	} else if n != 0 || hasBody(d.status) && d.length < 0 {
		d.refused = err
	}
	clear(p) // what was written is not kept
}

// begin notes the reply's status and header, unless it has begun.
func (d *deeds) begin(w http.ResponseWriter, status int) {
	if d.status != 0 {
		return
	}
	d.status, d.header = status, w.Header().Clone()
	if vs := d.header["Content-Length"]; len(vs) == 1 {
		if n, err := contentLength(vs); err == nil {
			d.length = int(n)
		}
	}
}

// FuzzAnswer holds what a handler does against what net/http's client reads: it is the same, or the break shows, and the reply
// to the next request is whole.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"", "\x00\x10", "\x00\xff\x00\xff", "\x00\x10\x04\x00\x00\x20\x05\x00\x05\x00", "\x01\x01\x00\x05", "\x01\x02", "\x04\x00\x00\x00\x00\x50", "\x00\x00\x04\x04\x00\xff",
		"\x06\x01\x00\x20\x00\x80", "\x06\x04\x00\x20", "\x06\xfc\x00\x20", "\x06\xfc\x00\x20\x04\x00", "\x00\x70\x00\x70\x00\x70\x00\x70", "\x07\x00", "\x00\x20\x04\x00\x07\x00",
	} {
		for how := range byte(16) {
			f.Add([]byte(s), how)
		}
	}
	for i := range someFields {
		f.Add([]byte{2, byte(i), 0, 20}, byte(0))
		f.Add([]byte{2, byte(i), 4, 0, 0, 20, 0, 120}, byte(2))
	}
	f.Fuzz(func(t *testing.T, script []byte, how byte) {
		first := "GET"
		if how&1 != 0 {
			first = "HEAD"
		}
		raw := first + " / HTTP/1.1\r\nHost: h\r\n"
		if how&2 != 0 {
			raw = first + " / HTTP/1.0\r\n"
		}
		if how&4 != 0 {
			raw += "Connection: keep-alive\r\n"
		}
		if how&8 != 0 {
			raw += "Content-Length: 3\r\n\r\nabc"
		} else {
			raw += "\r\n"
		}
		d := newDeeds(script)
		told := play(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				d.do(w, r)
			} else {
				_, _ = io.WriteString(w, "next")
			}
		}, strings.NewReader(raw+"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"))
		b := bufio.NewReader(bytes.NewReader(told))
		if d.check(t, b, first) {
			resp, err := http.ReadResponse(b, nil)
			if err != nil {
				t.Fatalf("the next reply: %v in %q", err, told)
			}
			if body, err := io.ReadAll(resp.Body); string(body) != "next" || err != nil {
				t.Errorf("the next reply: %q, %v", body, err)
			}
		}
		if rest, _ := io.ReadAll(b); len(rest) > 0 {
			t.Errorf("behind the replies: %q", rest)
		}
	})
}

// check reads the reply from b, and reports whether there must be another one.
func (d *deeds) check(t *testing.T, b *bufio.Reader, method string) (another bool) {
	t.Helper()
	resp, err := http.ReadResponse(b, &http.Request{Method: method})
	if err != nil {
		if !d.aborted {
			t.Fatal(err)
		}
		return false
	}
	if resp.StatusCode != d.status || d.refused != nil {
		t.Errorf("status %d, want %d; Write: %v", resp.StatusCode, d.status, d.refused)
	}
	d.checkHeader(t, resp.Header)
	got, err := io.ReadAll(resp.Body)
	bodied := method != http.MethodHead && hasBody(d.status)
	short := bodied && d.length > len(d.body)
	switch {
	case d.aborted:
		if !bytes.HasPrefix(d.body, got) {
			t.Errorf("of %d bytes came %d others", len(d.body), len(got))
		}
		return false
	case short:
		if err == nil || !bytes.Equal(got, d.body) {
			t.Errorf("%d bytes of %d, error %v", len(got), d.length, err)
		}
		return false
	case err != nil, bodied && !bytes.Equal(got, d.body), !bodied && len(got) > 0:
		t.Errorf("%d bytes of %d, error %v", len(got), len(d.body), err)
	}
	if bodied && d.length >= 0 && resp.ContentLength != int64(d.length) {
		t.Errorf("length %d", resp.ContentLength)
	}
	return !resp.Close
}

// checkHeader compares h with what the handler has set.
func (d *deeds) checkHeader(t *testing.T, h http.Header) {
	t.Helper()
	want := http.Header{}
	for k, vs := range d.header {
		for _, v := range vs {
			if validName(k) {
				v = strings.Map(func(r rune) rune {
					if r < ' ' || r == 0x7f {
						return ' '
					}
					return r
				}, v)
				want.Add(k, strings.TrimSpace(v))
			}
		}
	}
	for k, vs := range h {
		slices.Sort(vs)
		w := want[k]
		slices.Sort(w)
		switch k {
		case "Content-Length":
			if len(vs) != 1 {
				t.Errorf("lengths %q", vs)
			}
		case "Connection":
			if !slices.Contains(append(w, "close", "keep-alive"), vs[0]) {
				t.Errorf("%s: %q", k, vs)
			}
		case "Date", "Content-Type":
			if len(w) == 0 && len(vs) == 1 {
				continue
			}
			fallthrough
		default:
			if k != "X-A" && !slices.Equal(vs, w) || len(vs) != len(w) { // X-A has what no client reads alike
				t.Errorf("%s: %.60q, want %.60q", k, vs, w)
			}
		}
	}
	for k, vs := range want {
		switch k {
		case "Content-Length", "Transfer-Encoding", "Connection", "Trailer":
		default:
			if len(h[k]) != len(vs) {
				t.Errorf("%s: %.60q, want %.60q", k, h[k], vs)
			}
		}
	}
}
