package upstream

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

// recorded returns the methods of a child's record, and how many processes wrote it.
func recorded(t *testing.T, file string) (methods []string, processes int) {
	t.Helper()
	rs, err := mcptest.ReadRecord(file)
	if err != nil {
		t.Fatal(err)
	}
	pids := make(map[int]bool)
	for _, r := range rs {
		methods = append(methods, r.Method)
		pids[r.PID] = true
	}
	return methods, len(pids)
}

func TestStdioEra(t *testing.T) {
	for _, tt := range []struct {
		name      string
		spec      mcptest.Spec
		pin       string
		rev       string
		methods   []string
		processes int
	}{
		{"both eras", mcptest.Spec{}, "auto", revModern, []string{"server/discover"}, 1},
		{"modern only", mcptest.Spec{Era: "modern"}, "", revModern, []string{"server/discover"}, 1},
		{"legacy only", mcptest.Spec{Era: "legacy"}, "", revLegacy, []string{"server/discover", "initialize"}, 1},
		{"chooses an old revision", mcptest.Spec{Era: "legacy", Revision: "2024-11-05"}, "", "2024-11-05", []string{"server/discover", "initialize"}, 1},
		{"silent on the probe", mcptest.Spec{HangOnDiscover: true, Era: "legacy"}, "", revLegacy, []string{"server/discover", "initialize"}, 1},
		{"ends on the probe", mcptest.Spec{ExitOnDiscover: true}, "", revLegacy, []string{"server/discover", "initialize"}, 2},
		{"pinned to a handshake", mcptest.Spec{}, "2025-06-18", "2025-06-18", []string{"initialize"}, 1},
		{"pinned to the stateless era", mcptest.Spec{}, revModern, revModern, []string{"server/discover"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watchLeaks(t)
			file := filepath.Join(t.TempDir(), "record")
			tt.spec.Record = file
			tt.spec.Tools = []mcptest.Tool{{Name: "say", Text: "hello"}}
			m := asChild(tt.spec)
			m.Protocol = tt.pin
			d := dialer(t, Options{Probe: 2 * time.Second})
			if tt.spec.HangOnDiscover {
				d.o.Probe = 50 * time.Millisecond
			}
			s := open(t, d, m)
			if res, err := try(t, s, "say", "{}"); err != nil || s.rev != tt.rev || !strings.Contains(res, "hello") {
				t.Errorf("revision %s, want %s; %s, %v", s.rev, tt.rev, res, err)
			}
			all, processes := recorded(t, file)
			var opening []string
			for _, method := range all {
				if method == "server/discover" || method == "initialize" {
					opening = append(opening, method)
				}
			}
			if !slices.Equal(opening, tt.methods) || processes != tt.processes {
				t.Errorf("opened by %v in %d processes, want %v in %d", opening, processes, tt.methods, tt.processes)
			}
			before := len(all)
			if again := open(t, d, m); again.rev != tt.rev {
				t.Errorf("again: %s", again.rev)
			}
			all, _ = recorded(t, file)
			if tt.rev != revModern && slices.Contains(all[before:], "server/discover") {
				t.Errorf("what the server speaks was not remembered: %v", all[before:])
			}
		})
	}
}

func TestStdioSlowStart(t *testing.T) {
	watchLeaks(t)
	// A server of the stateless era that answers only after the time for the probe is found by its refusal of the handshake.
	m := asChild(mcptest.Spec{Era: "modern", Tools: []mcptest.Tool{{Name: "say"}}})
	d := dialer(t, Options{Probe: time.Nanosecond})
	if s := open(t, d, m); s.rev != revModern {
		t.Errorf("revision %s", s.rev)
	}
}

func TestStdioDies(t *testing.T) {
	watchLeaks(t)
	s := open(t, dialer(t, Options{}), asChild(mcptest.Spec{Tools: []mcptest.Tool{{Name: "die", Do: mcptest.Die}, {Name: "hang", Do: mcptest.Hang}}}))
	other := make(chan error, 1)
	go func() {
		_, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "hang"})
		other <- err
	}()
	_, err := try(t, s, "die", "{}")
	want := "the process ended with status 3: dying at … as told"
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || e.Unsent || e.Message != want || !strings.Contains(e.Err.Error(), "/secret/place") {
		t.Errorf("%#v", err)
	}
	if e, ok := errors.AsType[*mcp.LostError](<-other); !ok || e.Message != want {
		t.Errorf("the other call: %v", e)
	}
	<-s.Done()
	_, err = try(t, s, "hang", "{}")
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || !e.Unsent {
		t.Errorf("after the end: %#v", err)
	}
}

func TestStdioCannotStart(t *testing.T) {
	watchLeaks(t)
	d := dialer(t, Options{})
	for _, tt := range []struct {
		name   string
		server mcp.Server
		want   string
	}{
		{"no such command", mcp.Server{Name: "x", Command: []string{"/nowhere/at-all"}}, "the server's command could not be started"},
		{"no command", mcp.Server{Name: "x", Transport: "stdio"}, "the server has no command"},
		{"nothing", mcp.Server{Name: "x"}, "the server has neither a command nor a URL"},
		{"ends at once", asChild(mcptest.Spec{ExitAtStart: true}), "the process ended with status 3: dying at … as told"},
		{"killed", mcp.Server{Name: "x", Command: []string{"sh", "-c", "kill -9 $$"}}, `the process ended with signal "killed"`},
	} {
		_, err := d.Dial(t.Context(), tt.server, nil, nil)
		if err == nil || mcp.SafeMessage(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestStdioDeaf opens a session with a process that neither reads nor writes: the context of the opening bounds it.
func TestStdioDeaf(t *testing.T) {
	watchLeaks(t)
	m := asChild(mcptest.Spec{})
	m.Command = []string{"sleep", "600"}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := dialer(t, Options{Probe: 50 * time.Millisecond}).Dial(ctx, m, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestStdioStuffed fills the input of a process that does not read it: the session is lost, and nothing blocks for ever.
func TestStdioStuffed(t *testing.T) {
	watchLeaks(t)
	m := asChild(mcptest.Spec{})
	m.Protocol = revLegacy
	// It answers the handshake without reading on.
	m.Command = []string{"sh", "-c", `read x; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}'; exec sleep 600`}
	s := open(t, dialer(t, Options{Write: 100 * time.Millisecond}), m)
	_, err := try(t, s, "x", `{"big":"`+strings.Repeat("x", 1<<20)+`"}`)
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || e.Message != "the process stopped reading its input" {
		t.Errorf("%v", err)
	}
}

func TestStdioClosesOutput(t *testing.T) {
	watchLeaks(t)
	m := asChild(mcptest.Spec{})
	m.Protocol = revLegacy
	m.Command = []string{"sh", "-c", `read x; echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}'; exec >&-; exec sleep 600`}
	s := open(t, dialer(t, Options{}), m)
	_, err := try(t, s, "x", `{}`)
	if e, ok := errors.AsType[*mcp.LostError](err); !ok || e.Message != "the process closed its output" {
		t.Errorf("%v", err)
	}
}

// TestStdioKillsGroup ends a server that ignores the end of its input and SIGTERM, together with its own child.
func TestStdioKillsGroup(t *testing.T) {
	for _, how := range []string{"closed", "died"} {
		t.Run(how, func(t *testing.T) {
			watchLeaks(t)
			s := open(t, dialer(t, Options{Grace: 50 * time.Millisecond}), asChild(mcptest.Spec{
				Stubborn: how == "closed", Spawn: true, Tools: []mcptest.Tool{{Name: "say"}, {Name: "die", Do: mcptest.Die}},
			}))
			if _, err := try(t, s, "say", "{}"); err != nil {
				t.Fatal(err)
			}
			if n := len(children(t)); n != 2 {
				t.Fatalf("%d processes, want 2", n)
			}
			if how == "died" {
				_, _ = try(t, s, "die", "{}")
				<-s.Done()
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "all processes have ended", func() bool { return len(children(t)) == 0 })
		})
	}
}

func TestStdioEnvironment(t *testing.T) {
	watchLeaks(t)
	t.Setenv("FAIRLEAD_TEST_SECRET", "leaked")
	m := asChild(mcptest.Spec{Tools: []mcptest.Tool{{Name: "env", Do: mcptest.Env}}})
	m.Env["GIVEN"] = "yes"
	res, err := try(t, open(t, dialer(t, Options{}), m), "env", "{}")
	if err != nil || strings.Contains(res, "leaked") || !strings.Contains(res, `GIVEN=yes`) || !strings.Contains(res, "PATH=") || !strings.Contains(res, "HOME=") {
		t.Errorf("%s, %v", res, err)
	}
	if n := strings.Count(res, `\n`); n != 4 { // GIVEN, HOME, PATH and the two of the scripted server
		t.Errorf("%d lines: %s", n+1, res)
	}
}

func TestStdioLimits(t *testing.T) {
	watchLeaks(t)
	spec := mcptest.Spec{Noise: true, Tools: []mcptest.Tool{{Name: "flood", Do: mcptest.Flood, Count: 100 << 10}, {Name: "say", Text: "hello"}}}
	s := open(t, dialer(t, Options{MaxResult: 64 << 10}), asChild(spec))
	if _, err := try(t, s, "flood", "{}"); mcp.SafeMessage(err) != "the answer is larger than the limit of 64 KiB" {
		t.Errorf("%v", err)
	}
	if res, err := try(t, s, "say", "{}"); err != nil || !strings.Contains(res, "hello") {
		t.Errorf("afterwards: %s, %v", res, err)
	}
	s = open(t, dialer(t, Options{MaxLine: 64 << 10}), asChild(spec))
	if _, err := try(t, s, "flood", "{}"); mcp.SafeMessage(err) != "the process sent a line longer than the limit of 64 KiB" {
		t.Errorf("%v", err)
	}
	<-s.Done()
}

func TestPending(t *testing.T) {
	watchLeaks(t)
	m := asChild(mcptest.Spec{Era: "legacy", Tools: []mcptest.Tool{{Name: "hang", Do: mcptest.Hang}}})
	s := open(t, dialer(t, Options{MaxPending: 2}), m)
	errs := make(chan error, 2)
	for range cap(errs) {
		go func() {
			_, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "hang"})
			errs <- err
		}()
	}
	eventually(t, "two calls are under way", func() bool {
		s.peer.mu.Lock()
		defer s.peer.mu.Unlock()
		return len(s.calls) == 2
	})
	if _, err := try(t, s, "hang", "{}"); mcp.SafeMessage(err) != "too many calls at once for this server" {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range cap(errs) {
		if err := <-errs; mcp.SafeMessage(err) != "the session was closed" {
			t.Errorf("%v", err)
		}
	}
}

func TestDiscreet(t *testing.T) {
	for in, want := range map[string]string{
		"Error: cannot open /etc/secret: no":              "Error: cannot open … no",
		"connect to 10.0.0.1:80 (or [::1]:5) failed":      "connect to … (or … failed",
		"see https://user:pw@host/x and a@b.c \\\\srv\\x": "see … and … …",
		"plain words, 3.5 of them":                        "plain words, 3.5 of them",
	} {
		if got := discreet(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := discreet(strings.Repeat("é", 500)); len([]rune(got)) != maxShown+1 {
		t.Errorf("%d runes", len([]rune(got)))
	}
}
