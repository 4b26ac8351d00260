package h1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// body is a request's body.
type body = io.ReadCloser

// foreign reports whether req is none that this client does: the fallback takes it.
func foreign(req *http.Request) bool {
	u, h := req.URL, req.Header
	if u == nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Opaque != "" || req.Method == http.MethodConnect {
		return true
	}
	if req.Body != nil && req.Body != http.NoBody && req.ContentLength <= 0 {
		return true // chunked upload
	}
	if len(req.TransferEncoding) > 0 || len(req.Trailer) > 0 || len(h["Upgrade"]) > 0 || len(h["Expect"]) > 0 {
		return true
	}
	return !plainHost(u.Host) || !plainHost(req.Host)
}

// plainHost reports whether s can be sent as it is: no zone, no international name, nothing odd. The empty string can.
func plainHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' || c == '/' || c == '@' {
			return false
		}
	}
	return true
}

// checkHeader refuses what would break out of its line. It names the field and shows no value.
func checkHeader(req *http.Request) error {
	if req.Method != "" && !validName(req.Method) {
		return &Error{Check, fmt.Errorf("invalid method %q", req.Method)}
	}
	for k, vs := range req.Header {
		if !validName(k) {
			return &Error{Check, fmt.Errorf("invalid header name %q", k)}
		}
		for _, v := range vs {
			if !validValue(v) {
				return &Error{Check, fmt.Errorf("invalid value of header %q", k)}
			}
		}
	}
	return nil
}

// appendHead appends req's head to dst. As with http.Transport, these come from req's fields, not from its headers: Host,
// Content-Length, Transfer-Encoding and Trailer. No User-Agent and no Accept-Encoding is added.
func appendHead(dst []byte, req *http.Request) []byte {
	method, host := req.Method, req.Host
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = req.URL.Host
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, req.URL.RequestURI()...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, strings.TrimSuffix(host, ":")...)
	dst = append(dst, "\r\n"...)
	for k, vs := range req.Header {
		switch k {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue
		}
		for _, v := range vs {
			dst = append(dst, k...)
			dst = append(dst, ": "...)
			dst = append(dst, strings.Trim(v, " \t")...)
			dst = append(dst, "\r\n"...)
		}
	}
	if req.Close && !hasToken(req.Header["Connection"], "close") {
		dst = append(dst, "Connection: close\r\n"...)
	}
	if n := bodyLength(req); n > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, n, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func bodyLength(req *http.Request) int64 {
	if req.Body == nil || req.Body == http.NoBody {
		return 0
	}
	return req.ContentLength
}

// repeatable reports whether req may be sent twice.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return len(req.Header["Idempotency-Key"]) > 0 || len(req.Header["X-Idempotency-Key"]) > 0
}

// sender writes one request. What is small enough leaves together, in one write.
type sender struct {
	nc   net.Conn
	tcp  *net.TCPConn // nil where a gathered write is of no use
	buf  []byte       // not yet written
	left int64        // of the body
	sent int64        // bytes that the connection took
	err  error        // the connection's, not the body's
	vec  net.Buffers
	pair [2][]byte
}

// Write takes a piece of the body. It keeps p only where that is cheap, and never longer than until the next flush.
func (s *sender) Write(p []byte) (int, error) {
	if int64(len(p)) > s.left {
		return 0, errBodyLong
	}
	s.left -= int64(len(p))
	if len(p) <= cap(s.buf)-len(s.buf) {
		s.buf = append(s.buf, p...)
		return len(p), nil
	}
	if s.tcp != nil {
		s.pair = [2][]byte{s.buf, p}
		s.vec = s.pair[:]
		n, err := s.vec.WriteTo(s.tcp)
		s.pair = [2][]byte{}
		s.sent, s.err = s.sent+n, err
		s.buf = s.buf[:0]
		return len(p), err
	}
	n := copy(s.buf[len(s.buf):cap(s.buf)], p) // fills a TLS record
	s.buf = s.buf[:cap(s.buf)]
	if err := s.flush(); err != nil || n == len(p) {
		return n, err
	}
	m, err := s.nc.Write(p[n:])
	s.sent, s.err = s.sent+int64(m), err
	return n + m, err
}

func (s *sender) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	n, err := s.nc.Write(s.buf)
	s.sent, s.err = s.sent+int64(n), err
	s.buf = s.buf[:0]
	return err
}

// send writes head and body. A body that is not as long as it was said to be is an error.
func (s *sender) send(req *http.Request, b body) error {
	s.buf = appendHead(s.buf[:0], req)
	if s.left = bodyLength(req); s.left > 0 {
		if err := s.copy(b); err != nil {
			return err
		}
		if s.left > 0 {
			return errBodyShort
		}
	}
	return s.flush()
}

func (s *sender) copy(b body) error {
	if w, ok := b.(io.WriterTo); ok { // the readers of bytes and strings hand over all they have at once
		_, err := w.WriteTo(s)
		return err
	}
	for {
		if len(s.buf) == cap(s.buf) {
			if err := s.flush(); err != nil {
				return err
			}
		}
		n, err := b.Read(s.buf[len(s.buf):cap(s.buf)])
		if int64(n) > s.left {
			return errBodyLong
		}
		s.buf, s.left = s.buf[:len(s.buf)+n], s.left-int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
