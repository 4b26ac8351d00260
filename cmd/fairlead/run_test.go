package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestMain lets the test binary be the demonstration's MCP server, as the command itself is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == demoTools {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestDemoOnce(t *testing.T) {
	var out, log strings.Builder
	if code := run(t.Context(), []string{"demo", "--once", "--listen", "127.0.0.1:0"}, &out, &log); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &out, &log)
	}
	contains(t, "standard output", out.String(), []string{"stand-in", "demo-calculate", "397.8"})
	contains(t, "standard error", log.String(), nil)
}

// toolsConfig is a config with the demonstration's server, and with one that does not start.
func toolsConfig(t *testing.T, more string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "fairlead.yaml")
	write(t, path, "listen: 127.0.0.1:0\nmcp_servers:\n  try: {command: ["+self+", "+demoTools+", "+dir+"/notes]}\n"+more)
	return path
}

func TestTools(t *testing.T) {
	path := toolsConfig(t, "")
	var out, log strings.Builder
	if code := run(t.Context(), []string{"tools", "--config", path}, &out, &log); code != 0 || log.String() != "" {
		t.Errorf("exit code %d\n%s", code, &log)
	}
	contains(t, "standard output", out.String(), []string{"NAME", "try-calculate", "  try     calculate"})

	path = toolsConfig(t, "  dead: {command: [/no/such/program]}\n")
	out.Reset()
	if code := run(t.Context(), []string{"tools", "--config", path}, &out, &log); code != 1 {
		t.Errorf("exit code %d with a server that does not start", code)
	}
	contains(t, "standard output", out.String(), []string{"try-calculate"})
	contains(t, "standard error", log.String(), []string{"the server dead has no tools: "})

	out.Reset()
	if code := run(t.Context(), []string{"tools", "--json", "--config", path}, &out, &log); code != 1 {
		t.Errorf("exit code %d with a server that does not start", code)
	}
	var got struct {
		Tools []struct {
			Name, Server, Tool, Description string
			InputSchema                     map[string]any
		}
		Errors []struct{ Server, Error string }
	}
	if err := json.Unmarshal([]byte(out.String()), &got, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	if len(got.Tools) < 3 || got.Tools[0].Server != "try" || got.Tools[0].InputSchema["type"] != "object" || len(got.Errors) != 1 || got.Errors[0].Server != "dead" {
		t.Errorf("got %+v", got)
	}
}

func TestServe(t *testing.T) {
	path := toolsConfig(t, "")
	logs, w := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve", "--config", path, "--listen", "127.0.0.1:0"}, io.Discard, w)
		_ = w.Close()
	}()
	addr := ""
	lines := bufio.NewScanner(logs)
	for addr == "" && lines.Scan() {
		var r struct{ Msg, Addr string }
		if err := json.Unmarshal(lines.Bytes(), &r, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("a log record that is no JSON: %s", lines.Text())
		}
		if r.Msg == "listening" {
			addr = r.Addr
		}
	}
	go func() { _, _ = io.Copy(io.Discard, logs) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"ok"`) {
		t.Errorf("health: %d %s", resp.StatusCode, body)
	}
	stop()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
}

func TestServeOnATakenAddress(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log strings.Builder
	if code := run(t.Context(), []string{"serve", "--config", toolsConfig(t, ""), "--listen", l.Addr().String()}, io.Discard, &log); code != 1 {
		t.Errorf("exit code %d", code)
	}
	contains(t, "standard error", log.String(), []string{"fairlead serve: cannot listen on " + l.Addr().String(), "--listen"})
}
