package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
)

// seenRequest is what a handler saw of a request.
type seenRequest struct {
	*http.Request
	body []byte
	err  error // how the body ended; nil: it was not read to its end
}

// witness returns a handler that reads as much of the body as eager says, and replies.
func witness(seen *[]seenRequest, eager byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := seenRequest{Request: r}
		switch (int(eager) + len(*seen)) % 4 {
		case 0:
		case 1:
			s.body = make([]byte, 3)
			n, _ := io.ReadFull(r.Body, s.body)
			s.body = s.body[:n]
		default:
			s.body, s.err = io.ReadAll(r.Body)
			if s.err == nil {
				s.err = io.EOF
			}
		}
		*seen = append(*seen, s)
		_, _ = io.WriteString(w, "seen")
	}
}

// FuzzServer holds the server against net/http: each request that reaches the handler, net/http reads alike at the same place
// of the same bytes, and however those are split. What is refused is none of its business.
func FuzzServer(f *testing.F) {
	for _, tt := range hostile {
		if len(tt.raw) < 4096 {
			f.Add([]byte(tt.raw), byte(2))
		}
	}
	f.Add([]byte(coded+"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"+getA+getA), byte(1))
	f.Add([]byte("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"), byte(2))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: h\r\nPragma: no-cache\r\nX: a\r\nx:\tb\t\r\n\r\n"), byte(2))
	f.Fuzz(func(t *testing.T, raw []byte, eager byte) {
		var seen, slow []seenRequest
		told := play(t, witness(&seen, eager), bytes.NewReader(raw))
		play(t, witness(&slow, eager), iotest.OneByteReader(bytes.NewReader(raw)))
		if !slices.EqualFunc(seen, slow, alike) {
			t.Errorf("at once the handler saw %+v, byte by byte %+v", seen, slow)
		}
		checkReplies(t, seen, told)
		b := bufio.NewReader(bytes.NewReader(raw))
		for _, s := range seen {
			if p, _ := b.Peek(2); string(p) == "\r\n" {
				_, _ = b.Discard(2)
			}
			r, err := http.ReadRequest(b)
			if err != nil {
				t.Fatalf("net/http: %v; the handler saw %+v", err, s.Request)
			}
			body, err := io.ReadAll(r.Body)
			want := seenRequest{r, body, io.EOF}
			if err != nil {
				want.err = err
			}
			sameRequest(t, s, want)
		}
	})
}

// alike reports whether two handlers saw the same, as far as that hangs on where things end.
func alike(a, b seenRequest) bool {
	return a.Method == b.Method && a.RequestURI == b.RequestURI && a.Host == b.Host && maps.EqualFunc(a.Header, b.Header, slices.Equal[[]string]) &&
		bytes.Equal(a.body, b.body) && (a.err == nil) == (b.err == nil) && errors.Is(a.err, io.EOF) == errors.Is(b.err, io.EOF)
}

func sameRequest(t *testing.T, got, want seenRequest) {
	t.Helper()
	if got.Method != want.Method || got.RequestURI != want.RequestURI || got.URL.String() != want.URL.String() || got.Host != want.Host ||
		got.Proto != want.Proto || got.ContentLength != want.ContentLength || got.Close != want.Close || !slices.Equal(got.TransferEncoding, want.TransferEncoding) {
		t.Errorf("%+v, net/http: %+v", got.Request, want.Request)
	}
	for _, h := range []http.Header{got.Header, want.Header} {
		h.Del("Trailer")       // net/http moves it
		h.Del("Cache-Control") // net/http makes one of Pragma
		h.Del("Connection")    // net/http takes it out where it says close
	}
	if !maps.EqualFunc(got.Header, want.Header, slices.Equal[[]string]) {
		t.Errorf("header %q, net/http: %q", got.Header, want.Header)
	}
	switch {
	case errors.Is(got.err, io.EOF):
		if !errors.Is(want.err, io.EOF) || !bytes.Equal(got.body, want.body) {
			t.Errorf("body %q, net/http: %q, %v", got.body, want.body, want.err)
		}
	case !bytes.HasPrefix(want.body, got.body) && errors.Is(want.err, io.EOF):
		t.Errorf("body %q, net/http: %q, %v", got.body, want.body, want.err)
	}
}

// checkReplies reads told as the replies to what was seen, and perhaps a refusal behind them.
func checkReplies(t *testing.T, seen []seenRequest, told []byte) {
	t.Helper()
	b := bufio.NewReader(bytes.NewReader(told))
	for i := 0; ; i++ {
		if _, err := b.Peek(1); err != nil {
			if i < len(seen) {
				t.Errorf("%d replies to %d requests: %q", i, len(seen), told)
			}
			return
		}
		var to *http.Request
		if i < len(seen) {
			to = seen[i].Request
		}
		resp, err := readReply(b, to)
		if err != nil {
			t.Fatalf("reply %d: %v in %q", i, err, told)
		}
		body, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			t.Fatalf("reply %d: %v in %q", i, err, told)
		case to == nil && (i > len(seen) || resp.StatusCode < 400 || !resp.Close):
			t.Fatalf("reply %d to %d requests: %q", i, len(seen), told)
		case to != nil && (resp.StatusCode != 200 || to.Method != http.MethodHead && string(body) != "seen"):
			t.Fatalf("reply %d: %d %q", i, resp.StatusCode, body)
		}
	}
}

// readReply reads a reply, over 100 Continue.
func readReply(b *bufio.Reader, to *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(b, to)
		if err != nil || resp.StatusCode != http.StatusContinue {
			return resp, err
		}
	}
}
