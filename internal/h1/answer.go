package h1

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sheets are what replies are put together in, for as long as something of them waits.
var sheets = sync.Pool{New: func() any { b := make([]byte, sheetSize); return &b }}

const (
	sheetSize = 8 << 10 // a reply in which tools were called mostly leaves in one write
	// gap is left between the head and the body that waits behind it: for the fields that are only known when the head leaves,
	// and for the line before a chunk.
	gap = 192
	// margin is left after the body that waits, for what ends it.
	margin = 16
)

// What follows a chunk, and the last one.
var (
	chunkOver = []byte("\r\n")
	bodyOver  = []byte("0\r\n\r\n")
	allOver   = []byte("\r\n0\r\n\r\n")
)

var errDone = errors.New("the handler has returned")

// answer is where a reply stands. Head and body wait in one sheet until it is full, the handler flushes, or it has returned: most
// replies leave in one write, with their length.
type answer struct {
	header http.Header
	status int    // 0: not begun
	length int64  // of the body, as the handler has said; -1: it has not
	wrote  int64  // of the body
	kind   kind   // how the body ends, once the head has left
	sent   bool   // the head has left
	sniff  bool   // the handler has named no type
	closes bool   // the handler has said that the connection ends
	keep   bool   // the connection is good for another request, once the head has left
	head   int    // bytes of the head that waits
	buf    []byte // the head, a gap, and what of the body waits; nil: nothing does
	sheet  *[]byte
	err    error // of the connection, which is of no more use then

	mu sync.Mutex // of all that: a goroutine that outlives its handler gets errors, and at nobody else's reply
}

var _ http.ResponseWriter = (*exchange)(nil)

// Header returns the header that WriteHeader sends.
func (x *exchange) Header() http.Header {
	if x.header == nil {
		x.header = make(http.Header, 8)
	}
	return x.header
}

// WriteHeader begins the reply. What the header holds now is what is sent. Another call does nothing, and neither does one with
// the status of an informational reply. One of more than three digits panics, as with net/http.
func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.start(status)
}

func (x *exchange) start(status int) {
	if x.status != 0 || status < 200 {
		return
	}
	if status > 999 {
		panic("h1: no status: " + strconv.Itoa(status))
	}
	x.status, x.length = status, -1
	if n, err := contentLength(x.header["Content-Length"]); err == nil {
		x.length = n
	}
	x.hold()
	b := x.statusLine(x.buf[:0])
	x.sniff = true
	dated := false
	for k, vs := range x.header {
		switch http.CanonicalHeaderKey(k) {
		case "Content-Length", "Transfer-Encoding":
			continue // the body is framed here
		case "Connection":
			x.closes = x.closes || hasToken(vs, "close")
		case "Content-Type", "Content-Encoding":
			x.sniff = false
		case "Date":
			dated = true
		}
		b = appendField(b, k, vs)
	}
	if !dated {
		b = append(b, "Date: "...)
		b = append(b, x.conn.s.now()...)
		b = append(b, "\r\n"...)
	}
	x.head = len(b)
	x.buf = append(b, make([]byte, gap)...)
}

func (x *exchange) statusLine(b []byte) []byte {
	b = append(b, "HTTP/1."...)
	b = append(b, '0'+byte(x.req.ProtoMinor), ' ') //nolint:gosec // 0 or 1
	b = strconv.AppendInt(b, int64(x.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(x.status)...)
	return append(b, "\r\n"...)
}

// appendField appends a line for each value. What would break out of its line does not get there.
func appendField(b []byte, k string, vs []string) []byte {
	if !validName(k) {
		return b
	}
	for _, v := range vs {
		if !validValue(v) {
			v = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f {
					return ' '
				}
				return r
			}, v)
		}
		b = append(b, k...)
		b = append(b, ": "...)
		b = append(b, v...)
		b = append(b, "\r\n"...)
	}
	return b
}

// Write takes a part of the body. It does not keep p.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.start(http.StatusOK)
	switch {
	case x.err != nil:
		return 0, x.err
	case !hasBody(x.status):
		return 0, http.ErrBodyNotAllowed
	case x.length >= 0 && x.wrote+int64(len(p)) > x.length:
		return 0, http.ErrContentLength
	}
	x.wrote += int64(len(p))
	if x.req.Method == http.MethodHead {
		return len(p), nil
	}
	if x.fits(len(p)) {
		x.buf = append(x.buf, p...)
		return len(p), nil
	}
	if err := x.send(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// fits reports whether n more bytes of the body can wait.
func (x *exchange) fits(n int) bool {
	if x.buf == nil && n <= sheetSize-gap-margin {
		x.hold()
	}
	return n <= cap(x.buf)-len(x.buf)-margin
}

// hold takes a sheet.
func (x *exchange) hold() {
	x.sheet = sheets.Get().(*[]byte)
	x.buf = (*x.sheet)[:gap]
}

func (x *exchange) release() {
	if x.sheet != nil {
		sheets.Put(x.sheet)
	}
	x.sheet, x.buf, x.head = nil, nil, 0
}

// Flush is FlushError for those who do not ask.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError sends what waits.
func (x *exchange) FlushError() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.start(http.StatusOK)
	if x.err != nil || x.sent && len(x.buf) <= gap {
		return x.err
	}
	return x.send(nil, false)
}

// end sends what is left of the reply, as the handler has returned.
func (x *exchange) end() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.start(http.StatusOK)
	if x.err != nil {
		return x.err
	}
	err := x.send(nil, true)
	if err == nil && x.kind == sized && x.wrote < x.length {
		err = errBodyShort // only the end of the connection tells the client
	}
	x.err = errDone
	return err
}

// send sends the head, if it has not left, and behind what waits p. With last set the body ends there.
func (x *exchange) send(p []byte, last bool) error {
	n := len(p)
	if x.buf != nil {
		n += len(x.buf) - gap - x.head
	}
	var room [gap]byte
	line := room[:0]
	if !x.sent {
		line = x.settle(line, p, n, last)
	}
	var after []byte
	if x.kind == chunked {
		if n > 0 {
			line = append(strconv.AppendInt(line, int64(n), 16), "\r\n"...)
		}
		after = overAfter(n, last)
	}
	if x.buf == nil && len(line)+len(after) > 0 {
		x.hold()
	}
	var out []byte
	if x.buf != nil {
		out = x.buf[gap-len(line):]
		copy(out, x.buf[:x.head])
		copy(out[x.head:], line)
	}
	if len(p) == 0 {
		out, after = append(out, after...), nil
	}
	x.sent = true
	x.err = x.conn.write([3][]byte{out, p, after})
	x.release()
	if x.err != nil {
		x.conn.left()
	}
	return x.err
}

// overAfter is what follows a chunk of n bytes.
func overAfter(n int, last bool) []byte {
	switch {
	case last && n > 0:
		return allOver
	case last:
		return bodyOver
	case n > 0:
		return chunkOver
	}
	return nil
}

// settle decides how the body, of which n bytes are here, is framed and whether the connection goes on, and appends the fields
// that say so, and the blank line. p is what of the body does not wait in the buffer.
func (x *exchange) settle(b, p []byte, n int, last bool) []byte {
	var length int64
	x.kind, length = x.frameBody(n, last)
	x.keep = !x.closes && !x.req.Close && x.kind != toEOF && x.body.passes() && !x.conn.s.stopping.Load()
	x.body.begin()
	if x.sniff && n > 0 {
		if waits := x.buf[x.head+gap:]; len(waits) > 0 {
			p = waits
		}
		b = append(b, "Content-Type: "...)
		b = append(b, http.DetectContentType(p)...)
		b = append(b, "\r\n"...)
	}
	if length >= 0 {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	}
	if x.kind == chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case !x.keep && !x.closes:
		b = append(b, "Connection: close\r\n"...)
	case x.keep && x.req.ProtoMinor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, "\r\n"...)
}

// frameBody is how the body ends, of which n bytes are here, and the length that the head says; -1: none.
func (x *exchange) frameBody(n int, last bool) (k kind, length int64) {
	head := x.req.Method == http.MethodHead
	switch {
	case !hasBody(x.status):
		return empty, -1
	case head && x.length < 0 && last && x.wrote > 0:
		return empty, x.wrote
	case head:
		return empty, x.length
	case x.length >= 0:
		return sized, x.length
	case last:
		return sized, int64(n)
	case x.req.ProtoMinor > 0:
		return chunked, -1
	}
	return toEOF, -1
}

// finish ends the exchange after the handler has returned, and reports whether the connection is good for another one.
func (x *exchange) finish() (again bool) {
	c, b := x.conn, &x.body
	read := b.end()
	c.writeBy.within(lastTime)
	if x.end() != nil {
		return false
	}
	if x.keep && !read {
		read = b.err == nil && !b.waits && c.drain(&b.frames)
	}
	if x.keep && read {
		return true
	}
	if !read || c.in.r != c.in.w {
		c.linger()
	}
	return false
}

// SetReadDeadline is for [http.ResponseController]: until when the body may be waited for.
func (x *exchange) SetReadDeadline(t time.Time) error { return x.move(&x.conn.readBy, t) }

// SetWriteDeadline is for [http.ResponseController]: until when the client may take to accept what is written.
func (x *exchange) SetWriteDeadline(t time.Time) error { return x.move(&x.conn.writeBy, t) }

// move sets a deadline of the connection, which is no longer the handler's once that has returned.
func (x *exchange) move(d *deadline, t time.Time) error {
	c := x.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.x != x {
		return errDone
	}
	d.move(t)
	return nil
}

// EnableFullDuplex is for [http.ResponseController]: the body may always be read beside the reply.
func (x *exchange) EnableFullDuplex() error { return nil }
