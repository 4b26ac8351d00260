package h1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// script is a client that has said all that it will ever say, and takes what it is told. As a listener it is its only connection.
type script struct {
	net.Conn
	said    io.Reader
	told    bytes.Buffer
	hear    func(p []byte) // is told too; nil: nobody
	dialled bool
	left    sync.Once
	gone    chan struct{}
}

func (s *script) Accept() (net.Conn, error) {
	if !s.dialled {
		s.dialled = true
		return s, nil
	}
	<-s.gone
	return nil, net.ErrClosed
}

func (s *script) Addr() net.Addr                   { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) Read(p []byte) (int, error)       { return s.said.Read(p) }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) Close() error                     { s.left.Do(func() { close(s.gone) }); return nil }

func (s *script) Write(p []byte) (int, error) {
	if s.hear != nil {
		s.hear(p)
	}
	return s.told.Write(p)
}

// play serves a client that says what r gives, and returns what it was told. A handler that panics fails the test.
func play(tb testing.TB, h http.HandlerFunc, r io.Reader) []byte {
	tb.Helper()
	c := &script{said: r, gone: make(chan struct{})}
	c.play(tb, h)
	return c.told.Bytes()
}

func (s *script) play(tb testing.TB, h http.HandlerFunc) {
	tb.Helper()
	var panics bytes.Buffer
	srv := &Server{Handler: h, Log: slog.New(slog.NewTextHandler(&panics, nil))}
	if err := srv.Serve(s); !errors.Is(err, net.ErrClosed) {
		tb.Errorf("Serve: %v", err)
	}
	if panics.Len() > 0 {
		tb.Errorf("panic: %s", panics.String())
	}
}

// serveOn serves h on loopback until the test ends.
func serveOn(tb testing.TB, s *Server) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tb.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func hail(tb testing.TB, addr string) *net.TCPConn {
	tb.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // a test that hangs says where
		tb.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// talk sends raw to a server on loopback, and returns all that comes back. A connection that breaks after that is no error.
func talk(tb testing.TB, addr, raw string) []byte {
	tb.Helper()
	c := hail(tb, addr)
	if _, err := io.WriteString(c, raw); err != nil && !hungUp(err) {
		tb.Fatal(err)
	}
	_ = c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil && !hungUp(err) {
		tb.Fatal(err)
	}
	return b
}

// statuses are those of the replies in raw, which were asked for with GET.
func statuses(tb testing.TB, raw []byte) (list []int) {
	tb.Helper()
	b := bufio.NewReader(bytes.NewReader(raw))
	for {
		if _, err := b.Peek(1); err != nil {
			return list
		}
		resp, err := http.ReadResponse(b, nil)
		if err != nil {
			tb.Fatalf("%v in %q", err, raw)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			tb.Fatalf("%v in %q", err, raw)
		}
		list = append(list, resp.StatusCode)
	}
}

const (
	getA     = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	postB    = "POST /b HTTP/1.1\r\nHost: h\r\n"
	coded    = postB + "Transfer-Encoding: chunked\r\n\r\n"
	sawA     = "GET /a h []"
	smuggled = "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
)

// hostile are requests as strangers send them: what the handler is to see of each, and the statuses that come back.
var hostile = []struct {
	name, raw string
	saw       []string
	status    []int
}{
	{"plain", getA, []string{sawA}, []int{200}},
	{"pipelined", getA + postB + "Content-Length: 2\r\n\r\nhi" + getA, []string{sawA, "POST /b h [hi]", sawA}, []int{200, 200, 200}},
	{"chunks", coded + "2;a=b\r\nhi\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n" + getA, []string{"POST /b h [hi!]", sawA}, []int{200, 200}},
	{"padded size", coded + "2 \t\r\nhi\r\n0\r\n\r\n" + getA, []string{"POST /b h [hi]", sawA}, []int{200, 200}},
	{"same length twice", postB + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi" + getA, []string{"POST /b h [hi]", sawA}, []int{200, 200}},
	{"1.0 ends", "GET /a HTTP/1.0\r\n\r\n" + getA, []string{"GET /a  []"}, []int{200}},
	{"1.0 kept", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + getA, []string{"GET /a  []", sawA}, []int{200, 200}},
	{"close", "GET /a HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n" + getA, []string{sawA}, []int{200}},
	{"absolute target", "GET http://other:81/a HTTP/1.1\r\nHost: h\r\n\r\n", []string{"GET http://other:81/a other:81 []"}, []int{200}},
	{"one blank line before", "\r\n" + getA, []string{sawA}, []int{200}},
	{"blank line after a body", postB + "Content-Length: 2\r\n\r\nhi\r\n" + getA, []string{"POST /b h [hi]", sawA}, []int{200, 200}},
	{"expect", postB + "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nhi", []string{"POST /b h [hi]"}, []int{100, 200}},
	{"expect without a body", "GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n" + getA, []string{sawA, sawA}, []int{200, 200}},
	{"expect in 1.0", "POST /b HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", []string{"POST /b  [hi]"}, []int{200}},
	{"length 0", postB + "Content-Length: 0\r\n\r\n" + getA, []string{"POST /b h []", sawA}, []int{200, 200}},
	{"large head", "GET /a HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 60_000) + "\r\n\r\n" + getA, []string{sawA, sawA}, []int{200, 200}},
	{"many fields", "GET /a HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 999) + "\r\n", []string{sawA}, []int{200}},

	{"nothing", "", nil, nil},
	{"head cut", "GET /a HTTP/1.1\r\nHos", nil, nil},
	{"two blank lines before", "\r\n\r\n" + getA, nil, []int{400}},
	{"bare LF", "GET /evil HTTP/1.1\nHost: h\n\n", nil, []int{400}},
	{"bare LF at the end", "GET /evil HTTP/1.1\r\nHost: h\r\n\n", nil, []int{400}},
	{"bare CR", "GET /evil HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n", nil, []int{400}},
	{"CR CR LF", "GET /evil HTTP/1.1\r\nHost: h\r\r\n\r\n", nil, []int{400}},
	{"NUL in a value", "GET /evil HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", nil, []int{400}},
	{"NUL in a name", "GET /evil HTTP/1.1\r\nHost: h\r\nX\x00: a\r\n\r\n", nil, []int{400}},
	{"NUL in the target", "GET /evil\x00 HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"folded", "GET /evil HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", nil, []int{400}},
	{"folded first field", "GET /evil HTTP/1.1\r\n Host: h\r\n\r\n", nil, []int{400}},
	{"space before the colon", postB + "Content-Length : 2\r\n\r\nhi", nil, []int{400}},
	{"tab before the colon", postB + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", nil, []int{400}},
	{"no colon", "GET /evil HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", nil, []int{400}},
	{"no name", "GET /evil HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", nil, []int{400}},
	{"too large", "GET /evil HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n", nil, []int{431}},
	{"too long a target", "GET /" + strings.Repeat("x", 70_000) + " HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{431}},
	{"too many fields", "GET /evil HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n", nil, []int{431}},
	{"HTTP/1.2", "GET /evil HTTP/1.2\r\nHost: h\r\n\r\n", nil, []int{505}},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nil, []int{505}},
	{"HTTP/0.9", "GET /evil\r\n\r\n", nil, []int{400}},
	{"lower-case protocol", "GET /evil http/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"two spaces", "GET  /evil HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"space in the target", "GET /evil x HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"space after the protocol", "GET /evil HTTP/1.1 \r\nHost: h\r\n\r\n", nil, []int{400}},
	{"tab for a space", "GET\t/evil\tHTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"method no token", "G@T /evil HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"another host's tunnel", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", nil, []int{400}},
	{"relative target", "GET evil HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"bad escape", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", nil, []int{400}},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n", nil, []int{400}},
	{"no host", "GET /evil HTTP/1.1\r\n\r\n", nil, []int{400}},
	{"two hosts", "GET /evil HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", nil, []int{400}},
	{"list of hosts", "GET /evil HTTP/1.1\r\nHost: h, i\r\n\r\n", nil, []int{400}},
	{"path in the host", "GET /evil HTTP/1.1\r\nHost: h/x\r\n\r\n", nil, []int{400}},
	{"user in the host", "GET /evil HTTP/1.1\r\nHost: u@h\r\n\r\n", nil, []int{400}},
	{"bad host beside an absolute target", "GET http://other/a HTTP/1.1\r\nHost: u@h\r\n\r\n", nil, []int{400}},
	{"unknown expectation", postB + "Content-Length: 2\r\nExpect: 200-ok\r\n\r\nhi", nil, []int{417}},

	{"length and chunks", postB + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{400}},
	{"chunks and length", postB + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{400}},
	{"two lengths", postB + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!" + smuggled, nil, []int{400}},
	{"list of lengths", postB + "Content-Length: 2, 2\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"signed length", postB + "Content-Length: +2\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"negative length", postB + "Content-Length: -2\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"length in hex", postB + "Content-Length: 0x2\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"length with an underscore", postB + "Content-Length: 1_0\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"empty length", postB + "Content-Length:\r\n\r\n" + smuggled, nil, []int{400}},
	{"huge length", postB + "Content-Length: 9223372036854775808\r\n\r\nhi" + smuggled, nil, []int{400}},
	{"gzip, chunked", postB + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"chunked twice", postB + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"chunked, identity", postB + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"xchunked", postB + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"quoted chunked", postB + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"vertical tab before chunked", postB + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{400}},
	{"empty coding", postB + "Transfer-Encoding:\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},
	{"chunks in 1.0", "POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, nil, []int{501}},

	{"body cut", postB + "Content-Length: 9\r\n\r\nhi", []string{"POST /b h [hi] unexpected EOF"}, []int{200}},
	{"chunk cut", coded + "9\r\nhi", []string{"POST /b h [hi] unexpected EOF"}, []int{200}},
	{"no last chunk", coded + "2\r\nhi\r\n", []string{"POST /b h [hi] unexpected EOF"}, []int{200}},
	{"chunk without end", coded + "2\r\nhiX0\r\n\r\n" + smuggled, []string{"POST /b h [hi] malformed chunked encoding"}, []int{200}},
	{"bare LF after a size", coded + "2\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"bare LF after a chunk", coded + "2\r\nhi\n0\r\n\r\n" + smuggled, []string{"POST /b h [hi] malformed chunked encoding"}, []int{200}},
	{"bare LF in an extension", coded + "2;\nxx\r\n4c\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"bare CR in an extension", coded + "2;\rxx\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"NUL in an extension", coded + "2;\x00\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"size with a sign", coded + "+2\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"size with 0x", coded + "0x2\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"size after a space", coded + " 2\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"space before an extension", coded + "2 ;x\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"size that overflows", coded + "10000000000000002\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"long extension", coded + "2;" + strings.Repeat("x", 300) + "\r\nhi\r\n0\r\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"bare LF after a trailer", coded + "0\r\nX: y\n\r\n" + smuggled, []string{"POST /b h [] malformed chunked encoding"}, []int{200}},
	{"trailers without end", coded + "0\r\n" + strings.Repeat("X: y\r\n", 65) + "\r\n" + smuggled, []string{"POST /b h [] malformed or too large trailer"}, []int{200}},
	{"no colon in a trailer", coded + "0\r\nX\r\n\r\n" + smuggled, []string{"POST /b h [] malformed or too large trailer"}, []int{200}},
	{"folded trailer", coded + "0\r\nX: y\r\n z\r\n\r\n" + smuggled, []string{"POST /b h [] malformed or too large trailer"}, []int{200}},
	{"NUL in a trailer", coded + "0\r\nX: \x00\r\n\r\n" + smuggled, []string{"POST /b h [] malformed or too large trailer"}, []int{200}},
	{"length among the trailers", coded + "0\r\nContent-Length: 40\r\n\r\n" + getA, []string{"POST /b h []", sawA}, []int{200, 200}},
}

func TestHostileRequests(t *testing.T) {
	for _, tt := range hostile {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"loopback": nil, "at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "EOF with data": iotest.DataErrReader,
		} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				var mu sync.Mutex
				var saw []string
				h := func(w http.ResponseWriter, r *http.Request) {
					body, err := io.ReadAll(r.Body)
					mu.Lock()
					defer mu.Unlock()
					saw = append(saw, fmt.Sprintf("%s %s %s [%s]", r.Method, r.RequestURI, r.Host, body))
					if err != nil {
						saw[len(saw)-1] += " " + err.Error()
					}
					_, _ = io.WriteString(w, "seen")
				}
				var told []byte
				if wrap == nil {
					told = talk(t, serveOn(t, &Server{Handler: http.HandlerFunc(h)}), tt.raw)
				} else {
					told = play(t, h, wrap(strings.NewReader(tt.raw)))
				}
				if got := statuses(t, told); !slices.Equal(got, tt.status) {
					t.Errorf("statuses %v, want %v, in %q", got, tt.status, told)
				}
				mu.Lock()
				defer mu.Unlock()
				if !slices.Equal(saw, tt.saw) {
					t.Errorf("the handler saw %q, want %q", saw, tt.saw)
				}
			})
		}
	}
}
