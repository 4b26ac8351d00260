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
		c := bytes.IndexByte(line, ':')
		if c <= 0 || !canonical(line[:c]) || !validValue(line[c+1:]) {
			return 0, errHeader
		}
	}
	return n, nil
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

// frame finds where the body ends and whether the server keeps the connection. It refuses what can be read in two ways.
func (r *reply) frame(method string) (frames, error) {
	h := r.Header
	length, err := contentLength(h["Content-Length"])
	if err != nil {
		return frames{}, err
	}
	te := h["Transfer-Encoding"]
	if len(te) > 0 {
		switch {
		case length >= 0:
			return frames{}, errLengthAndTE
		case r.ProtoMinor == 0 || len(te) != 1 || !strings.EqualFold(te[0], "chunked"):
			return frames{}, errEncoding
		}
		delete(h, "Transfer-Encoding")
		r.TransferEncoding = []string{"chunked"}
	}
	r.Close = hasToken(h["Connection"], "close") || r.ProtoMinor == 0 && !hasToken(h["Connection"], "keep-alive")
	r.ContentLength = length
	return r.end(method, len(te) > 0), nil
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
