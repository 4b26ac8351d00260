package differential

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// sessions is the scenario of a client of the older era.
func (c *client) sessions(server *fixture) {
	c.t.Helper()
	c.do("initialize", http.MethodPost, nil, `{"jsonrpc":"2.0","id":"first","method":"initialize","params":{"protocolVersion":"`+older+`","capabilities":`+offers+`,"clientInfo":{"name":"c","version":"1"}}}`)
	c.do("initialized", http.MethodPost, nil, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	c.call("ping", "1", "ping", "", "")
	c.call("level", "1", "logging/setLevel", `"level":"debug"`, "")
	c.common()
	c.call("asks", "11", "tools/call", `"name":"asks","arguments":{}`, "")
	c.call("subscribe", "12", "resources/subscribe", `"uri":"file:///a"`, "")
	c.call("unsubscribe", "13", "resources/unsubscribe", `"uri":"file:///a"`, "")
	c.call("no method of its era", "14", "server/discover", "", "")
	before := server.cancelled()
	done := make(chan struct{})
	go func() { // ends with the call
		defer close(done)
		resp := c.send(c.t.Context(), http.MethodPost, nil, `{"jsonrpc":"2.0","id":"hangs","method":"tools/call","params":{"name":"hang"}}`)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	c.until("the call runs", server.hangs)
	c.do("cancel", http.MethodPost, nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"hangs","reason":"enough"}}`)
	c.sawCancel(server, before)
	<-done
	c.do("delete", http.MethodDelete, nil, "")
	c.call("after the end", "15", "tools/list", "", "")
}

// stateless is the scenario of a client of the stateless era.
func (c *client) stateless(server *fixture) {
	c.t.Helper()
	c.call("discover", `"first"`, "server/discover", "", "")
	c.common()
	c.rounds()
	for _, method := range []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"} {
		c.call("no method of its era", "14", method, "", "")
	}
	before := server.cancelled()
	c.abandon(server, `{"jsonrpc":"2.0","id":"hangs","method":"tools/call","params":{"name":"hang","_meta":{"io.modelcontextprotocol/protocolVersion":"`+modern+`","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`)
	c.sawCancel(server, before)
}

// rounds answers what the server asks until it has a result. Each round's questions are written down one by one, as servers of
// the older era ask them.
func (c *client) rounds() {
	c.t.Helper()
	m := c.call("asks", "11", "tools/call", `"name":"asks","arguments":{}`, "")
	s := step{name: "what was asked"}
	for range 4 {
		var answers []string
		for key, q := range jsonedit.Members(jsonedit.Get(m, "result", "inputRequests")) {
			method, _ := jsonedit.Unquote(jsonedit.Get(q, "method"))
			s.lines = append(s.lines, string(q))
			answers = append(answers, `"`+string(key)+`":`+said[method])
		}
		if answers == nil {
			break
		}
		m = c.quietly("12", `"name":"asks","arguments":{},"inputResponses":{`+strings.Join(answers, ",")+`},"requestState":`+string(jsonedit.Get(m, "result", "requestState")))
	}
	c.steps = append(c.steps, s, step{name: "and then", lines: []string{stable(m)}})
}

// quietly is a call that is not written down.
func (c *client) quietly(id, params string) []byte {
	c.t.Helper()
	before := len(c.steps)
	m := c.call("", id, "tools/call", params, "")
	c.steps = c.steps[:before]
	return m
}

// abandon sends a call that hangs, and closes the connection once it runs.
func (c *client) abandon(server *fixture, body string) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil && !server.hangs() {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + c.key}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"hang"}}
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body) // until the connection is closed
		resp.Body.Close()
	}
}

// common are the requests that both eras have.
func (c *client) common() {
	c.t.Helper()
	for _, list := range []string{"tools", "prompts", "resources", "resources/templates"} {
		c.call("list", "2", list+"/list", "", "")
	}
	c.call("odd", "9007199254740993", "tools/call", `"name":"odd","arguments":{"n":9007199254740993,"f":1.0}`, "")
	c.call("plain", `"\u00e9"`, "tools/call", `"name":"plain"`, "")
	c.call("echo", "3", "tools/call", `"name":"echo","arguments":{"n":9007199254740993,"f":1.0,"e":1E+2,"s":"\u00e9\/","o":{"z":1, "a":[ ]}}`, `"vendor/m":{"n":9007199254740993,"f":1.0}`)
	c.call("broken", "4", "tools/call", `"name":"broken","arguments":{}`, "")
	c.call("refuses", "5", "tools/call", `"name":"refuses","arguments":{}`, "")
	c.call("unknown tool", "6", "tools/call", `"name":"nothing"`, "")
	c.call("steps", "7", "tools/call", `"name":"steps"`, `"progressToken":"t\u00e9"`)
	c.call("steps with a number", "8", "tools/call", `"name":"steps"`, `"progressToken":9007199254740993`)
	c.call("steps in silence", "8", "tools/call", `"name":"steps"`, "")
	if c.era == modern {
		c.call("steps with a log", "8", "tools/call", `"name":"steps"`, `"io.modelcontextprotocol/logLevel":"debug"`)
	}
	c.call("prompt", "9", "prompts/get", `"name":"greet","arguments":{"who":"\u00e9"}`, "")
	c.call("prompt refuses", "9", "prompts/get", `"name":"refuses"`, "")
	c.call("unknown prompt", "9", "prompts/get", `"name":"nothing"`, "")
	c.call("read", "10", "resources/read", `"uri":"file:///a"`, "")
	c.call("read by template", "10", "resources/read", `"uri":"file:///t/7"`, "")
	c.call("read what is not there", "10", "resources/read", `"uri":"file:///no"`, "")
	c.call("complete", "10", "completion/complete", `"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"\u00e9"}`, "")
	c.call("unknown method", "10", "vendor/method", `"n":1.0`, "")
}

// sawCancel waits until the server has seen the end of a call.
func (c *client) sawCancel(server *fixture, before int) {
	c.t.Helper()
	c.until("the server is told that the call is over", func() bool { return server.cancelled() > before })
}

func (c *client) until(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("it never came to be that %s", what)
		}
	}
}
