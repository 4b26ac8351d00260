package sse

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// client is a ResponseWriter that notes each write and flush.
type client struct {
	mu     sync.Mutex
	log    []string
	fail   error
	broken error // for Flush
}

func (c *client) Header() http.Header { return http.Header{} }
func (c *client) WriteHeader(int)     {}
func (c *client) FlushError() error   { c.note("flush"); return c.broken }

func (c *client) Write(p []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	c.note(string(p))
	return len(p), nil
}

func (c *client) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, s)
}

func (c *client) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.log, "¦")
}

func TestWriter(t *testing.T) {
	c := &client{}
	w := NewWriter(c)
	for _, err := range []error{
		w.Data([]byte(`{"a":1}`)), w.Event("x", []byte("b")), w.Comment("hi"), w.Raw([]byte("id: 1\ndata: r\n\n")), w.Data(nil),
		w.Data([]byte("a\nevent: forged\r\n\r\ndata: x")), w.Event("x\ndata: forged", []byte("b")), w.Comment("hi\n\ndata: forged"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := "data: {\"a\":1}\n\n¦flush¦event: x\ndata: b\n\n¦flush¦: hi\n\n¦flush¦id: 1\ndata: r\n\n¦flush¦data: \n\n¦flush¦" +
		"data: a\ndata: event: forged\ndata: \ndata: data: x\n\n¦flush¦event: x\ndata: b\n\n¦flush¦: hi\n\n¦flush"
	if got := c.seen(); got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestWriterRoundTrip(t *testing.T) {
	rec := httptest.NewRecorder()
	w := NewWriter(rec)
	w.Event("x", []byte("a\n\nb"))
	w.Comment("c")
	w.Data([]byte(strings.Repeat("y", 2*keptRoom)))
	w.Data([]byte("z"))
	got, err := events(NewReader(rec.Body, 1<<20))
	if !errors.Is(err, io.EOF) || len(got) != 3 || got[0] != "x||a\n\nb" || len(got[1]) != 2*keptRoom+2 || got[2] != "||z" {
		t.Errorf("%d events, %v", len(got), err)
	}
	if cap(w.buf) > keptRoom {
		t.Errorf("keeps %d bytes", cap(w.buf))
	}
}

// plain is a ResponseWriter that cannot flush.
type plain struct{ http.ResponseWriter }

func TestWriterErrors(t *testing.T) {
	gone := errors.New("client gone")
	c := &client{fail: gone}
	w := NewWriter(c)
	if err := w.Data([]byte("a")); !errors.Is(err, gone) {
		t.Error(err)
	}
	c.fail = nil
	if err := w.Comment("b"); !errors.Is(err, gone) || c.seen() != "" {
		t.Errorf("after a failure: %v, wrote %q", err, c.seen())
	}
	if err := NewWriter(&client{broken: gone}).Data([]byte("a")); !errors.Is(err, gone) {
		t.Error(err)
	}
	if err := NewWriter(plain{httptest.NewRecorder()}).Data([]byte("a")); err != nil {
		t.Errorf("a writer that cannot flush: %v", err)
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		w := NewWriter(c)
		stop := w.KeepAlive(15 * time.Second)
		const beat = keepAlive + "¦flush"
		check := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := c.seen(); got != want {
				t.Errorf("wrote %q, want %q", got, want)
			}
		}
		time.Sleep(14 * time.Second)
		check("")
		time.Sleep(time.Second)
		check(beat)
		time.Sleep(10 * time.Second) // 10 s after the comment
		w.Data([]byte("a"))
		time.Sleep(14 * time.Second) // 24 s after the comment, but 14 s after the event
		check(beat + "¦data: a\n\n¦flush")
		time.Sleep(time.Second)
		check(beat + "¦data: a\n\n¦flush¦" + beat)
		stop()
		stop()
		time.Sleep(time.Minute)
		check(beat + "¦data: a\n\n¦flush¦" + beat)
	})
}

// TestHeldBeforeKeepAlive wants an event that was held before KeepAlive to leave after a moment.
func TestHeldBeforeKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		w := NewWriter(c)
		_ = w.Hold([]byte("a"))
		defer w.KeepAlive(15 * time.Second)()
		time.Sleep(linger)
		synctest.Wait()
		if got := c.seen(); got != "data: a\n\n¦flush" {
			t.Errorf("wrote %q", got)
		}
		_ = w.Hold([]byte("b"))
		time.Sleep(linger)
		synctest.Wait()
		if got := c.seen(); got != "data: a\n\n¦flush¦data: b\n\n¦flush" {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestKeepAliveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		stop := NewWriter(c).KeepAlive(time.Second)
		stop()
		time.Sleep(time.Minute)
		if c.seen() != "" {
			t.Errorf("wrote %q after it was stopped", c.seen())
		}
		// A failed write ends it, too; without that, the test would never end.
		c = &client{fail: errors.New("gone")}
		NewWriter(c).KeepAlive(time.Second)
		time.Sleep(time.Minute)
		NewWriter(c).KeepAlive(0)()
	})
}

func TestHeldEventsWaitForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		w := NewWriter(c)
		defer w.KeepAlive(time.Second)()
		check := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := c.seen(); got != want {
				t.Errorf("wrote %q, want %q", got, want)
			}
		}
		w.Hold([]byte("a"))
		time.Sleep(4 * time.Millisecond)
		w.Hold([]byte("b"))
		check("data: a\n\n¦data: b\n\n")
		time.Sleep(time.Millisecond)
		check("data: a\n\n¦data: b\n\n¦flush")
		time.Sleep(999 * time.Millisecond)
		check("data: a\n\n¦data: b\n\n¦flush")
		time.Sleep(time.Millisecond)
		check("data: a\n\n¦data: b\n\n¦flush¦" + keepAlive + "¦flush")
	})
}

func TestWriterAllocations(t *testing.T) {
	w := NewWriter(&discard{})
	p := []byte(`{"a":1}`)
	do := func() {
		w.Data(p)
		w.Event("x", p)
		w.Comment("c")
		w.Raw(p)
	}
	do()
	if n := testing.AllocsPerRun(100, do); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

type discard struct{ client }

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
func (*discard) FlushError() error           { return nil }

func TestKeepAliveWithAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{}
		w := NewWriter(c)
		const ping = "event: ping\ndata: {}\n\n"
		w.KeepAliveWith(ping)
		stop := w.KeepAlive(15 * time.Second)
		defer stop()
		if err := w.HoldEvent("a", []byte("b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if got, want := c.seen(), "event: a\ndata: b\n\n¦flush¦"+ping+"¦flush"; got != want {
			t.Errorf("wrote %q, want %q", got, want)
		}
	})
}
