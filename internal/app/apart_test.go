package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestClientsStayApart has many clients use the gateway at once, each request with a mark of its own in all that it sends: prompt,
// tool arguments, headers. Models and servers put it into all that they answer. Whoever gets a mark that is not its own shows
// that memory was given to one request while another still used it. Meanwhile deployments fail, clients leave, and configs change.
func TestClientsStayApart(t *testing.T) {
	const clients = 8
	c := newCrowd(t)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for n := range len(visits) {
				v := visits[(i*5+n)%len(visits)]
				c.visit(&v, fmt.Sprintf(markFormat, i, n))
				if i == 0 && n%8 == 7 {
					if err := c.app.Apply(c.cfg()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// visit is one kind of request. MARK in it is the mark of the request.
type visit struct {
	name, path, body string
	tool             string // that is called through /mcp
	breaks           bool   // the reply may be an error
	leaves           bool   // the client reads the beginning alone
	want             int    // how many bytes of marks the reply has at least
}

const (
	someTools = `,"tools":[{"type":"mcp","server_label":"all","server_url":"fairlead/mcp/web,flow,pipe","require_approval":"never"}]`
	asksChat  = `"messages":[{"role":"user","content":"Say MARK."}]`
	asksLong  = `"messages":[{"role":"user","content":"Say MARK at length. PAD"}]`
	callsEcho = `{"jsonrpc":"2.0","id":"MARK","method":"tools/call","params":{"name":"TOOL","arguments":{"mark":"MARK","size":SIZE,"more":"PAD"},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`
)

const (
	chatPath     = "/v1/chat/completions"
	answersPath  = "/v1/responses"
	messagesPath = "/v1/messages"
)

var visits = []visit{
	{name: "plain relay", path: chatPath, body: `{"model":"steady",` + asksChat + `}`, want: 900},
	{name: "streamed relay", path: chatPath, body: `{"model":"steady","stream":true,` + asksChat + `}`, want: 900},
	{name: "long plain relay", path: chatPath, body: `{"model":"steady",` + asksLong + `}`, want: 90 << 10},
	{name: "long streamed relay", path: chatPath, body: `{"model":"steady","stream":true,` + asksLong + `}`, want: 90 << 10},
	{name: "tools", path: chatPath, body: `{"model":"steady",` + asksChat + someTools + `}`, want: 900},
	{name: "tools, streamed", path: chatPath, body: `{"model":"steady","stream":true,"stream_options":{"include_usage":true},` + asksChat + someTools + `}`, want: 900},
	{name: "long, with tools", path: chatPath, body: `{"model":"steady",` + asksLong + someTools + `}`, want: 90 << 10},
	{name: "long, with tools, streamed", path: chatPath, body: `{"model":"steady","stream":true,` + asksLong + someTools + `}`, want: 90 << 10},
	{name: "shaky", path: chatPath, body: `{"model":"shaky",` + asksChat + `}`, breaks: true},
	{name: "shaky and streamed", path: chatPath, body: `{"model":"shaky","stream":true,` + asksChat + `}`, breaks: true},
	{name: "shaky and long", path: chatPath, body: `{"model":"shaky",` + asksLong + `}`, breaks: true},
	{name: "shaky, with tools", path: chatPath, body: `{"model":"shaky","stream":true,` + asksLong + someTools + `}`, breaks: true},
	{name: "left", path: chatPath, body: `{"model":"steady","stream":true,` + asksLong + `}`, leaves: true},
	{name: "left, with tools", path: chatPath, body: `{"model":"steady","stream":true,` + asksLong + someTools + `}`, leaves: true},
	{name: "another door", path: messagesPath, body: `{"model":"steady","max_tokens":9,"stream":true,` + asksChat + `}`, want: 900},
	{name: "claude", path: messagesPath, body: `{"model":"claude","max_tokens":9,"stream":true,` + asksLong + `}`, want: 90 << 10},
	{name: "another provider", path: chatPath, body: `{"model":"claude","stream":true,` + asksLong + someTools + `}`, want: 90 << 10},
	{name: "responses", path: answersPath, body: `{"model":"answers","stream":true,"input":"Say MARK at length."}`, want: 90 << 10},
	{name: "responses, with tools", path: answersPath, body: `{"model":"steady","stream":true,"input":"Say MARK."` + someTools + `}`, want: 900},
	{name: "call over HTTP", path: "/mcp/web", tool: "echo", body: strings.ReplaceAll(callsEcho, "SIZE", "900"), want: 900},
	{name: "long call over HTTP", path: "/mcp", tool: "web-echo", body: strings.ReplaceAll(callsEcho, "SIZE", "92160"), want: 90 << 10},
	{name: "streamed call", path: "/mcp", tool: "flow-echo", body: strings.ReplaceAll(callsEcho, "SIZE", "92160"), want: 90 << 10},
	{name: "call of a process", path: "/mcp/pipe", tool: "echo", body: strings.ReplaceAll(callsEcho, "SIZE", "900"), want: 60 << 10},
}

// visit makes a request and looks for marks of others in the reply.
func (c *crowd) visit(v *visit, mark string) {
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	body := strings.NewReplacer("MARK", mark, "PAD", repeated(mark, 70<<10), "TOOL", v.tool).Replace(v.body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+v.path, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Authorization": {"Bearer sk-crowd-0123456789abcdef"},
		"X-Tag": {mark}, "X-Mcp-Pipe-Tag": {mark}, "X-Mcp-Flow-Tag": {mark}, "X-Litellm-Trace-Id": {mark},
	}
	if v.tool != "" {
		r.Header["Mcp-Protocol-Version"], r.Header["Mcp-Method"], r.Header["Mcp-Name"] = []string{"2026-07-28"}, []string{"tools/call"}, []string{v.tool}
	}
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Errorf("%s: %v", v.name, err)
		return
	}
	defer resp.Body.Close()
	if v.leaves {
		_, _ = io.CopyN(io.Discard, resp.Body, 2000)
		return
	}
	text, err := io.ReadAll(resp.Body)
	c.alone(v.name, mark, fmt.Sprint(resp.Header), string(text))
	got := strings.Count(string(text), mark) * (markSize + 1)
	if !v.breaks && (err != nil || resp.StatusCode != http.StatusOK || got < v.want || strings.Contains(string(text), `"error":{`)) {
		c.t.Errorf("%s: status %d, error %v, %d bytes of marks, want %d: %.1500s", v.name, resp.StatusCode, err, got, v.want, text)
	}
}
