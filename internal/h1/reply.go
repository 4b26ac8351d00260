package h1

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

const protocol = "HTTP/1."

// reply is a response and its body in one allocation.
type reply struct {
	http.Response
	conn  *conn
	ctx   context.Context //nolint:containedctx // the request's; the body's errors tell its end from others
	state atomic.Int32    // open, reading, closing, closed
	keep  bool            // the connection is good for another request
	frames
}

// parse reads a head as [reader.head] returns it. Names of fields are made canonical in place, and all texts are parts of one
// string.
func (r *reply) parse(head []byte) error {
	n, err := fields(head)
	if err != nil {
		return err
	}
	s := string(head[:len(head)-2])
	i := strings.IndexByte(s, '\n')
	if err := r.status(s[:i-1]); err != nil {
		return err
	}
	r.Header = header(s[i+1:], n)
	return nil
}

// header is the n checked fields of a head. The texts are parts of s.
func header(s string, n int) http.Header {
	h := make(http.Header, n)
	values := make([]string, n)
	for s != "" {
		i := strings.IndexByte(s, '\n')
		line := s[:i-1]
		s = s[i+1:]
		c := strings.IndexByte(line, ':')
		k, v := line[:c], strings.Trim(line[c+1:], " \t")
		if had := h[k]; had != nil {
			h[k] = append(had, v)
			continue
		}
		values[0] = v
		h[k], values = values[:1:1], values[1:]
	}
	return h
}

// status reads "HTTP/1.1 200 OK".
func (r *reply) status(s string) error {
	if len(s) < 12 || s[:len(protocol)] != protocol || s[7] != '0' && s[7] != '1' || s[8] != ' ' || len(s) > 12 && s[12] != ' ' {
		return errFirstLine
	}
	code := 0
	for _, c := range []byte(s[9:12]) {
		if c < '0' || c > '9' {
			return errFirstLine
		}
		code = code*10 + int(c-'0')
	}
	if code < 100 || !validValue(s[12:]) {
		return errFirstLine
	}
	r.Proto, r.ProtoMajor, r.ProtoMinor = s[:8], 1, int(s[7]-'0')
	r.Status, r.StatusCode = s[9:], code
	return nil
}

// fields checks the fields of a head, makes their names canonical and counts them. It is strict: no folded lines, no space
// before the colon, no control characters.
func fields(head []byte) (n int, err error) {
	i := bytes.IndexByte(head, '\n')
	for p := head[i+1:]; len(p) > 2; n++ {
		end := bytes.IndexByte(p, '\n')
		line := p[:end-1]
		p = p[end+1:]
		if !isField(line) {
			return 0, errHeader
		}
	}
	return n, nil
}

// isField reports whether line is a field, and makes its name canonical.
func isField(line []byte) bool {
	c := bytes.IndexByte(line, ':')
	return c > 0 && canonical(line[:c]) && validValue(line[c+1:])
}

// canonical writes name as http.CanonicalHeaderKey does, and reports whether it is a token.
func canonical(name []byte) bool {
	upper := true
	for i, c := range name {
		if !token[c] {
			return false
		}
		if upper && 'a' <= c && c <= 'z' {
			name[i] = c - ('a' - 'A')
		} else if !upper && 'A' <= c && c <= 'Z' {
			name[i] = c + ('a' - 'A')
		}
		upper = c == '-'
	}
	return true
}

var token = tokens()

func tokens() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}

func validName(s string) bool {
	for i := range len(s) {
		if !token[s[i]] {
			return false
		}
	}
	return s != ""
}

func validValue[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// hasToken reports whether a list of comma-separated words has word.
func hasToken(list []string, word string) bool {
	for _, v := range list {
		for s := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(s, " \t"), word) {
				return true
			}
		}
	}
	return false
}

// frame finds where the body ends and whether the server keeps the connection.
func (r *reply) frame(method string) (frames, error) {
	length, coded, err := framing(r.Header, r.ProtoMinor)
	if err != nil {
		return frames{}, err
	}
	if coded {
		r.TransferEncoding = []string{"chunked"}
	}
	r.Close = closes(r.Header, r.ProtoMinor)
	r.ContentLength = length
	return r.end(method, coded), nil
}

// framing reads how a body is framed: its length, or -1, and whether it comes in chunks. The field that says the latter is taken
// out of h, and a length that is said twice is there once. What can be read in two ways is an error.
func framing(h http.Header, minor int) (length int64, coded bool, err error) {
	if length, err = contentLength(h["Content-Length"]); err != nil {
		return 0, false, err
	}
	if cl := h["Content-Length"]; len(cl) > 1 {
		h["Content-Length"] = cl[:1]
	}
	te := h["Transfer-Encoding"]
	switch {
	case len(te) == 0:
		return length, false, nil
	case length >= 0:
		return 0, false, errLengthAndTE
	case minor == 0 || len(te) != 1 || !strings.EqualFold(te[0], "chunked"):
		return 0, false, errEncoding
	}
	delete(h, "Transfer-Encoding")
	return length, true, nil
}

// closes reports whether the sender of h ends the connection after its message.
func closes(h http.Header, minor int) bool {
	return hasToken(h["Connection"], "close") || minor == 0 && !hasToken(h["Connection"], "keep-alive")
}

// end is how the body ends, from the length and the encoding.
func (r *reply) end(method string, coded bool) frames {
	switch {
	case method == http.MethodHead:
		return frames{kind: empty}
	case r.StatusCode == http.StatusNoContent || r.StatusCode == http.StatusNotModified:
		r.ContentLength = 0
		return frames{kind: empty}
	case coded:
		return frames{kind: chunked}
	case r.ContentLength == 0:
		return frames{kind: empty}
	case r.ContentLength > 0:
		return frames{kind: sized, left: r.ContentLength}
	}
	r.Close = true
	return frames{kind: toEOF}
}

// contentLength is -1 without the field. The same length twice is taken, a list in one field is not.
func contentLength(vs []string) (int64, error) {
	if len(vs) == 0 {
		return -1, nil
	}
	for _, v := range vs {
		if v != vs[0] || v == "" || len(v) > 18 || v[0] < '0' || v[0] > '9' {
			return 0, errLength
		}
	}
	n, err := strconv.ParseUint(vs[0], 10, 63)
	if err != nil {
		return 0, errLength
	}
	return int64(n), nil //nolint:gosec // parsed with 63 bits
}
