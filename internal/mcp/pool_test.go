package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

func wantCounts(t *testing.T, f *fakeServer, dials, lists int) {
	t.Helper()
	synctest.Wait()
	if d, l, _ := f.counts(); d != dials || l != lists {
		t.Errorf("%d sessions and %d listings, want %d and %d", d, l, dials, lists)
	}
}

func TestSessionsAndListsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		for range 3 {
			b := open(t, c, ask("fairlead"))
			if res := run(t, b, "a-read", "{}"); res.Text != "ok" {
				t.Errorf("result %q", res.Text)
			}
		}
		wantCounts(t, f, 1, 1)
	})
}

func TestSessionPerCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read")}
		c := newCatalogue(t, fakes{"a": f}, Options{Sessions: 2, Idle: time.Minute}, webServer("a"))
		as := func(user string) {
			sel := ask("fairlead")
			sel.Header = header("X-Mcp-A-Authorization", user)
			open(t, c, sel)
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		as("alice")
		as("bob")
		as("alice")
		wantCounts(t, f, 2, 2)
		as("carol") // the third: bob makes room, who came least recently
		wantCounts(t, f, 3, 3)
		if f.open() != 2 || !f.sessions[1].closed {
			t.Error("bob's session is not the one that was closed")
		}
		as("alice")
		wantCounts(t, f, 3, 3)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := f.open(); n != 0 {
			t.Errorf("%d sessions with credentials are open that nobody has used for a minute", n)
		}
		if got := f.headers[0].Get("Authorization"); got != "alice" {
			t.Errorf("dialled with %q", got)
		}
	})
}

func TestCallersHeaderReplacesTheConfigs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read")}
		s := webServer("a")
		s.Headers = map[string]string{"authorization": "Bearer config", "X-Keep": "1"}
		c := newCatalogue(t, fakes{"a": f}, Options{}, s)
		sel := ask("fairlead")
		sel.Header = header("X-Mcp-A-Authorization", "Bearer mine")
		open(t, c, sel)
		if h := f.servers[0].Headers; len(h) != 1 || h["X-Keep"] != "1" {
			t.Errorf("the config's headers are %v", h)
		}
		if len(s.Headers) != 2 {
			t.Error("the config was changed")
		}
	})
}

func TestChildProcessIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read")}
		c := newCatalogue(t, fakes{"a": f}, Options{Idle: time.Minute}, childServer("a"))
		for _, user := range []string{"alice", "bob"} {
			sel := ask("fairlead")
			sel.Header = header("X-Mcp-A-Authorization", user)
			open(t, c, sel)
		}
		time.Sleep(3 * time.Minute)
		open(t, c, ask("fairlead"))
		wantCounts(t, f, 1, 1)
	})
}

func TestTooManySessionsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read"), call: func(ctx context.Context, _ ToolCall) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }}
		c := newCatalogue(t, fakes{"a": f}, Options{Sessions: 1}, webServer("a"))
		sel := ask("fairlead")
		sel.Header = header("X-Mcp-A-Authorization", "alice")
		b := open(t, c, sel)
		go func() { _, _ = b.Call(t.Context(), llm.Call{Name: "a-read", Arguments: ""}) }()
		synctest.Wait()
		_, err := c.Open(t.Context(), ask("fairlead"))
		if e := fault.From(err); e.Code != "mcp_list_failed" || !strings.Contains(e.Message, "too many sessions") {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		open(t, c, ask("fairlead"))
	})
}

func TestListingIsOneForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read"), dialTime: time.Second, listTime: time.Second}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		leaving, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Open(leaving, ask("fairlead")); fault.KindOf(err) != fault.Canceled {
				t.Errorf("the one who left got %v", err)
			}
		})
		for range 3 {
			wg.Go(func() { open(t, c, ask("fairlead")) })
		}
		time.Sleep(500 * time.Millisecond)
		leave() // the first to ask leaves; the others still get the list
		wg.Wait()
		wantCounts(t, f, 1, 1)
		if f.cancelled != 0 {
			t.Error("the listing ended with the one who left")
		}
	})
}

func TestStaleWhileRefreshing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("old")}
		s := webServer("a")
		s.ListTTL = time.Minute
		c := newCatalogue(t, fakes{"a": f}, Options{}, s)
		open(t, c, ask("fairlead"))
		f.set(func() { f.tools, f.listTime = defs("new"), 5*time.Second })
		time.Sleep(59 * time.Second)
		open(t, c, ask("fairlead"))
		wantCounts(t, f, 1, 1)
		time.Sleep(time.Second)
		for range 3 { // out of date: served at once, refreshed once
			at := time.Now()
			if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"a-old"}) || time.Since(at) != 0 {
				t.Errorf("got %q after %v", got, time.Since(at))
			}
		}
		wantCounts(t, f, 1, 2)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"a-new"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestOldListIsNotOfferedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("old")}
		c := newCatalogue(t, fakes{"a": f}, Options{ListTTL: time.Minute, StaleTime: 10 * time.Minute}, webServer("a"))
		open(t, c, ask("fairlead"))
		f.set(func() { f.listErr = &Unavailable{Message: "the server answered 503"} })
		for range 10 {
			time.Sleep(time.Minute)
			synctest.Wait()
			open(t, c, ask("fairlead"))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, err := c.Open(t.Context(), ask("fairlead")); err == nil || !strings.Contains(fault.From(err).Message, "503") {
			t.Errorf("got %v", err)
		}
		f.set(func() { f.listErr, f.tools = nil, defs("new") })
		time.Sleep(time.Minute)
		if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"a-new"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestChangedRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("old")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		open(t, c, ask("fairlead"))
		time.Sleep(time.Minute)
		f.set(func() { f.tools = defs("new") })
		for range 100 { // a burst is two listings: one at once, one for what came while it ran
			f.last().changed()
		}
		time.Sleep(10 * time.Second)
		wantCounts(t, f, 1, 3)
		if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"a-new"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestDeadServerDelaysOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeServer{tools: defs("read"), dialTime: time.Hour}
		good := &fakeServer{tools: defs("fetch")}
		c := newCatalogue(t, fakes{"dead": dead, "good": good}, Options{}, webServer("dead"), webServer("good"))
		at := time.Now()
		took := func() time.Duration { d := time.Since(at); at = time.Now(); return d }
		b := open(t, c, ask("fairlead"))
		if d := took(); d != 10*time.Second {
			t.Errorf("the first request waited %v", d)
		}
		if got := offered(b); !slices.Equal(got, []string{"good-fetch"}) {
			t.Errorf("offered %q", got)
		}
		if e := b.Errors(); len(e) != 1 || e[0].Server != "dead" || e[0].Error != "its tools could not be listed within 10s" {
			t.Errorf("errors %v", e)
		}
		for range 5 {
			open(t, c, ask("fairlead"))
		}
		if d := took(); d != 0 {
			t.Errorf("five requests that followed waited %v", d)
		}
		var worst time.Duration
		for range 200 {
			time.Sleep(time.Second)
			took()
			open(t, c, ask("fairlead"))
			worst = max(worst, took())
		}
		if worst > 500*time.Millisecond {
			t.Errorf("a later request waited %v", worst)
		}
	})
}

func TestServerThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read"), dialErr: &Unavailable{Message: "connection refused"}}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		for range 3 {
			_, err := c.Open(t.Context(), ask("fairlead/mcp/a"))
			if e := fault.From(err); e.Kind != fault.Dependency || e.Code != "mcp_list_failed" || !strings.Contains(e.Message, "a: connection refused") {
				t.Fatalf("got %v", err)
			}
		}
		wantCounts(t, f, 1, 0)
		f.set(func() { f.dialErr = nil })
		time.Sleep(5 * time.Second)
		open(t, c, ask("fairlead"))
		if st := c.Status(); st[0].Error != "" || st[0].Tools != 1 || st[0].Sessions != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestSlowStartIsNotThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("read"), dialTime: 20 * time.Second}
		c := newCatalogue(t, fakes{"a": f}, Options{}, childServer("a"))
		if _, err := c.Open(t.Context(), ask("fairlead")); err == nil {
			t.Error("listed in 10 s")
		}
		time.Sleep(11 * time.Second)
		open(t, c, ask("fairlead"))
		wantCounts(t, f, 1, 1)
	})
}

func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, down := &fakeServer{tools: defs("x")}, &fakeServer{tools: defs("y")}, &fakeServer{dialErr: errors.New("dial tcp 10.1.2.3:80: refused")}
		needs := webServer("b")
		needs.ForwardHeaders = []string{"authorization"}
		c := newCatalogue(t, fakes{"a": a, "b": b, "down": down}, Options{}, childServer("a"), needs, webServer("down"))
		c.Warm()
		wantCounts(t, a, 1, 1)
		wantCounts(t, b, 0, 0)
		wantCounts(t, down, 1, 0)
		st := c.Status()
		if st[0].Tools != 1 || st[2].Error != "the server could not be reached" {
			t.Errorf("status %+v", st)
		}
		c.Warm()
		wantCounts(t, a, 1, 1)
	})
}

func TestApplyKeepsWhatHasNotChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &fakeServer{tools: defs("x")}, &fakeServer{tools: defs("y")}
		release := make(chan struct{})
		b.call = func(context.Context, ToolCall) ([]byte, error) { <-release; return []byte(`{}`), nil }
		c := newCatalogue(t, fakes{"a": a, "b": b}, Options{}, childServer("a"), childServer("b"))
		box := open(t, c, ask("fairlead"))
		go func() { _, _ = box.Call(t.Context(), llm.Call{Name: "b-y", Arguments: "{}"}) }()
		synctest.Wait()

		other := childServer("b")
		other.Timeout = time.Second
		c.Apply([]Server{other, childServer("a")})
		synctest.Wait()
		if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"b-y", "a-x"}) {
			t.Errorf("offered %q", got)
		}
		wantCounts(t, a, 1, 1)
		wantCounts(t, b, 2, 2)
		if b.open() != 2 {
			t.Error("the old session was closed under its call")
		}
		close(release)
		synctest.Wait()
		if b.open() != 1 {
			t.Errorf("%d sessions open", b.open())
		}
		if res := run(t, box, "b-y", "{}"); res.IsError {
			t.Errorf("a request that was under way: %s", res.Text)
		}
		c.Apply(nil)
		synctest.Wait()
		if a.open() != 0 || b.open() != 0 {
			t.Error("sessions of removed servers are open")
		}
		if res := run(t, box, "b-y", "{}"); res.Text != "Error: the MCP server b: the server is not configured any more" {
			t.Errorf("got %q", res.Text)
		}
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		f.call = func(ctx context.Context, _ ToolCall) ([]byte, error) {
			<-f.last().Done()
			return nil, &LostError{Message: "the session was closed"}
		}
		c := newCatalogue(t, fakes{"a": f}, Options{Drain: 5 * time.Second}, childServer("a"))
		box := open(t, c, ask("fairlead"))
		at := time.Now()
		done := make(chan struct{})
		go func() { defer close(done); _, _ = box.Call(t.Context(), llm.Call{Name: "a-x"}) }()
		synctest.Wait()
		c.Apply(nil)
		<-done
		if d := time.Since(at); d != 5*time.Second {
			t.Errorf("the call ended after %v", d)
		}
	})
}

func TestChildProcessIsRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("old")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, childServer("a"))
		open(t, c, ask("fairlead"))
		time.Sleep(time.Minute)
		f.set(func() { f.tools = defs("new") })
		f.last().die()
		time.Sleep(3 * time.Second)
		wantCounts(t, f, 2, 2)
		if got := offered(open(t, c, ask("fairlead"))); !slices.Equal(got, []string{"a-new"}) {
			t.Errorf("offered %q", got)
		}
		before, _, _ := f.counts()
		for range 600 { // it keeps ending: not more often than backoff allows
			time.Sleep(time.Second)
			synctest.Wait()
			f.last().die()
		}
		after, _, _ := f.counts()
		if n := after - before; n < 5 || n > 40 {
			t.Errorf("%d restarts in ten minutes", n)
		}
	})
}

func TestWebSessionIsOpenedWhenNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		c := newCatalogue(t, fakes{"a": f}, Options{}, webServer("a"))
		b := open(t, c, ask("fairlead"))
		f.last().die()
		time.Sleep(time.Minute)
		wantCounts(t, f, 1, 1)
		if res := run(t, b, "a-x", ""); res.IsError {
			t.Error(res.Text)
		}
		wantCounts(t, f, 2, 1)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, f := &fakeServer{dialTime: time.Hour}, &fakeServer{tools: defs("x")}
		c := New(fakes{"slow": slow, "a": f}.dial, Options{})
		c.Apply([]Server{webServer("slow"), childServer("a")})
		c.Warm()
		synctest.Wait()
		at := time.Now()
		c.Close()
		if time.Since(at) != 0 || f.open() != 0 || slow.cancelled != 1 {
			t.Errorf("%d sessions open, %d openings cancelled, %v", f.open(), slow.cancelled, time.Since(at))
		}
		c.Warm()
		c.Apply([]Server{webServer("a")})
		if _, err := c.Open(context.Background(), ask("fairlead")); err == nil {
			t.Error("a closed catalogue opened a server")
		}
		c.Close()
	})
}

func TestExternalServersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{tools: defs("x")}
		dial := func(ctx context.Context, _ Server, h http.Header, changed func()) (Session, error) {
			return fakes{"x": f}.dial(ctx, Server{Name: "x"}, h, changed)
		}
		c := New(dial, Options{Idle: time.Minute})
		defer c.Close()
		for i := range 200 {
			sel := ask("https://e.example/" + strings.Repeat("x", i+1))
			sel.External = []string{"e.example"}
			open(t, c, sel)
			synctest.Wait()
			if n := f.open(); n > maxExternal {
				t.Fatalf("%d sessions are open", n)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := f.open(); n != 0 {
			t.Errorf("%d sessions are open that nobody uses", n)
		}
	})
}

func TestLogHidesTheURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := webServer("a")
		s.URL = "https://a.example/mcp?key=s3cret"
		f := &fakeServer{dialErr: &Unavailable{Message: "connection refused", Err: fmt.Errorf("Post %q: dial tcp: refused by peer", s.URL)}}
		var log strings.Builder
		c := New(fakes{"a": f}.dial, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		c.Apply([]Server{s})
		_, _ = c.Open(t.Context(), ask("fairlead"))
		c.Close()
		if got := log.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "refused by peer") || !strings.Contains(got, "server=a") {
			t.Errorf("the log says %s", got)
		}
	})
}
