package mcpsdk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// patience bounds waits; nothing is timed by it.
const patience = 30 * time.Second

// bridge is a gateway in front of scripted servers of both eras: "new", "old", "sse" (of 2024), "child" (a process that may ask
// its clients), and "sdk-old" and "sdk-new" of the official SDK.
type bridge struct {
	*gateway.Gateway
	news, olds, sse *mcptest.Server
}

func serve(t *testing.T, s *mcptest.Server, h http.Handler) string {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		ts.CloseClientConnections()
		ts.Close()
	})
	return ts.URL
}

func newBridge(t *testing.T) *bridge {
	t.Helper()
	b := &bridge{
		news: mcptest.New(mcptest.Spec{Era: "modern", Tools: newTools()}),
		olds: mcptest.New(mcptest.Spec{Era: "legacy", Tools: oldTools()}),
		sse:  mcptest.New(mcptest.Spec{Era: "legacy", Tools: oldTools()}),
	}
	child := gateway.Scripted("child", mcptest.Spec{Era: "legacy", Tools: askTools()})
	b.Gateway = gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1",
		fmt.Sprintf("new: {url: %q}", serve(t, b.news, b.news.HTTP())),
		fmt.Sprintf("old: {url: %q}", serve(t, b.olds, b.olds.HTTP())),
		fmt.Sprintf("sse: {url: %q}", serve(t, b.sse, b.sse.SSE())),
		strings.TrimSuffix(child, "}")+`, "client_processes": 2}`,
		fmt.Sprintf("sdk-old: {url: %q}", sdkURL(t, false)), fmt.Sprintf("sdk-new: {url: %q}", sdkURL(t, true)),
	))
	return b
}

const (
	whoForm  = `{"message":"who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}`
	visitURL = `{"mode":"url","elicitationId":"e-1","url":"https://example.com/x","message":"visit"}`
	sampling = `{"maxTokens":5,"messages":[{"role":"user","content":{"type":"text","text":"hm?"}}]}`
)

// askTools ask their client in the midst of a call, as the older era does.
func askTools() []mcptest.Tool {
	ask := func(name string, asks ...mcptest.Ask) mcptest.Tool {
		return mcptest.Tool{Name: name, Do: mcptest.Echo, Asks: asks}
	}
	return []mcptest.Tool{
		ask("form", mcptest.Ask{Method: "elicitation/create", Params: []byte(whoForm)}),
		ask("visit", mcptest.Ask{Method: "elicitation/create", Params: []byte(visitURL)}),
		ask("sample", mcptest.Ask{Method: "sampling/createMessage", Params: []byte(sampling)}),
		ask("roots", mcptest.Ask{Method: "roots/list"}),
		ask("rounds", mcptest.Ask{Method: "elicitation/create", Params: []byte(whoForm)}, mcptest.Ask{Method: "roots/list"}),
	}
}

// metaOf answers with the _meta that came.
func metaOf(_ context.Context, c *mcptest.Call) ([]byte, error) {
	if c.Meta == nil {
		return mcptest.Text("none"), nil
	}
	return mcptest.Text(string(c.Meta)), nil
}

// tells writes to the log, and tells of progress, before it answers.
func tells(_ context.Context, c *mcptest.Call) ([]byte, error) {
	c.Notify("notifications/message", []byte(`{"level":"info","data":"quiet"}`))
	c.Notify("notifications/message", []byte(`{"level":"error","data":"loud"}`))
	c.Notify("notifications/elicitation/complete", []byte(`{"elicitationId":"e-1"}`))
	c.Progress(1, 2)
	c.Progress(2, 2)
	return mcptest.Text("told"), nil
}

// wide is a tool whose result and its schema are not objects.
const wide = `{"name":"wide","description":"d","inputSchema":{"type":"object"},"outputSchema":{"type":"array","items":{"type":"number"}}}`

func commonTools() []mcptest.Tool {
	return []mcptest.Tool{
		{Name: "echo", Do: mcptest.Echo},
		{Name: "meta", Func: metaOf},
		{Name: "tells", Func: tells},
		{Name: "hang", Do: mcptest.Hang},
		{Raw: []byte(wide), Result: []byte(`{"content":[{"type":"text","text":"[1.0]"}],"structuredContent":[1.0]}`)},
		{Name: "header", Schema: []byte(`{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}`), Do: mcptest.Echo},
	}
}

func oldTools() []mcptest.Tool {
	return append(append(askTools(), commonTools()...),
		mcptest.Tool{Name: "login", Error: []byte(`{"code":-32042,"message":"log in","data":{"elicitations":[` + visitURL + `]}}`)},
		mcptest.Tool{Raw: []byte(`{"name":"task","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}`), Error: []byte(`{"code":-32601,"message":"task augmentation required"}`)},
	)
}

// newTools ask for input as the stateless era does.
func newTools() []mcptest.Tool {
	want := func(name, requests string) mcptest.Tool {
		return mcptest.Tool{Name: name, Func: func(_ context.Context, c *mcptest.Call) ([]byte, error) {
			if answers := jsonedit.Get(c.Params, "inputResponses"); answers != nil {
				return mcptest.Text(string(answers) + string(jsonedit.Get(c.Params, "requestState"))), nil
			}
			return []byte(`{"resultType":"input_required","inputRequests":` + requests + `,"requestState":"of the server"}`), nil
		}}
	}
	return append(commonTools(),
		want("form", `{"who":{"method":"elicitation/create","params":`+whoForm+`}}`),
		want("visit", `{"where":{"method":"elicitation/create","params":{"mode":"url","url":"https://example.com/x","message":"visit"}}}`),
		want("sample", `{"what":{"method":"sampling/createMessage","params":`+sampling+`}}`),
		want("roots", `{"roots":{"method":"roots/list"}}`),
		mcptest.Tool{Name: "task", Result: []byte(`{"resultType":"task","taskId":"t"}`)},
	)
}

// raw is a client that sends what it is told to, and remembers the headers of its session.
type raw struct {
	t       *testing.T
	url     string
	headers http.Header
	caps    string // stateless era: what it declares; "": it is of the older era
	meta    string // members of _meta, each with a comma behind it
	id      int
}

// newer is a client of the stateless era.
func (b *bridge) newer(t *testing.T, caps string) *raw {
	t.Helper()
	return &raw{t: t, url: b.URL + "/mcp", caps: caps, headers: http.Header{"Mcp-Protocol-Version": {modern}}}
}

// older is a client of the older era that has shaken hands.
func (b *bridge) older(t *testing.T, revision, caps string) *raw {
	t.Helper()
	c := &raw{t: t, url: b.URL + "/mcp", headers: http.Header{}}
	a := c.post(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + revision + `","capabilities":` + caps + `,"clientInfo":{"name":"raw","version":"1"}}}`)
	c.headers.Set("Mcp-Session-Id", a.header.Get("Mcp-Session-Id"))
	c.headers.Set("Mcp-Protocol-Version", string(bytes.Trim(a.get("result", "protocolVersion"), `"`)))
	c.post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return c
}

// reply is an answer, with what came before it.
type reply struct {
	status int
	header http.Header
	all    []string
}

func (a *reply) last() string {
	if len(a.all) == 0 {
		return ""
	}
	return a.all[len(a.all)-1]
}

func (a *reply) get(path ...string) []byte { return jsonedit.Get([]byte(a.last()), path...) }

func (c *raw) send(ctx context.Context, method, body string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = c.headers.Clone()
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (c *raw) post(body string) *reply {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	resp := c.send(ctx, http.MethodPost, body)
	a := &reply{status: resp.StatusCode, header: resp.Header}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			c.t.Fatal(err)
		}
		a.all = []string{string(b)}
		return a
	}
	for d := range dataOf(resp) {
		a.all = append(a.all, d)
	}
	return a
}

// dataOf are the messages of a stream.
func dataOf(resp *http.Response) <-chan string {
	out := make(chan string, 64)
	go func() {
		defer close(out)
		s := bufio.NewScanner(resp.Body)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if d, ok := strings.CutPrefix(s.Text(), "data: "); ok && d != "" {
				out <- d
			}
		}
	}()
	return out
}

// body is a request; params are members without braces.
func (c *raw) body(method, params string) string {
	c.id++
	if c.caps == "" && c.meta == "" {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, c.id, method, params)
	}
	meta := strings.TrimSuffix(c.meta, ",")
	if c.caps != "" {
		meta = c.meta + `"io.modelcontextprotocol/protocolVersion":"` + modern + `","io.modelcontextprotocol/clientCapabilities":` + c.caps
		c.headers.Set("Mcp-Method", method)
		c.headers.Del("Mcp-Name")
		for _, member := range []string{"name", "uri"} {
			if name, ok := jsonedit.Unquote(jsonedit.Get([]byte("{"+params+"}"), member)); ok {
				c.headers.Set("Mcp-Name", name)
			}
		}
	}
	if params != "" {
		params += ","
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s"_meta":{%s}}}`, c.id, method, params, meta)
}

func (c *raw) ask(method, params string) *reply {
	c.t.Helper()
	return c.post(c.body(method, params))
}

func (c *raw) call(tool, args string) *reply {
	c.t.Helper()
	return c.ask("tools/call", fmt.Sprintf(`"name":%q,"arguments":%s`, tool, args))
}

// answer calls a tool and answers what it wants to know, in the way of its era, until it is done.
func (c *raw) answer(tool, answer string) *reply {
	c.t.Helper()
	if c.caps != "" {
		return c.again(tool, answer)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	a := &reply{}
	resp := c.send(ctx, http.MethodPost, c.body("tools/call", fmt.Sprintf(`"name":%q`, tool)))
	a.status, a.header = resp.StatusCode, resp.Header
	for d := range dataOf(resp) {
		a.all = append(a.all, d)
		if id := jsonedit.Get([]byte(d), "id"); id != nil && jsonedit.Get([]byte(d), "method") != nil {
			c.post(`{"jsonrpc":"2.0","id":` + string(id) + `,"result":` + answer + `}`)
		}
	}
	return a
}

// again answers as the stateless era does.
func (c *raw) again(tool, answer string) *reply {
	c.t.Helper()
	more, all := "", []string(nil)
	for range 8 {
		a := c.ask("tools/call", fmt.Sprintf(`"name":%q%s`, tool, more))
		all = append(all, a.all...)
		if string(a.get("result", "resultType")) != `"input_required"` {
			a.all = all
			return a
		}
		more = `,"inputResponses":{`
		for key := range jsonedit.Members(a.get("result", "inputRequests")) {
			more += `"` + string(key) + `":` + answer + `,`
		}
		more = strings.TrimSuffix(more, ",") + `},"requestState":` + string(a.get("result", "requestState"))
	}
	c.t.Fatal("it asks for more and more")
	return nil
}

func (c *raw) want(a *reply, status int, parts ...string) {
	c.t.Helper()
	text := strings.Join(a.all, "\n")
	if a.status != status {
		c.t.Errorf("status %d, want %d: %s", a.status, status, text)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			c.t.Errorf("no %s in %s", p, text)
		}
	}
}

func (c *raw) never(a *reply, parts ...string) {
	c.t.Helper()
	text := strings.Join(a.all, "\n")
	for _, p := range parts {
		if strings.Contains(text, p) {
			c.t.Errorf("%s in %s", p, text)
		}
	}
}
