package front_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/front"
)

// old is a server of the older era with a tool, a prompt and a resource, that does what do says.
func old(do func(ctx context.Context, r mcp.Request) ([]byte, error)) *fake {
	f := newFake(named("t"), `{"name":"safe","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}`)
	f.lists = map[string][]string{"prompts/list": {`{"name":"p"}`}, "resources/list": {`{"uri":"file:///r"}`}}
	f.asks, f.do = true, do
	return f
}

const elicit = `{"message":"who?","requestedSchema":{"type":"object"}}`

// asksOnce asks its client and answers with the answer.
func asksOnce(method, params string) *fake {
	return old(func(_ context.Context, r mcp.Request) ([]byte, error) {
		a, e := r.Ask(method, []byte(params))
		if e != nil {
			return []byte(`{"content":[{"type":"text","text":"` + strings.ReplaceAll(e.Message, `"`, "'") + `"}],"isError":true}`), nil
		}
		return []byte(`{"content":[],"got":` + string(a) + `}`), nil
	})
}

// stateless is a client of the stateless era that declares capabilities.
type stateless struct {
	*house
	caps    string
	headers []string
}

func (c *stateless) call(method, params, name string, headers ...string) got {
	c.t.Helper()
	body, hs := modern(method, params, name)
	body = strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":`+c.caps, 1)
	return c.ask("POST", "/mcp", body, append(append(hs, c.headers...), headers...)...)
}

// state returns what an answer asks for as a member of the params that bring the answers.
func state(t *testing.T, a got) string {
	t.Helper()
	s := string(jsonedit.Get([]byte(a.body), "result", "requestState"))
	if kind, _ := jsonedit.Unquote(jsonedit.Get([]byte(a.body), "result", "resultType")); kind != "input_required" || s == "" {
		t.Fatalf("it asks for nothing: %s", a.body)
	}
	return `"requestState":` + s
}

// about are the requests that a server may ask in the midst of.
var about = []struct{ method, params, name string }{
	{"tools/call", `"name":"a-t","arguments":{"n":1.0}`, "a-t"},
	{"prompts/get", `"name":"a-p"`, "a-p"},
	{"resources/read", `"uri":"a+file:///r"`, "a+file:///r"},
}

// TestParkedCall: what a server of the older era asks in the midst of a call, a client of the stateless era is answered with, and
// the call goes on with its answers.
func TestParkedCall(t *testing.T) {
	for _, q := range []struct{ method, params, shown, answer string }{
		{"elicitation/create", elicit, `{"method":"elicitation/create","params":` + elicit + `}`, `{"action":"accept","content":{"n":1.0}}`},
		{"elicitation/create", `{"mode":"url","elicitationId":"e","url":"https://example.com/x","message":"m"}`, `"params":{"mode":"url","url":"https://example.com/x","message":"m"}`, `{"action":"decline"}`},
		{"sampling/createMessage", `{"maxTokens":5,"messages":[]}`, `{"method":"sampling/createMessage","params":{"maxTokens":5,"messages":[]}}`, `{"role":"assistant","x":1.0}`},
		{"roots/list", `{}`, `{"method":"roots/list","params":{}}`, `{"roots":[]}`},
		{"roots/list", "", `{"method":"roots/list","params":{}}`, `{"roots":[]}`},
	} {
		f := asksOnce(q.method, q.params)
		c := &stateless{house: newHouse(t, fakes{"a": f}), caps: `{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}`}
		for i, r := range about {
			first := c.call(r.method, r.params, r.name)
			c.want(first, 200, `"inputRequests":{"input-1":`, q.shown)
			if n := c.door.Parked(); n != 1 {
				t.Errorf("%d calls are parked", n)
			}
			again := c.call(r.method, r.params+`,"inputResponses":{"input-1":`+q.answer+`,"more":{}},`+state(t, first), r.name)
			c.want(again, 200, `"resultType":"complete"`, `"got":`+q.answer)
			if n := c.door.Parked(); n != 0 || f.count() != i+1 {
				t.Errorf("%d calls are parked, and the server was called %d times", n, f.count())
			}
		}
		if last := f.dialled[len(f.dialled)-1]; !strings.Contains(string(last.Client), `"sampling":{}`) || len(f.dialled) != 2 {
			t.Errorf("%d sessions, the last declares %s", len(f.dialled), last.Client)
		}
	}
}

// TestParkedRounds: several questions, one after the other and at once; one that is not answered is asked again.
func TestParkedRounds(t *testing.T) {
	f := old(func(_ context.Context, r mcp.Request) ([]byte, error) {
		one, _ := r.Ask("elicitation/create", []byte(elicit))
		r.Notify("notifications/progress", []byte(`{"progressToken":7,"progress":1}`))
		answers := make(chan string)
		for _, m := range []string{"roots/list", "roots/list"} {
			go func() {
				a, _ := r.Ask(m, nil)
				answers <- string(a)
			}()
		}
		return []byte(`{"content":[],"got":[` + string(one) + `,` + <-answers + `,` + <-answers + `]}`), nil
	})
	c := &stateless{house: newHouse(t, fakes{"a": f}), caps: `{"elicitation":{},"roots":{}}`}
	params, name := `"name":"a-t"`, "a-t"
	a := c.call("tools/call", params, name)
	unanswered := c.call("tools/call", params+`,`+state(t, a), name)
	c.want(unanswered, 200, `"input-1":{"method":"elicitation/create"`)
	c.want(c.call("tools/call", params+`,"inputResponses":{"input-1":[]},`+state(t, unanswered), name), 400, "input-1 is not an object")
	a = c.call("tools/call", params+`,"inputResponses":{"input-1":{"n":1}},`+state(t, unanswered), name)
	for range 2 { // the two questions may come in one round or in two
		if !strings.Contains(a.body, "input_required") {
			break
		}
		c.want(a, 200, `"method":"roots/list"`)
		a = c.call("tools/call", params+`,"inputResponses":{"input-2":{"n":2},"input-3":{"n":3}},`+state(t, a), name)
	}
	c.want(a, 200, `{"n":1}`, `{"n":2}`, `{"n":3}`, `"complete"`)
}

// TestParkedProgress: what a server tells meanwhile goes to the request that is open, under its token.
func TestParkedProgress(t *testing.T) {
	f := old(func(_ context.Context, r mcp.Request) ([]byte, error) {
		r.Notify("notifications/progress", []byte(`{"progressToken":7,"progress":1}`))
		_, _ = r.Ask("roots/list", nil)
		r.Notify("notifications/progress", []byte(`{"progressToken":7,"progress":2}`))
		r.Notify("notifications/message", []byte(`{"level":"error","data":"x"}`))
		return []byte(`{"content":[]}`), nil
	})
	c := &stateless{house: newHouse(t, fakes{"a": f}), caps: `{"roots":{}},"progressToken":"one","io.modelcontextprotocol/logLevel":"warning"`}
	a := c.call("tools/call", `"name":"a-t"`, "a-t")
	c.want(a, 200, `{"progressToken":"one","progress":1}`)
	body := a.body[strings.LastIndex(a.body, "\n")+1:]
	c.caps = strings.Replace(c.caps, "one", "two", 1)
	a = c.call("tools/call", `"name":"a-t","inputResponses":{"input-1":{"roots":[]}},`+state(t, got{body: body}), "a-t")
	c.want(a, 200, `{"progressToken":"two","progress":2}`, `{"level":"error","data":"x"}`, `"complete"`)
}

// TestParkedEnds: a call that nobody comes back for is cancelled; so is one whose client leaves.
func TestParkedEnds(t *testing.T) {
	ended := make(chan error, 1)
	f := old(func(ctx context.Context, r mcp.Request) ([]byte, error) {
		_, _ = r.Ask("roots/list", nil)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	c := &stateless{house: newHouseWith(t, front.Options{Park: 50 * time.Millisecond}, fakes{"a": f}), caps: `{"roots":{}}`}
	a := c.call("tools/call", `"name":"a-t"`, "a-t")
	if err := <-ended; !errors.Is(err, context.Canceled) || c.door.Parked() != 0 {
		t.Errorf("%v, %d are parked", err, c.door.Parked())
	}
	c.want(c.call("tools/call", `"name":"a-t","inputResponses":{"input-1":{}},`+state(t, a), "a-t"), 200, `-32602`)

	c.house = newHouse(t, fakes{"a": f})
	a = c.call("tools/call", `"name":"a-t"`, "a-t")
	body, hs := modern("tools/call", `"name":"a-t","inputResponses":{"input-1":{}},`+state(t, a), "a-t")
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() { defer close(gone); c.send(ctx, "POST", "/mcp", body, hs...) }()
	for c.door.Parked() > 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	<-gone
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestParkedBounds: so many calls wait, of all and of one principal, and a process knows its own alone.
func TestParkedBounds(t *testing.T) {
	f := asksOnce("roots/list", `{}`)
	c := &stateless{house: newHouseWith(t, front.Options{Parked: 3, Each: 2}, fakes{"a": f}), caps: `{"roots":{}}`}
	park := func(who string) got { return c.call("tools/call", `"name":"a-t"`, "a-t", "X-Principal", who) }
	mine := park("alice")
	park("alice")
	c.want(park("alice"), 200, "too many calls wait")
	park("bob")
	c.want(park("bob"), 200, "too many calls wait")
	if n := c.door.Parked(); n != 3 {
		t.Errorf("%d are parked", n)
	}
	other := &stateless{house: newHouse(t, fakes{"a": f}), caps: c.caps}
	again := `"name":"a-t","inputResponses":{"input-1":{"roots":[]}},` + state(t, mine)
	other.want(other.call("tools/call", again, "a-t", "X-Principal", "alice"), 200, "-32602", "another process", `"data":{"code":"call_gone"}`)
	c.want(c.call("tools/call", again, "a-t", "X-Principal", "alice"), 200, `"complete"`)
}

// TestUndeclaredCapability: a client that does not declare what a server asks for is told what it needs, if that was what its call
// failed for.
func TestUndeclaredCapability(t *testing.T) {
	for params, need := range map[string]string{
		elicit: `{"elicitation":{"form":{}}}`,
		`{"mode":"url","url":"https://example.com/","message":"m"}`: `{"elicitation":{"url":{}}}`,
	} {
		for _, caps := range []string{`{}`, `{"roots":{}}`} {
			c := &stateless{house: newHouse(t, fakes{"a": asksOnce("elicitation/create", params)}), caps: caps}
			c.want(c.call("tools/call", `"name":"a-t"`, "a-t"), 400, `"code":-32021`, `"data":{"requiredCapabilities":`+need+`}`)
		}
	}
	f := old(func(_ context.Context, r mcp.Request) ([]byte, error) {
		_, e := r.Ask("sampling/createMessage", []byte(`{}`))
		return []byte(`{"content":[],"without":"` + strings.ReplaceAll(e.Message, `"`, "") + `"}`), nil
	})
	c := &stateless{house: newHouse(t, fakes{"a": f}), caps: `{}`}
	c.want(c.call("tools/call", `"name":"a-t"`, "a-t"), 200, `"without":`)
}

// TestVisitFirst: a server of 2025-11-25 that wants its user to visit an address first has a client of the stateless era asked for
// it, and is called anew after that.
func TestVisitFirst(t *testing.T) {
	visited := false
	f := old(func(context.Context, mcp.Request) ([]byte, error) {
		if visited {
			return []byte(`{"content":[],"done":true}`), nil
		}
		return nil, &mcp.RPCError{Code: -32042, Message: "visit", Data: []byte(`{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://example.com/login","message":"m"}]}`)}
	})
	c := &stateless{house: newHouse(t, fakes{"a": f}), caps: `{"elicitation":{"url":{}}}`}
	a := c.call("tools/call", `"name":"a-t"`, "a-t")
	c.want(a, 200, `"inputRequests":{"input-1":{"method":"elicitation/create","params":{"mode":"url","url":"https://example.com/login","message":"m"}}}`)
	again := func(action string) got {
		return c.call("tools/call", `"name":"a-t","inputResponses":{"input-1":{"action":"`+action+`"}},`+state(t, a), "a-t")
	}
	c.want(again("decline"), 200, `-32603`, "has not agreed")
	c.want(again("accept"), 200, "input_required")
	visited = true
	c.want(again("accept"), 200, `"done":true`)
	if p := string(f.last().Params); strings.Contains(p, "requestState") || strings.Contains(p, "inputResponses") {
		t.Errorf("the server is called with %s", p)
	}
	c.caps = `{"elicitation":{}}`
	visited = false
	c.want(c.call("tools/call", `"name":"a-t"`, "a-t"), 400, "-32021", `{"elicitation":{"url":{}}}`)
}
