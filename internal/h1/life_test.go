package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const hi = ok + "Content-Length: 2\r\n\r\nhi"

// get sends a request and reads its reply.
func get(t *testing.T, tr *Transport, req *http.Request) (string, error) {
	t.Helper()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestStaleConnections(t *testing.T) {
	gone := make(chan struct{})
	srv := serveRaw(t, func(n int, c net.Conn) {
		for {
			if _, _, err := readRequest(c); err != nil {
				return
			}
			_, _ = io.WriteString(c, hi)
			if n == 1 {
				_ = c.Close()
				close(gone)
				return
			}
		}
	})
	tr := client(t, Options{})
	for i := range 3 {
		if got, err := get(t, tr, post(t, t.Context(), srv.url(), "{}")); got != "hi" || err != nil {
			t.Fatalf("request %d: %q, %v", i, got, err)
		}
		<-gone
	}
	if n := srv.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestUnaskedReply has a server send a second reply by itself: the next request must not get it.
func TestUnaskedReply(t *testing.T) {
	sent := make(chan struct{}, 9)
	srv := serveRaw(t, func(n int, c net.Conn) {
		for {
			if _, _, err := readRequest(c); err != nil {
				return
			}
			_, _ = io.WriteString(c, hi)
			if n == 1 {
				_, _ = io.WriteString(c, ok+"Content-Length: 4\r\n\r\nevil")
			}
			sent <- struct{}{}
		}
	})
	tr := client(t, Options{})
	for range 2 {
		if got, err := get(t, tr, post(t, t.Context(), srv.url(), "{}")); got != "hi" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		<-sent
	}
}

// TestBreakInUse has a server that reads a request on a used connection and hangs up: only what may be repeated is.
func TestBreakInUse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(*http.Request)
		reply string
		again bool
	}{
		{"POST", func(*http.Request) {}, "", false},
		{"GET", func(r *http.Request) { r.Method, r.Body, r.ContentLength = "GET", nil, 0 }, "", true},
		{"idempotency key", func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") }, "", true},
		{"no way to rewind", func(r *http.Request) { r.Header.Set("Idempotency-Key", "k"); r.GetBody = nil }, "", false},
		{"reply begun", func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") }, "H", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int32
			srv := serveRaw(t, func(n int, c net.Conn) {
				for i := 0; ; i++ {
					if _, _, err := readRequest(c); err != nil {
						return
					}
					requests.Add(1)
					if n == 1 && i == 1 {
						_, _ = io.WriteString(c, tt.reply)
						return
					}
					_, _ = io.WriteString(c, hi)
				}
			})
			tr := client(t, Options{})
			if _, err := get(t, tr, post(t, t.Context(), srv.url(), "{}")); err != nil {
				t.Fatal(err)
			}
			req := post(t, t.Context(), srv.url(), "{}")
			tt.edit(req)
			got, err := get(t, tr, req)
			want := int32(2)
			if tt.again {
				want = 3
			}
			if (err == nil) != tt.again || tt.again && got != "hi" || requests.Load() != want {
				t.Errorf("%q, %v, %d requests", got, err, requests.Load())
			}
			if e, ok := errors.AsType[*Error](err); !tt.again && (!ok || e.Phase != Head) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestEarlyRefusal has a server answer and hang up before it has read the body.
func TestEarlyRefusal(t *testing.T) {
	srv := serveRaw(t, func(_ int, c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 100))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, c, 1<<20) // and then it is tired of it
	})
	tr := client(t, Options{})
	resp, err := tr.RoundTrip(post(t, t.Context(), srv.url(), strings.Repeat("x", 32<<20)))
	if err != nil {
		if e, ok := errors.AsType[*Error](err); !ok || e.Phase != Write { // the reset may have overtaken the answer
			t.Error(err)
		}
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestCloseEarly(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		reuse     bool
	}{
		{"all here", ok + "Content-Length: 5\r\n\r\nhello", true},
		{"all chunks here", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n", true},
		{"more to come", ok + "Content-Length: 6\r\n\r\nhello", false},
		{"more chunks to come", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nab", false},
		{"to the end", ok + "\r\nhello", false},
	} {
		for n := range 4 {
			resp, conn, err := exchangeStored(t, http.MethodPost, strings.NewReader(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, n)); err != nil {
				t.Error(err)
			}
			for range 2 {
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			if conn.closed == tt.reuse {
				t.Errorf("%s, %d bytes read: connection closed: %v", tt.name, n, conn.closed)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("read after close: %v", err)
			}
		}
	}
}

func TestCloseWhileReading(t *testing.T) {
	srv := serveRaw(t, func(_ int, c net.Conn) {
		_, _, _ = readRequest(c)
		_, _ = io.WriteString(c, ok+"Content-Length: 9\r\n\r\nhi")
		_, _ = io.Copy(io.Discard, c)
	})
	resp, err := client(t, Options{}).RoundTrip(post(t, t.Context(), srv.url(), "{}"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(resp.Body, make([]byte, 2))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := resp.Body.Read(make([]byte, 9)); err == nil {
			t.Error("no error")
		}
	})
	_ = resp.Body.Close()
	wg.Wait()
}

// TestCancel ends a request in each phase, by its context.
func TestCancel(t *testing.T) {
	why := errors.New("the client has left")
	for _, phase := range []Phase{Dial, Write, Head, Body} {
		t.Run(string(phase), func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			stop := func() { cancel(why) }
			ended, returned := make(chan struct{}), make(chan struct{})
			srv := serveRaw(t, func(_ int, c net.Conn) {
				defer close(ended)
				switch phase {
				case Write: // reads nothing more until the client is gone
					_, _ = io.ReadFull(c, make([]byte, 1))
					stop()
					<-returned
				case Head:
					_, _, _ = readRequest(c)
					stop()
				case Body:
					_, _, _ = readRequest(c)
					_, _ = io.WriteString(c, ok+"Content-Length: 9\r\n\r\nhi")
				default:
				}
				_, _ = io.Copy(io.Discard, c) // ends when the client closes
			})
			o := Options{}
			if phase == Dial {
				o.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					stop()
					<-ctx.Done()
					return nil, ctx.Err()
				}
				close(ended)
			}
			tr := client(t, o)
			size := 2
			if phase == Write {
				size = 64 << 20
			}
			resp, err := tr.RoundTrip(post(t, ctx, srv.url(), strings.Repeat("x", size)))
			close(returned)
			if phase == Body {
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.ReadFull(resp.Body, make([]byte, 2))
				stop()
				_, err = resp.Body.Read(make([]byte, 9))
			}
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Phase != phase || !errors.Is(err, why) || !errors.Is(err, context.Canceled) || e.Timeout() {
				t.Errorf("error %v", err)
			}
			<-ended
		})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := client(t, Options{}).RoundTrip(post(t, ctx, "http://model.test/", "{}"))
	if !errors.Is(err, why) {
		t.Errorf("ended before it began: %v", err)
	}
}

// TestTimeouts runs in virtual time, over pipes.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		o     Options
		limit time.Duration // of the context
		phase Phase
		after time.Duration
	}{
		{name: "connect", o: Options{ConnectTimeout: 3 * time.Second}, phase: Dial, after: 3 * time.Second},
		{name: "head", o: Options{ResponseHeaderTimeout: 4 * time.Second}, phase: Head, after: 4 * time.Second},
		{name: "context", o: Options{ResponseHeaderTimeout: 9 * time.Second}, limit: 5 * time.Second, phase: Head, after: 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				tt.o.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
					if tt.phase != Dial {
						return ours, nil
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}
				ctx := t.Context()
				if tt.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.limit)
					defer cancel()
				}
				start := time.Now()
				_, err := client(t, tt.o).RoundTrip(post(t, ctx, "http://model.test/", "{}"))
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Phase != tt.phase || !e.Timeout() {
					t.Errorf("error %v", err)
				}
				if d := time.Since(start); d != tt.after {
					t.Errorf("after %v, want %v", d, tt.after)
				}
				_ = ours.Close()
			})
		})
	}
}

// TestHeaderTimeoutEndsThere has a body that takes longer than the head may.
func TestHeaderTimeoutEndsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() {
			_, _, _ = readRequest(theirs)
			_, _ = io.WriteString(theirs, ok+"Content-Length: 2\r\n\r\nh")
			time.Sleep(time.Minute) // virtual
			_, _ = io.WriteString(theirs, "i")
		}()
		tr := client(t, Options{ResponseHeaderTimeout: time.Second, DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
		if got, err := get(t, tr, post(t, t.Context(), "http://model.test/", "{}")); got != "hi" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestIdle looks at what the pool keeps: the latest used first, no more than it may, not for longer than it may.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, dialled atomic.Int32
		tr := client(t, Options{MaxIdlePerHost: 2, IdleTimeout: 10 * time.Second, DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			open.Add(1)
			dialled.Add(1)
			go func() {
				defer open.Add(-1)
				defer theirs.Close()
				for {
					if _, _, err := readRequest(theirs); err != nil {
						return
					}
					_, _ = io.WriteString(theirs, hi)
				}
			}()
			return ours, nil
		}})
		together := func(n int) {
			var all []*http.Response
			for range n {
				resp, err := tr.RoundTrip(post(t, t.Context(), "http://model.test/", "{}"))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, resp)
			}
			for _, resp := range all {
				if b, err := io.ReadAll(resp.Body); string(b) != "hi" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
				_ = resp.Body.Close()
			}
			synctest.Wait()
		}
		check := func(wantOpen, wantDialled int32) {
			t.Helper()
			if open.Load() != wantOpen || dialled.Load() != wantDialled {
				t.Errorf("%d open, %d dialled; want %d, %d", open.Load(), dialled.Load(), wantOpen, wantDialled)
			}
		}
		together(4)
		check(2, 4)
		time.Sleep(6 * time.Second)
		together(1) // uses the same one each time
		check(2, 4)
		time.Sleep(6 * time.Second) // the other one has been idle for too long
		together(1)
		check(1, 4)
		time.Sleep(21 * time.Second)
		synctest.Wait()
		check(0, 4)
		together(1)
		check(1, 5)
		tr.CloseIdleConnections()
		synctest.Wait()
		check(0, 5)
	})
}

func TestOpenFiles(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hi")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	before := openFiles(t)
	tr := client(t, Options{})
	for range 50 {
		if _, err := get(t, tr, post(t, t.Context(), srv.URL, "{}")); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	eventually(t, "files are closed", func() bool { return openFiles(t) <= before+1 })
}

// TestAllocations holds the ceiling of one exchange of 1 KB, both ways.
func TestAllocations(t *testing.T) {
	reply := []byte(ok + "Content-Type: application/json\r\nDate: Wed, 25 Nov 2026 04:05:06 GMT\r\nX-Request-Id: r\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	srv := serveRaw(t, func(_ int, c net.Conn) { answerAll(c, reply) })
	tr := client(t, Options{})
	body, sink := strings.Repeat("x", 1024), make([]byte, 2048)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := post(t, ctx, srv.url(), body)
	req.Header.Set("Authorization", "Bearer k")
	n := testing.AllocsPerRun(200, func() {
		if _, err := once(tr, req, sink); err != nil {
			t.Fatal(err)
		}
	})
	if n > 15 {
		t.Errorf("%v allocations, want at most 15", n)
	}
	t.Logf("%v allocations", n)
}
