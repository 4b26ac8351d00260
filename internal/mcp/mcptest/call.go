package mcptest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// call runs tools/call.
func (s *Server) call(ctx context.Context, in *incoming) []byte {
	name, _ := jsonedit.Unquote(jsonedit.Get(in.Params, "name"))
	s.mu.Lock()
	i := slices.IndexFunc(s.tools, func(t Tool) bool { return t.listed() == name })
	var t Tool
	if i >= 0 {
		t = s.tools[i]
	}
	s.mu.Unlock()
	if i < 0 {
		return fault(in, jsonrpc.CodeInvalidParams, fmt.Sprintf("Unknown tool: %s", name), "")
	}
	if s.spec.Ask != "" && !in.modern {
		s.ask(ctx, in, s.spec.Ask, []byte("{}"))
	}
	c := &Call{Name: name, Args: jsonedit.Get(in.Params, "arguments"), Meta: jsonedit.Get(in.Params, "_meta"), Progress: func(int, int) {}}
	if token := jsonedit.Get(c.Meta, "progressToken"); token != nil {
		c.Progress = func(done, total int) {
			in.out(jsonrpc.AppendNotification(nil, "notifications/progress", fmt.Appendf(nil, `{"progressToken":%s,"progress":%d,"total":%d}`, token, done, total)))
		}
	}
	c.Params = in.Params
	c.Notify = func(method string, params []byte) { in.out(jsonrpc.AppendNotification(nil, method, params)) }
	c.Ask = func(method string, params []byte) []byte { return s.ask(ctx, in, method, params) }
	if t.Func != nil {
		res, err := t.Func(ctx, c)
		if err != nil {
			res = text(err.Error(), true)
		}
		return s.result(in, res)
	}
	return s.act(ctx, in, &t, c)
}

// listed is the name under which a tool is listed.
func (t *Tool) listed() string {
	if t.Raw == nil {
		return t.Name
	}
	name, _ := jsonedit.Unquote(jsonedit.Get(t.Raw, "name"))
	return name
}

// act does what the script of a tool says.
func (s *Server) act(ctx context.Context, in *incoming, t *Tool, c *Call) []byte {
	if t.Do != Steps {
		delay(ctx, t.Millis)
	}
	if t.Asks != nil {
		c.Args = s.inquire(t, c)
	}
	switch {
	case ctx.Err() != nil:
		s.record(Request{Method: "cancelled"})
		return nil
	case t.Result != nil:
		return s.result(in, t.Result)
	case t.Error != nil:
		return append(append(append([]byte(`{"jsonrpc":"2.0","id":`), in.ID...), `,"error":`...), append(t.Error, '}')...)
	}
	switch t.Do {
	case Echo:
		return s.result(in, Text(string(c.Args)))
	case Fail:
		return s.result(in, text(t.Text, true))
	case Refuse:
		return fault(in, -32000, t.Text, `{"a":1}`)
	case Hang:
		return s.hang(ctx)
	case Die:
		s.die()
	case Want:
		return s.result(in, []byte(`{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}}}`))
	default:
		return s.result(in, Text(s.effect(ctx, t, c)))
	}
	return nil
}

// inquire asks the client what the tool wants to know, and returns the answers as a list.
func (s *Server) inquire(t *Tool, c *Call) []byte {
	answers := []byte{'['}
	for i, a := range t.Asks {
		if i > 0 {
			answers = append(answers, ',')
		}
		answers = append(answers, c.Ask(a.Method, a.Params)...)
	}
	return append(answers, ']')
}

// effect does what has an effect beside the answer, and returns the answer's text.
func (s *Server) effect(ctx context.Context, t *Tool, c *Call) string {
	switch t.Do {
	case Steps:
		for i := range t.Count {
			delay(ctx, t.Millis)
			c.Progress(i+1, t.Count)
		}
	case Flood:
		return strings.Repeat("x", t.Count)
	case Forget:
		s.Forget()
	case Change:
		s.mu.Lock()
		tools := append(slices.Clone(s.tools), Tool{Name: "new", Text: "new"})
		s.mu.Unlock()
		s.SetTools(tools)
	case Env:
		return environ()
	}
	return t.Text
}
