package mcpsdk

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const allCaps = `{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}`

// asked are the questions of the scripted tools, and an answer to each.
var asked = []struct{ tool, method, answer string }{
	{"form", "elicitation/create", `{"action":"accept","content":{"n":1.0}}`},
	{"visit", "elicitation/create", `{"action":"decline"}`},
	{"sample", "sampling/createMessage", `{"role":"assistant","model":"m","content":{"type":"text","text":"hm"}}`},
	{"roots", "roots/list", `{"roots":[{"uri":"file:///x"}]}`},
}

func quoted(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }

func askOldToNew(t *testing.T, b *bridge) {
	for _, q := range asked {
		c := b.older(t, "2025-11-25", allCaps)
		a := c.answer("new-"+q.tool, q.answer)
		c.want(a, 200, `"method":"`+q.method+`"`, quoted(q.answer), `of the server`)
		none := b.older(t, "2025-11-25", `{}`)
		none.want(none.call("new-"+q.tool, `{}`), 200, "does not offer")
		same := b.newer(t, allCaps) // passed through: the server's own keys, its state as a handle
		s := same.answer("new-"+q.tool, q.answer)
		same.want(s, 200, `"inputRequests":{"`, quoted(q.answer), `of the server`)
		if strings.Contains(s.all[0], "of the server") {
			t.Error("the server's state is in the clear")
		}
	}
}

func askNewToOld(t *testing.T, b *bridge) {
	for _, server := range []string{"old", "sse", "child"} {
		for _, q := range asked {
			c := b.newer(t, allCaps)
			a := c.answer(server+"-"+q.tool, q.answer)
			c.want(a, 200, `"inputRequests":{"input-1":{"method":"`+q.method+`"`, `"resultType":"complete"`, quoted(q.answer))
			same := b.older(t, "2025-06-18", allCaps)
			same.want(same.answer(server+"-"+q.tool, q.answer), 200, `"method":"`+q.method+`"`, quoted(q.answer))
		}
		c := b.newer(t, allCaps)
		a := c.answer(server+"-rounds", `{"n":1}`)
		if len(a.all) != 3 {
			t.Errorf("%d rounds: %q", len(a.all), a.all)
		}
		c.want(a, 200, `[{\"n\":1},{\"n\":1}]`)
	}
	none := b.newer(t, `{}`)
	none.want(none.call("old-form", `{}`), 200) // the server makes do without
	for _, r := range b.olds.Requests() {
		if r.Method == "initialize" && strings.Contains(string(r.Params), `"sampling":{}`) {
			return
		}
	}
	t.Error("no session declares what its client does")
}

func resultTypeOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.call("new-echo", `{}`), 200, `"content"`)
	c.want(c.call("new-task", `{}`), 200, `"code":-32603`, "unknown type")
}

func resultTypeNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	for method, params := range map[string]string{
		"tools/call": `"name":"old-echo"`, "tools/list": "", "prompts/list": "", "resources/list": "", "resources/templates/list": "",
		"prompts/get": `"name":"sdk-old-greet"`, "resources/read": `"uri":"sdk-old+file:///book"`,
		"completion/complete": `"ref":{"type":"ref/prompt","name":"sdk-old-greet"},"argument":{"name":"who","value":"y"}`,
	} {
		c.want(c.ask(method, params), 200, `"resultType":"complete"`)
	}
}

func cachingOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.ask("resources/read", `"uri":"sdk-new+file:///book"`), 200, `"contents"`)
	c.never(c.ask("tools/list", ""), `"ttlMs"`)
}

func cachingNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	for method, params := range map[string]string{
		"server/discover": "", "tools/list": "", "prompts/list": "", "resources/list": "", "resources/templates/list": "", "resources/read": `"uri":"sdk-old+file:///book"`,
	} {
		c.want(c.ask(method, params), 200, `"ttlMs":`, `"cacheScope":"private"`)
	}
}

func loggingOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.call("new-tells", `{}`), 200, "quiet", "loud") // info and above, until it says otherwise
	c.want(c.ask("logging/setLevel", `"level":"error"`), 200)
	a := c.call("new-tells", `{}`)
	c.want(a, 200, "loud")
	c.never(a, "quiet")
	c.want(c.call("new-meta", `{}`), 200, `logLevel\":\"error`)
}

func loggingNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.never(c.call("old-tells", `{}`), "loud", "quiet")
	c.meta = `"io.modelcontextprotocol/logLevel":"error",`
	a := c.call("old-tells", `{}`)
	c.want(a, 200, "loud")
	c.never(a, "quiet")
}

func cancelOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	ctx, leave := context.WithCancel(t.Context())
	n := b.news.Count("tools/call")
	go func() { // a connection that breaks says nothing
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(c.body("tools/call", `"name":"new-hang"`)))
		r.Header = c.headers.Clone()
		r.Header.Set("Authorization", "Bearer a-key-for-tests")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	until(t, "the call runs", func() bool { return b.news.Count("tools/call") == n+1 })
	leave()
	c.want(c.ask("ping", ""), 200)
	if b.news.Count("cancelled") > 0 {
		t.Error("a call was cancelled whose client only lost its connection")
	}
	c.want(c.post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`), 202)
	until(t, "the call is cancelled", func() bool { return b.news.Count("cancelled") == 1 })
}

func cancelNewToOld(t *testing.T, b *bridge) {
	for i, caps := range []string{`{}`, allCaps} {
		c := b.newer(t, caps)
		ctx, leave := context.WithCancel(t.Context())
		n := b.olds.Count("tools/call")
		body := c.body("tools/call", `"name":"old-hang"`)
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
			r.Header = c.headers.Clone()
			r.Header.Set("Authorization", "Bearer a-key-for-tests")
			if resp, err := http.DefaultClient.Do(r); err == nil {
				_ = resp.Body.Close()
			}
		}()
		until(t, "the call runs", func() bool { return b.olds.Count("tools/call") == n+1 })
		leave()
		<-done
		until(t, "the server is told", func() bool { return b.olds.Count("notifications/cancelled") == i+1 && b.olds.Count("cancelled") == i+1 })
	}
}

func progressOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.meta = `"progressToken":"mine",`
	a := c.call("new-tells", `{}`)
	c.want(a, 200, `{"progressToken":"mine","progress":1,"total":2}`, `{"progressToken":"mine","progress":2,"total":2}`)
	if !strings.Contains(a.last(), "told") {
		t.Errorf("after the answer: %q", a.all)
	}
}

func progressNewToOld(t *testing.T, b *bridge) {
	for _, caps := range []string{`{}`, allCaps} {
		c := b.newer(t, caps)
		c.meta = `"progressToken":17.0,`
		a := c.call("old-tells", `{}`)
		c.want(a, 200, `{"progressToken":17.0,"progress":1,"total":2}`, `{"progressToken":17.0,"progress":2,"total":2}`)
		if !strings.Contains(a.last(), "told") {
			t.Errorf("after the answer: %q", a.all)
		}
	}
}

func errorsOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.want(c.ask("resources/read", `"uri":"sdk-new+file:///none"`), 200, `"code":-32002`)
	c.want(c.call("old-login", `{}`), 200, `"code":-32042`, `"elicitationId":"e-1"`) // its own era's word
}

func errorsNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, allCaps)
	c.want(c.ask("resources/read", `"uri":"sdk-old+file:///none"`), 200, `"code":-32602`)
	a := c.call("old-login", `{}`)
	c.want(a, 200, `"resultType":"input_required"`, `{"method":"elicitation/create","params":{"mode":"url","url":"https://example.com/x","message":"visit"}}`, `"requestState"`)
	c.never(a, "-32042", "elicitationId")
	none := b.newer(t, `{"elicitation":{}}`)
	none.want(none.call("old-login", `{}`), 400, `-32021`, `"requiredCapabilities":{"elicitation":{"url":{}}}`)
}

func elicitationOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", allCaps)
	c.want(c.answer("new-visit", `{"action":"accept"}`), 200, `"elicitationId":"`)
}

func elicitationNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, allCaps)
	a := c.answer("old-visit", `{"action":"accept"}`)
	c.want(a, 200, `"mode":"url"`)
	c.never(a, "elicitationId")
	c.never(c.call("old-tells", `{}`), "elicitation/complete")
}

func tasksOldToNew(t *testing.T, b *bridge) {
	a := b.older(t, "2025-11-25", `{}`).post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`)
	c := b.older(t, "2025-11-25", `{}`)
	c.want(a, 200, `"capabilities"`)
	c.never(a, `"tasks"`)
	c.want(c.ask("tasks/get", `"taskId":"t"`), 200, `-32601`)
}

func tasksNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.never(c.ask("server/discover", ""), "tasks")
	c.want(c.ask("tasks/get", `"taskId":"t"`), 404, `-32601`)
	c.want(c.call("old-task", `{}`), 200, `-32601`, "task augmentation required") // the server's own refusal
}

func schemasOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	a := c.ask("tools/list", "")
	c.want(a, 200, `{"name":"new-wide","description":"d","inputSchema":{"type":"object"}}`)
	r := c.call("new-wide", `{}`)
	c.want(r, 200, `"text":"[1.0]"`)
	c.never(r, "structuredContent")
}

func schemasNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.want(c.ask("tools/list", ""), 200, strings.Replace(wide, `"wide"`, `"old-wide"`, 1))
	c.want(c.call("old-wide", `{}`), 200, `"structuredContent":[1.0]`)
}

// shownNames are the tools that a client is shown.
func shownNames(a *reply) (all []string) {
	for _, part := range strings.Split(a.last(), `{"name":"`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); strings.Contains(name, "-") {
			all = append(all, name)
		}
	}
	return all
}

func namesOldToNew(t *testing.T, b *bridge) {
	older, newer := b.older(t, "2024-11-05", `{}`), b.newer(t, `{}`)
	first := shownNames(older.ask("tools/list", ""))
	for range 3 {
		if again := shownNames(newer.ask("tools/list", "")); len(again) < 10 || !slices.Equal(first, again) {
			t.Errorf("%q, then %q", first, again)
		}
	}
	if first[0] != "new-echo" {
		t.Errorf("the first is %s", first[0])
	}
}

func namesNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.url = b.URL + "/mcp/old"
	own := c.ask("tools/list", "")
	c.want(own, 200, `{"name":"form"`)
	c.never(own, `"old-`)
	c.want(c.call("echo", `{"n":1.0}`), 200, `{\"n\":1.0}`)
}

const parent = `"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",`

func traceOldToNew(t *testing.T, b *bridge) {
	c := b.older(t, "2025-11-25", `{}`)
	c.meta = parent
	c.want(c.call("new-meta", `{}`), 200, `traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-`)
}

func traceNewToOld(t *testing.T, b *bridge) {
	c := b.newer(t, `{}`)
	c.headers.Set("Traceparent", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	c.want(c.call("old-meta", `{}`), 200, `traceparent\":\"00-1af7651916cd43dd8448eb211c80319c-`)
}
