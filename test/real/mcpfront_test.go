//go:build real

package real

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestServerConformance runs the server scenarios of the official MCP conformance suite through the gateway, in front of the
// official Go SDK's server of both eras: by the address of one server, and by that of all of them with an empty prefix.
func TestServerConformance(t *testing.T) {
	upstream := everything(t)
	g := gateway.Start(t, "mcp_servers:\n  everything: {url: "+upstream+", prefix: \"\"}\n")
	for _, path := range []string{"/mcp/everything", "/mcp"} {
		for _, revision := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(path+" "+revision, func(t *testing.T) {
				passed, failed := conform(t, g.URL+path, revision)
				if want := map[string]int{"2025-11-25": 30, "2026-07-28": 37}[revision]; passed != want || failed != nil {
					t.Errorf("%d required scenarios pass, want %d; these fail: %v", passed, want, failed)
				}
			})
		}
	}
}

var (
	verdict  = regexp.MustCompile(`(?m)^([✓✗]) ([a-z0-9-]+): `)
	unscored = regexp.MustCompile(`(?m)^  [✓✗] ([a-z0-9-]+) \(`)
)

// conform runs the server scenarios that a revision requires, and returns how many passed, and those that did not.
func conform(t *testing.T, url, revision string) (passed int, failed []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	suite := installed("node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
	run := exec.CommandContext(ctx, installed("node", "node"), suite, "server", "--url", url, "--requirements", revision, "-o", t.TempDir())
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	err := run.Run() // that some scenario failed is told by the summary
	text := out.String()
	_, summary, found := strings.Cut(text, "=== SUMMARY ===")
	if !found {
		t.Fatalf("%v\n%s", err, text)
	}
	free := map[string]bool{}
	for _, m := range unscored.FindAllStringSubmatch(summary, -1) {
		free[m[1]] = true
	}
	for _, m := range verdict.FindAllStringSubmatch(summary, -1) {
		switch {
		case free[m[2]]:
		case m[1] == "✓":
			passed++
		default:
			failed = append(failed, m[2])
		}
	}
	return passed, failed
}

// everything runs the conformance server of the official Go SDK, which needs a process for each era, and returns one URL for
// both.
func everything(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "everything-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	build.Dir = filepath.Join(gateway.Root(), "test")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	older, newer := relay(t, binary, "-stateless=false"), relay(t, binary)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Protocol-Version") >= "2026-07-28" {
			newer.ServeHTTP(w, r)
			return
		}
		older.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// relay runs a server with -http=ADDRESS and passes on to it.
func relay(t *testing.T, binary string, args ...string) http.Handler {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	cmd := exec.Command(binary, append(args, "-http="+addr)...)
	cmd.Env = os.Environ()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen", binary)
		}
	}
	u := &url.URL{Scheme: "http", Host: addr}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // a proxy that still reads it may break off a stream that has begun
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if len(body) == 0 {
			r.Body = http.NoBody
		}
		proxy.ServeHTTP(w, r)
	})
}
