package h1

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxFields is how many fields a request's head may have.
const maxFields = 1000

// exchange is a request and the writer of its reply, in one allocation.
type exchange struct {
	conn *serverConn
	req  http.Request
	url  url.URL
	body requestBody
	answer
}

// parse reads a head as [reader.head] returns it. Names of fields are made canonical in place, and all texts are parts of one
// string.
func (x *exchange) parse(head []byte) error {
	n, err := fields(head)
	if err != nil {
		return err
	}
	if n > maxFields {
		return errHeadSize
	}
	s := string(head[:len(head)-2])
	i := strings.IndexByte(s, '\n')
	r := &x.req
	target, err := requestLine(r, s[:i-1])
	if err != nil {
		return err
	}
	r.Header = header(s[i+1:], n)
	r.RemoteAddr = x.conn.remote
	if err := x.locate(target); err != nil {
		return err
	}
	return x.frame()
}

// requestLine reads "POST /v1/chat/completions HTTP/1.1".
func requestLine(r *http.Request, s string) (target string, err error) {
	method, rest, _ := strings.Cut(s, " ")
	target, proto, _ := strings.Cut(rest, " ")
	if !validName(method) || target == "" {
		return "", errFirstLine
	}
	switch {
	case proto == "HTTP/1.1":
		r.ProtoMinor = 1
	case proto == "HTTP/1.0":
	case len(proto) == 8 && strings.HasPrefix(proto, "HTTP/") && proto[6] == '.':
		return "", errVersion
	default:
		return "", errFirstLine
	}
	r.Method, r.Proto, r.ProtoMajor, r.RequestURI = method, proto, 1, target
	return target, nil
}

// locate finds what is asked for, and of whom.
func (x *exchange) locate(target string) error {
	c, r := x.conn, &x.req
	if r.Method == http.MethodConnect {
		return errTarget // it names no thing here but another host
	}
	if target != c.target {
		target = strings.Clone(target) // the head and what is secret in it are not kept
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return errTarget
		}
		c.target, c.url = target, *u
	}
	x.url = c.url
	r.URL = &x.url
	hosts := r.Header["Host"]
	if len(hosts) > 1 || len(hosts) == 0 && r.ProtoMinor > 0 {
		return errHost
	}
	if r.Host = x.url.Host; r.Host == "" && len(hosts) > 0 {
		r.Host = hosts[0]
	}
	delete(r.Header, "Host")
	if !plainHost(r.Host) || len(hosts) > 0 && !plainHost(hosts[0]) {
		return errHost
	}
	return nil
}

// frame finds where the body ends, and whether the client keeps the connection.
func (x *exchange) frame() error {
	r := &x.req
	length, coded, err := framing(r.Header, r.ProtoMinor)
	if err != nil {
		return err
	}
	r.Close = closes(r.Header, r.ProtoMinor)
	r.Body = http.NoBody
	switch {
	case coded:
		r.TransferEncoding = []string{"chunked"}
		r.ContentLength = -1
		x.body.kind = chunked
	case length > 0:
		r.ContentLength = length
		x.body.kind, x.body.left = sized, length
	default:
		x.body.kind = empty
		return expectation(r.Header["Expect"], nil)
	}
	x.body.in, x.body.x = &x.conn.in, x
	r.Body = &x.body
	return expectation(r.Header["Expect"], &x.body)
}

// expectation notes that the client waits with its body until it is asked for it.
func expectation(field []string, b *requestBody) error {
	switch {
	case len(field) == 0:
		return nil
	case len(field) > 1 || !strings.EqualFold(field[0], "100-continue"):
		return errExpect
	case b != nil:
		b.waits = b.x.req.ProtoMinor > 0
	}
	return nil
}

// requestBody is the body of a request. It may be read by any goroutine, but not any more once the handler has returned.
type requestBody struct {
	frames
	x *exchange

	asking sync.Mutex // held while the client is asked for the body
	begun  bool       // the reply has begun, and the client is not asked any more

	mu    sync.Mutex // of what follows, and of the frames
	waits bool       // the client waits to be asked for it
	done  bool       // nobody may read it any more
	err   error      // how it ended
}

// Read reads the body. What has not come when the connection ends is io.ErrUnexpectedEOF.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.waits {
		if err := b.ask(); err != nil {
			return 0, err
		}
	}
	n, err := b.read(p)
	b.err = err
	return n, err
}

// ask asks the client for the body, unless the reply has begun.
func (b *requestBody) ask() error {
	b.asking.Lock()
	defer b.asking.Unlock()
	if b.begun {
		return nil
	}
	b.waits = false
	return b.x.conn.write([3][]byte{[]byte("HTTP/1.1 100 Continue\r\n\r\n")})
}

// begin notes that the reply begins. Nothing of the body's is written any more when it returns.
func (b *requestBody) begin() {
	b.asking.Lock()
	defer b.asking.Unlock()
	b.begun = true
}

// Close ends the body for its readers.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	return nil
}

// end ends the body for its readers, one that waits included, and reports whether it was read to its end.
func (b *requestBody) end() (read bool) {
	if b.kind == empty {
		return true
	}
	if !b.mu.TryLock() {
		b.x.conn.expire()
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	b.done = true
	return errors.Is(b.err, io.EOF)
}

// passes reports whether the rest of the body can be read over for the sake of the next request.
func (b *requestBody) passes() bool {
	if b.kind == empty || !b.mu.TryLock() { // whoever reads it may come to its end
		return true
	}
	defer b.mu.Unlock()
	return errors.Is(b.err, io.EOF) || b.err == nil && !b.waits && (b.kind != sized || b.left <= maxRest)
}
