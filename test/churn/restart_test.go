package churn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// echo is a call in the stateless era whose answer has n in it.
func echo(n int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%[1]d,"method":"tools/call","params":{"name":"echo","arguments":{"n":%[1]d},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, n)
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// post sends a message of the stateless era and returns the whole answer.
func post(t *testing.T, url, body string) (status int, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header = http.Header{"Authorization": {"Bearer " + gateway.Key}, "Content-Type": {"application/json"}, "Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"echo"}}
	resp, err := client.Do(r)
	if err != nil {
		t.Errorf("the gateway does not answer: %v", err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the gateway's answer breaks off: %v after %s", err, b)
	}
	return resp.StatusCode, string(b)
}

// mortal is a server over HTTP that can be killed, with all its connections, and started again where it was.
type mortal struct {
	t    *testing.T
	spec mcptest.Spec
	addr string
	http *http.Server
	mcp  *mcptest.Server
}

func (m *mortal) start() {
	m.t.Helper()
	if m.addr == "" {
		m.addr = "127.0.0.1:0"
	}
	var l net.Listener
	must(m.t, "the port can be had again", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", m.addr)
		return err == nil
	})
	m.addr = l.Addr().String()
	m.mcp = mcptest.New(m.spec)
	m.http = &http.Server{Handler: m.mcp.HTTP(), ReadHeaderTimeout: patience}
	srv := m.http
	go func() { // ends with kill
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.t.Error(err)
		}
	}()
}

func (m *mortal) kill() {
	m.mcp.Close()
	_ = m.http.Close()
}

// TestServersDieUnderLoad: two servers, one of each era, are killed and started again while fifty clients call them. Every
// answer is the client's own result or an error that says what happened, at the end all calls succeed, and nothing is left of
// what was.
func TestServersDieUnderLoad(t *testing.T) {
	tools := []mcptest.Tool{{Name: "echo", Do: mcptest.Echo, Millis: 2}}
	servers := map[string]*mortal{
		"older": {t: t, spec: mcptest.Spec{Era: "legacy", Tools: tools}},
		"newer": {t: t, spec: mcptest.Spec{Era: "modern", Tools: tools}},
	}
	config := ""
	var lines []string
	for name, m := range servers {
		m.start()
		lines = append(lines, fmt.Sprintf("%s: {url: %q}", name, "http://"+m.addr))
	}
	config = gateway.Config("http://127.0.0.1:1/v1", lines...)
	g, control := gateway.Start(t, config), gateway.Start(t, config)
	calls := &load{t: t, url: g.URL}
	calls.settle(servers)
	(&load{t: t, url: control.URL}).settle(servers)
	before := files(g.PID())

	calls.run(50, func() {
		for range 6 {
			for _, m := range servers {
				calls.some(40)
				m.kill()
				calls.some(20)
				m.start()
			}
		}
	})
	calls.settle(servers)
	client.CloseIdleConnections()
	t.Logf("%d results, %d errors", calls.results.Load(), calls.errors.Load())
	if calls.results.Load() == 0 || calls.errors.Load() == 0 {
		t.Error("that was no test: both are wanted")
	}
	for _, m := range servers {
		m.kill()
		m.start()
	}
	must(t, "no more is open than before", func() bool { return files(g.PID()) <= before })
	if is, was := goroutines(t, g), goroutines(t, control); is > was+8 {
		t.Errorf("%d goroutines after the load, %d without", is, was)
	}
	for _, m := range servers {
		m.kill()
	}
}

// load is what clients call.
type load struct {
	t               *testing.T
	url             string
	next            atomic.Int64
	results, errors atomic.Int64
}

// call calls one of the servers and judges the answer.
func (l *load) call(server string) (ok bool) {
	n := int(l.next.Add(1))
	status, text := post(l.t, l.url+"/mcp/"+server, echo(n))
	switch {
	case status == 200 && strings.Contains(text, fmt.Sprintf(`{\"n\":%d}`, n)) && !strings.Contains(text, `"isError":true`):
		l.results.Add(1)
		return true
	case strings.Contains(text, `\"n\":`):
		l.t.Errorf("%s: call %d has the answer of another: %s", server, n, text)
	case !strings.Contains(text, fmt.Sprintf(`"id":%d`, n)) || !strings.Contains(text, `"error":{"code":`) && !strings.Contains(text, `"isError":true`):
		l.t.Errorf("%s: call %d has no clear answer: %d %s", server, n, status, text)
	}
	l.errors.Add(1)
	return false
}

// some waits until this many more calls have been answered.
func (l *load) some(n int64) {
	from := l.results.Load() + l.errors.Load()
	must(l.t, "calls are answered", func() bool { return l.results.Load()+l.errors.Load() >= from+n })
}

// run has clients call while do runs.
func (l *load) run(clients int, do func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if !l.call([]string{"older", "newer"}[i%2]) {
					time.Sleep(5 * time.Millisecond) // as a client does that has been refused
				}
			}
		})
	}
	do()
	close(over)
	all.Wait()
}

// settle waits until every server answers.
func (l *load) settle(servers map[string]*mortal) {
	l.t.Helper()
	for name := range servers {
		must(l.t, name+" answers", func() bool { return l.call(name) })
	}
}
