package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

func TestMain(m *testing.M) {
	mcptest.Main()
	os.Exit(m.Run())
}

// patience bounds how long a test waits for a condition.
const patience = 20 * time.Second

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to this: %s", what)
		}
	}
}

// watchLeaks fails the test if a goroutine of this package or a child process is left when all else has been cleaned up.
func watchLeaks(t *testing.T) {
	t.Helper()
	before := children(t)
	t.Cleanup(func() {
		eventually(t, "no goroutine of a session is left", func() bool { return ours() == "" })
		eventually(t, "no child process is left", func() bool {
			return !slices.ContainsFunc(children(t), func(pid int) bool { return !slices.Contains(before, pid) })
		})
	})
}

// ours returns the stacks of goroutines that run this package's code, tests aside.
func ours() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "internal/mcp/upstream.(*") && !strings.Contains(g, "_test.go") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// children lists the descendants of this process, by the environment that marks scripted servers: also those that were
// orphaned.
func children(t *testing.T) []int {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, d := range dirs {
		env, _ := os.ReadFile(d + "/environ")
		if strings.Contains(string(env), "MCPTEST_SERVER=") && strings.Contains(string(env), "MCPTEST_OWNER="+strconv.Itoa(os.Getpid())) {
			pid, _ := strconv.Atoi(filepath.Base(d))
			pids = append(pids, pid)
		}
	}
	return pids
}

func dialer(t *testing.T, o Options) *Dialer {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.Grace == 0 {
		o.Grace = 300 * time.Millisecond
	}
	d := New(o)
	t.Cleanup(d.Close)
	return d
}

// child returns the config of a server that runs as a process.
func asChild(s mcptest.Spec) mcp.Server {
	argv, env := s.Command()
	env["MCPTEST_OWNER"] = strconv.Itoa(os.Getpid())
	return mcp.Server{Name: "child", Command: argv, Env: env}
}

// web starts a server over streamable HTTP.
func overHTTP(t *testing.T, s mcptest.Spec) (*mcptest.Server, mcp.Server) {
	t.Helper()
	srv := mcptest.New(s)
	ts := httptest.NewServer(srv.HTTP())
	t.Cleanup(func() { srv.Close(); ts.Close() })
	return srv, mcp.Server{Name: "web", URL: ts.URL + "/mcp"}
}

func overSSE(t *testing.T, s mcptest.Spec) (*mcptest.Server, mcp.Server) {
	t.Helper()
	srv := mcptest.New(s)
	ts := httptest.NewServer(srv.SSE())
	t.Cleanup(func() { srv.Close(); ts.Close() })
	return srv, mcp.Server{Name: "events", URL: ts.URL + "/sse"}
}

func open(t *testing.T, d *Dialer, s mcp.Server) *session {
	t.Helper()
	return openWith(t, d, s, nil, nil)
}

func openWith(t *testing.T, d *Dialer, s mcp.Server, h http.Header, changed func()) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ss, err := d.Dial(ctx, s, h, changed)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() {
		if err := ss.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return ss.(*session)
}

func try(t *testing.T, s mcp.Session, name, args string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	res, err := s.CallTool(ctx, mcp.ToolCall{Name: name, Arguments: []byte(args)})
	return string(res), err
}

func list(t *testing.T, s mcp.Session) []string {
	t.Helper()
	tools, err := s.ListTools(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var names []string
	for _, tool := range tools {
		names = append(names, tool.Name)
	}
	return names
}

// transports are all the ways to reach a server of a spec.
var transports = []struct {
	name string
	rev  string // expected
	open func(t *testing.T, s mcptest.Spec) mcp.Server
}{
	{"stdio", revModern, func(t *testing.T, s mcptest.Spec) mcp.Server { return asChild(s) }},
	{"stdio legacy", revLegacy, func(t *testing.T, s mcptest.Spec) mcp.Server {
		s.Era = "legacy"
		return asChild(s)
	}},
	{"http", revModern, func(t *testing.T, s mcptest.Spec) mcp.Server { _, m := overHTTP(t, s); return m }},
	{"http json", revModern, func(t *testing.T, s mcptest.Spec) mcp.Server {
		s.JSON = true
		_, m := overHTTP(t, s)
		return m
	}},
	{"http legacy", revLegacy, func(t *testing.T, s mcptest.Spec) mcp.Server {
		s.Era = "legacy"
		_, m := overHTTP(t, s)
		return m
	}},
	{"http legacy json stateless", "2025-03-26", func(t *testing.T, s mcptest.Spec) mcp.Server {
		s.Era, s.JSON, s.Stateless, s.Revision = "legacy", true, true, "2025-03-26"
		_, m := overHTTP(t, s)
		return m
	}},
	{"sse", revFirst, func(t *testing.T, s mcptest.Spec) mcp.Server {
		s.Revision = revFirst
		_, m := overSSE(t, s)
		return m
	}},
}

func each(t *testing.T, f func(t *testing.T, server func(mcptest.Spec) mcp.Server, rev string)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			watchLeaks(t)
			f(t, func(s mcptest.Spec) mcp.Server { return tr.open(t, s) }, tr.rev)
		})
	}
}

func TestListAndCall(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, rev string) {
		s := open(t, dialer(t, Options{}), server(mcptest.Spec{PageSize: 2, Tools: []mcptest.Tool{
			{Name: "echo", Do: mcptest.Echo, Description: "Says \"it\" back", Schema: []byte(`{"type":"object","x-unknown":12345678901234567890}`), Annotations: []byte(`{"readOnlyHint":true,"idempotentHint":true}`)},
			{Name: "a/b c", Text: "odd name"},
			{Name: "fail", Do: mcptest.Fail, Text: "broken"},
			{Name: "refuse", Do: mcptest.Refuse, Text: "not today"},
			{Name: "raw", Result: []byte(`{"content":[{"type":"novel","n":1.0}],"structuredContent":{"big":9007199254740993},"_meta":{"x":1}}`)},
		}}))
		if s.rev != rev {
			t.Errorf("revision %s, want %s", s.rev, rev)
		}
		tools, err := s.ListTools(t.Context())
		if err != nil || len(tools) != 5 {
			t.Fatalf("%d tools, %v", len(tools), err)
		}
		e := tools[0]
		if e.Name != "echo" || e.Description != `Says "it" back` || !e.ReadOnly || !e.Idempotent || string(e.InputSchema) != `{"type":"object","x-unknown":12345678901234567890}` {
			t.Errorf("%+v", e)
		}
		if !strings.Contains(string(e.Raw), `"annotations":{"readOnlyHint"`) || tools[1].ReadOnly || string(tools[1].InputSchema) != `{"type":"object"}` {
			t.Errorf("%s; %+v", e.Raw, tools[1])
		}
		if res, err := try(t, s, "echo", "{\n \"n\": 9007199254740993,\t\"s\":\"é\"\r\n}"); err != nil || !strings.Contains(res, `9007199254740993,`) || !strings.Contains(res, "é") {
			t.Errorf("echo: %s, %v", res, err)
		}
		if res, err := try(t, s, "a/b c", ""); err != nil || !strings.Contains(res, "odd name") {
			t.Errorf("odd name: %s, %v", res, err)
		}
		if res, err := try(t, s, "fail", "{}"); err != nil || !strings.Contains(res, `"isError":true`) {
			t.Errorf("fail: %s, %v", res, err)
		}
		_, err = try(t, s, "refuse", "{}")
		if e, ok := errors.AsType[*mcp.RPCError](err); !ok || e.Code != -32000 || e.Message != "not today" || string(e.Data) != `{"a":1}` {
			t.Errorf("refuse: %#v", err)
		}
		if res, err := try(t, s, "raw", "{}"); err != nil || !strings.Contains(res, `{"type":"novel","n":1.0}`) || !strings.Contains(res, `{"big":9007199254740993}`) {
			t.Errorf("raw: %s, %v", res, err)
		}
		if _, err = try(t, s, "gone", "{}"); rpcCode(err) != -32602 {
			t.Errorf("unknown tool: %v", err)
		}
		for _, bad := range []string{`[]`, `{"a":1},"name":"fail"`, `{"a":`, `"x"`} {
			if _, err = try(t, s, "echo", bad); mcp.SafeMessage(err) != "the arguments are not a JSON object" {
				t.Errorf("arguments %s: %v", bad, err)
			}
		}
		select {
		case <-s.Done():
			t.Error("the session is gone")
		default:
		}
	})
}

func TestSideBySide(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, _ string) {
		s := open(t, dialer(t, Options{MaxPending: 40}), server(mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo, Millis: 5}}}))
		errs := make(chan error, 32)
		for i := range cap(errs) {
			go func() {
				want := `{"i":` + strconv.Itoa(i) + `}`
				res, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "echo", Arguments: []byte(want)})
				if err == nil && !strings.Contains(string(res), strconv.Itoa(i)+`}`) {
					err = errors.New("the answer to another call: " + string(res))
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestProgress(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, rev string) {
		m := server(mcptest.Spec{Tools: []mcptest.Tool{{Name: "steps", Do: mcptest.Steps, Count: 3, Text: "done"}}})
		s := open(t, dialer(t, Options{}), m)
		var n atomic.Int32
		res, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "steps", Progress: func() { n.Add(1) }})
		if err != nil || !strings.Contains(string(res), "done") {
			t.Fatalf("%s, %v", res, err)
		}
		if n.Load() != 3 && !strings.Contains(t.Name(), "json") {
			t.Errorf("%d notifications, want 3", n.Load())
		}
	})
}

// TestCancel checks that the end of a call's context reaches the server, and ends that call only.
func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, server func(mcptest.Spec) mcp.Server, _ string) {
		file := filepath.Join(t.TempDir(), "record")
		s := open(t, dialer(t, Options{}), server(mcptest.Spec{Record: file, Tools: []mcptest.Tool{
			{Name: "hang", Do: mcptest.Hang}, {Name: "say", Text: "hello", Millis: 200},
		}}))
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		other := make(chan error, 1)
		go func() {
			_, err := s.CallTool(ctx, mcp.ToolCall{Name: "hang"})
			failed <- err
		}()
		recorded := func(method string) func() bool {
			return func() bool {
				rs, err := mcptest.ReadRecord(file)
				if err != nil {
					t.Fatal(err)
				}
				return slices.ContainsFunc(rs, func(r mcptest.Request) bool { return r.Method == method })
			}
		}
		eventually(t, "the call has arrived", recorded("tools/call"))
		go func() {
			_, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "say"})
			other <- err
		}()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled call: %v", err)
		}
		eventually(t, "the server knows", recorded("cancelled"))
		if err := <-other; err != nil {
			t.Errorf("the other call: %v", err)
		}
		if n := len(s.calls); n > 1 { // one may be a subscription
			t.Errorf("%d calls are remembered", n)
		}
	})
}
