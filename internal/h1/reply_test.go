package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const ok = "HTTP/1.1 200 OK\r\n"

// stored is a connection whose peer has said all that it will ever say.
type stored struct {
	net.Conn
	io.Reader
	closed bool
}

func (s *stored) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s *stored) Write(p []byte) (int, error) { return len(p), nil }
func (s *stored) Close() error                { s.closed = true; return nil }
func (s *stored) SetDeadline(time.Time) error { return nil }

// exchangeStored is the reply to a request with that method, as r gives it.
func exchangeStored(tb testing.TB, method string, r io.Reader) (*http.Response, *stored, error) {
	tb.Helper()
	s := &stored{Reader: r}
	tr := New(Options{DialContext: func(context.Context, string, string) (net.Conn, error) { return s, nil }})
	tb.Cleanup(tr.CloseIdleConnections)
	req, err := http.NewRequestWithContext(tb.Context(), method, "http://model.test/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	return resp, s, err
}

func TestReplies(t *testing.T) {
	tests := []struct {
		name, method, raw string
		status            int
		body              string
		reuse             bool
		err               error // of the body
	}{
		{name: "length", raw: ok + "Content-Length: 5\r\n\r\nhello", status: 200, body: "hello", reuse: true},
		{name: "length 0", raw: ok + "Content-Length: 0\r\n\r\n", status: 200, reuse: true},
		{name: "same length twice", raw: ok + "Content-Length: 2\r\ncontent-length: 2\r\n\r\nhi", status: 200, body: "hi", reuse: true},
		{name: "no reason", raw: "HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", status: 599, reuse: true},
		{name: "empty reason", raw: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", status: 200, reuse: true},
		{name: "close asked for", raw: ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "to the end", raw: ok + "\r\nhello", status: 200, body: "hello"},
		{name: "1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "1.0 kept", raw: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", reuse: true},
		{name: "1xx before", raw: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", status: 200, body: "hi", reuse: true},
		{name: "head", method: "HEAD", raw: ok + "Content-Length: 5\r\n\r\n", status: 200, reuse: true},
		{name: "head chunked", method: "HEAD", raw: ok + "Transfer-Encoding: chunked\r\n\r\n", status: 200, reuse: true},
		{name: "204", raw: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reuse: true},
		{name: "304 with length", raw: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", status: 304, reuse: true},
		{name: "more than asked for", raw: ok + "Content-Length: 2\r\n\r\nhi" + ok, status: 200, body: "hi"},
		{name: "chunks", raw: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", status: 200, body: "hello!", reuse: true},
		{name: "chunked in capitals", raw: ok + "transfer-encoding: Chunked\r\n\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "0123456789", reuse: true},
		{name: "trailers", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\nZ: w\r\n\r\n", status: 200, body: "hi", reuse: true},
		{name: "no chunks", raw: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 200, reuse: true},
		{name: "large chunk", raw: ok + "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + strings.Repeat("a", 65536) + "\r\n0\r\n\r\n", status: 200, body: strings.Repeat("a", 65536), reuse: true},
		{name: "large head", raw: ok + "X: " + strings.Repeat("a", 60000) + "\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", reuse: true},

		{name: "length cut", raw: ok + "Content-Length: 5\r\n\r\nhel", status: 200, body: "hel", err: io.ErrUnexpectedEOF},
		{name: "chunk cut", raw: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", status: 200, body: "hel", err: io.ErrUnexpectedEOF},
		{name: "chunk size cut", raw: ok + "Transfer-Encoding: chunked\r\n\r\n5", status: 200, err: io.ErrUnexpectedEOF},
		{name: "no last chunk", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", status: 200, body: "hi", err: io.ErrUnexpectedEOF},
		{name: "last chunk cut", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", status: 200, body: "hi", err: io.ErrUnexpectedEOF},
		{name: "chunk without end", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n0\r\n\r\n", status: 200, body: "hi", err: errChunk},
		{name: "bare LF after size", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "bare CR in extension", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "no size", raw: ok + "Transfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "size with sign", raw: ok + "Transfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "size with 0x", raw: ok + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "size too large", raw: ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "long extension", raw: ok + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 300) + "\r\nhi\r\n0\r\n\r\n", status: 200, err: errChunk},
		{name: "trailers without end", raw: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 1000), status: 200, err: errTrailer},
	}
	for _, tt := range tests {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader, "EOF with data": iotest.DataErrReader,
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				resp, conn, err := exchangeStored(t, cmpOr(tt.method, "POST"), wrap(strings.NewReader(tt.raw)))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if string(body) != tt.body || !errors.Is(err, tt.err) {
					t.Errorf("body %.40q, error %v; want %.40q, %v", body, err, tt.body, tt.err)
				}
				if resp.StatusCode != tt.status {
					t.Errorf("status %d", resp.StatusCode)
				}
				more := tt.name == "more than asked for" && name != "at once" && name != "EOF with data" // found when it is taken from the pool
				if conn.closed == tt.reuse && !more {
					t.Errorf("closed: %v", conn.closed)
				}
				if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("read after the end: %d, %v", n, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestHostileHeads(t *testing.T) {
	tests := []struct {
		name, raw string
		want      error
	}{
		{"nothing", "", errNoReply},
		{"blank line first", "\r\n" + ok + "Content-Length: 0\r\n\r\n", errFirstLine},
		{"cut", ok + "Content-Le", io.ErrUnexpectedEOF},
		{"garbage", "\x16\x03\x01\x00 not http at all", errFirstLine},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", errFirstLine},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", errFirstLine},
		{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", errFirstLine},
		{"two digits", "HTTP/1.1 20 OK\r\n\r\n", errFirstLine},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", errFirstLine},
		{"letters", "HTTP/1.1 2x0 OK\r\n\r\n", errFirstLine},
		{"below 100", "HTTP/1.1 099 OK\r\n\r\n", errFirstLine},
		{"NUL in reason", "HTTP/1.1 200 O\x00K\r\n\r\n", errFirstLine},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", errHeader},
		{"bare CR", ok + "X: a\rContent-Length: 9\r\n\r\n", errHeader},
		{"folded", ok + "X: a\r\n b\r\n\r\n", errHeader},
		{"space before colon", ok + "Content-Length : 2\r\n\r\nhi", errHeader},
		{"no colon", ok + "Content-Length\r\n\r\n", errHeader},
		{"no name", ok + ": a\r\n\r\n", errHeader},
		{"control character", ok + "X: a\x01\r\n\r\n", errHeader},
		{"too large", ok + "X: " + strings.Repeat("a", 70_000) + "\r\n\r\n", errHeadSize},
		{"without end", ok + strings.Repeat("X: y\r\n", 20_000), errHeadSize},
		{"two lengths", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", errLength},
		{"list of lengths", ok + "Content-Length: 2, 2\r\n\r\nhi", errLength},
		{"negative length", ok + "Content-Length: -2\r\n\r\nhi", errLength},
		{"signed length", ok + "Content-Length: +2\r\n\r\nhi", errLength},
		{"length in hex", ok + "Content-Length: 0x2\r\n\r\nhi", errLength},
		{"no length", ok + "Content-Length:\r\n\r\nhi", errLength},
		{"huge length", ok + "Content-Length: 99999999999999999999\r\n\r\nhi", errLength},
		{"length and chunks", ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", errLengthAndTE},
		{"gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", errEncoding},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", errEncoding},
		{"xchunked", ok + "Transfer-Encoding: xchunked\r\n\r\n", errEncoding},
		{"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", errEncoding},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", errSwitch},
		{"1xx without end", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), errInformational},
	}
	for _, tt := range tests {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				_, conn, err := exchangeStored(t, "POST", wrap(strings.NewReader(tt.raw)))
				if e, ok := errors.AsType[*Error](err); !ok || e.Phase != Head || !errors.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				if !conn.closed {
					t.Error("the connection is still open")
				}
			})
		}
	}
}

// FuzzReply holds the parser against net/http's: what both take, they read alike; and however the bytes are split, we read
// the same.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		ok + "Content-Length: 5\r\n\r\nhello", ok + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", ok + "\r\nrest",
		"HTTP/1.0 404 \r\nconnection: keep-alive, x\r\nset-cookie: a\r\nSet-Cookie: b\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
	} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		resp, _, err := exchangeStored(t, method, bytes.NewReader(raw))
		slow, _, slowErr := exchangeStored(t, method, iotest.OneByteReader(bytes.NewReader(raw)))
		if (err == nil) != (slowErr == nil) {
			t.Fatalf("at once: %v; byte by byte: %v", err, slowErr)
		}
		if err != nil {
			return
		}
		got, err := io.ReadAll(resp.Body)
		slowGot, slowErr := io.ReadAll(slow.Body)
		if !bytes.Equal(got, slowGot) || (err == nil) != (slowErr == nil) {
			t.Fatalf("at once: %q, %v; byte by byte: %q, %v", got, err, slowGot, slowErr)
		}
		want, err2 := readStd(method, raw)
		if err2 != nil {
			return
		}
		if resp.StatusCode != want.StatusCode || resp.ContentLength != want.ContentLength || strings.TrimSpace(resp.Status) != strings.TrimSpace(want.Status) {
			t.Errorf("%d %q %d, net/http: %d %q %d", resp.StatusCode, resp.Status, resp.ContentLength, want.StatusCode, want.Status, want.ContentLength)
		}
		for _, h := range []http.Header{resp.Header, want.Header} {
			h.Del("Trailer") // net/http moves it
			h.Del("Content-Length")
			h.Del("Cache-Control") // net/http makes one of Pragma
		}
		if !maps.EqualFunc(resp.Header, want.Header, slices.Equal[[]string]) {
			t.Errorf("header %q, net/http: %q", resp.Header, want.Header)
		}
		if wantBody, err2 := io.ReadAll(want.Body); err == nil && err2 == nil && !bytes.Equal(got, wantBody) {
			t.Errorf("body %q, net/http: %q", got, wantBody)
		}
	})
}

// readStd reads raw with net/http, over 1xx.
func readStd(method string, raw []byte) (*http.Response, error) {
	b := bufio.NewReader(bytes.NewReader(raw))
	for {
		resp, err := http.ReadResponse(b, &http.Request{Method: method})
		if err != nil || resp.StatusCode >= 200 {
			return resp, err
		}
	}
}
