package blackbox

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// house starts a gateway as a transcript does: given has the sections config and server, and as its comment nothing. The
// model plays steps.
func house(t *testing.T, given string, steps ...providertest.Step) *transcript {
	t.Helper()
	return build(t, given, func(tr *transcript) { tr.rule = play(steps...) })
}

// play answers with steps, one a request.
func play(steps ...providertest.Step) providertest.Rule {
	var next atomic.Int64
	return func(*providertest.Request) providertest.Step {
		n := int(next.Add(1))
		if n > len(steps) {
			return providertest.Error(http.StatusNotImplemented, "script_ended", "the script has ended")
		}
		return steps[n-1]
	}
}

// build is house for a transcript that prepare changes before anything is started.
func build(t *testing.T, given string, prepare func(*transcript)) *transcript {
	t.Helper()
	a := txtar.Parse([]byte(given))
	tr := &transcript{t: t, archive: a, show: readShowing(t, a), dead: deadAddr(t)}
	prepare(tr)
	tr.startModel()
	tr.startServers()
	tr.startAPIs()
	tr.gateway = gateway.Start(t, tr.config())
	t.Cleanup(tr.checkKeyStayed)
	return tr
}

// server returns the scripted server with this name.
func (tr *transcript) server(name string) *server {
	tr.t.Helper()
	for _, s := range tr.servers {
		if s.name == name {
			return s
		}
	}
	tr.t.Fatalf("there is no server %s", name)
	return nil
}

// count returns how many messages of a method the server has got.
func (s *server) count(t *testing.T, method string) int {
	n := 0
	for _, r := range s.requests(t) {
		if r.Method == method {
			n++
		}
	}
	return n
}

// conns is how many connections the gateway's process has to addr, a URL.
func (tr *transcript) conns(addr string) int {
	tr.t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(addr, "http://"), "/")
	return len(connections(tr.t, tr.gateway.PID(), host))
}

// chat is the body of a request with these members added. "%" in it stands for an entry that runs the tools of the server s.
func chat(more string) string {
	more = strings.ReplaceAll(more, "%", `{"type":"mcp","server_url":"fairlead/mcp/s","require_approval":"never"}`)
	if more != "" {
		more = "," + more
	}
	return `{"model":"m","messages":[{"role":"user","content":"Go."}]` + more + `}`
}

const (
	plainTools  = `"tools":[%]`
	streamTools = `"stream":true,"tools":[%]`
)

// start sends a request and returns its answer as soon as its head is there. ctx is the client's patience.
func (tr *transcript) start(ctx context.Context, body string, headers ...string) (*http.Response, error) {
	r := tr.request("POST /v1/chat/completions\n" + strings.Join(headers, "\n") + "\n\n" + body).WithContext(ctx)
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// post sends a request and returns the status and the body of its answer.
func (tr *transcript) post(body string, headers ...string) (status int, text string) {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), patience)
	defer cancel()
	resp, err := tr.start(ctx, body, headers...)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tr.t.Fatalf("%v after %s", err, b)
	}
	tr.checkLeaks(string(b))
	return resp.StatusCode, string(b)
}

// want sends a request and compares the status, and what must be found in the answer.
func (tr *transcript) want(status int, body string, parts ...string) string {
	tr.t.Helper()
	got, text := tr.post(body)
	if got != status {
		tr.t.Errorf("status %d, want %d: %s", got, status, text)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			tr.t.Errorf("the answer has no %q: %s", p, text)
		}
	}
	return text
}

// stream is an answer that is read line by line.
type stream struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Scanner
	leave context.CancelFunc
}

// stream sends a request whose answer streams.
func (tr *transcript) stream(body string) *stream {
	tr.t.Helper()
	ctx, leave := context.WithTimeout(tr.t.Context(), patience)
	resp, err := tr.start(ctx, body)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { leave(); resp.Body.Close() })
	return &stream{tr.t, resp, bufio.NewScanner(resp.Body), leave}
}

// until reads up to a line that has part.
func (s *stream) until(part string) {
	s.t.Helper()
	var read []string
	for s.lines.Scan() {
		read = append(read, s.lines.Text())
		if strings.Contains(s.lines.Text(), part) {
			return
		}
	}
	s.t.Fatalf("the stream ended (%v) before %q:\n%s", s.lines.Err(), part, strings.Join(read, "\n"))
}

// rest reads to the end.
func (s *stream) rest() string {
	s.t.Helper()
	var read []string
	for s.lines.Scan() {
		read = append(read, s.lines.Text())
	}
	if err := s.lines.Err(); err != nil {
		s.t.Errorf("the stream broke: %v", err)
	}
	return strings.Join(read, "\n")
}

// closed waits for a channel that is closed.
func closed(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
	}
}

// must waits until is holds.
func must(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !eventually(t, is) {
		t.Errorf("it never came to be that %s", what)
	}
}

// connections lists the established TCP connections of a process to addr (host:port), from /proc; Linux only, elsewhere it
// is empty.
func connections(t *testing.T, pid int, addr string) []string {
	t.Helper()
	inodes := map[string]bool{}
	fds, _ := filepath.Glob("/proc/" + itoa(pid) + "/fd/*")
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			inodes[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	want := procAddr(t, addr)
	table, _ := os.ReadFile("/proc/" + itoa(pid) + "/net/tcp")
	var out []string
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[2] == want && f[3] == "01" && inodes[f[9]] {
			out = append(out, f[1])
		}
	}
	return out
}
