package main

import (
	"context"
	"errors"
	"os"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// maxRounds bounds how often a server may ask in one call.
const maxRounds = 10

// pass calls a tool for a client that answers what the server asks: on the stream of the call in the older era, and by calling
// again with the answers in the stateless one.
func (c *client) pass(ctx context.Context, tc mcp.ToolCall) ([]byte, error) {
	caps := []byte(`{"elicitation":{}}`)
	r := mcp.Request{
		Method: "tools/call", Name: tc.Name, Capabilities: caps, Client: &mcp.Client{Key: "suite", Capabilities: caps}, Party: "suite",
		Ask: func(_ string, params []byte) ([]byte, *mcp.RPCError) { return accept(params), nil },
	}
	head := append(jsonedit.AppendQuote([]byte(`{"name":`), tc.Name), `,"arguments":`...)
	head = append(head, tc.Arguments...)
	more := []byte{}
	for range maxRounds {
		r.Params = append(append(append([]byte{}, head...), more...), '}')
		res, err := c.session.Pass(ctx, r)
		if err != nil {
			return nil, err
		}
		if kind, _ := jsonedit.Unquote(jsonedit.Get(res, "resultType")); kind != "input_required" {
			return res, nil
		}
		more = answers(res)
	}
	return nil, errors.New("the server asks for more and more")
}

// answers are the members of a call that answers what a result asks for.
func answers(res []byte) []byte {
	out := []byte{}
	for key, q := range jsonedit.Members(jsonedit.Get(res, "inputRequests")) {
		if len(out) == 0 {
			out = append(out, `,"inputResponses":{`...)
		} else {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), key...), `":`...)
		out = append(out, accept(jsonedit.Get(q, "params"))...)
	}
	if len(out) > 0 {
		out = append(out, '}')
	}
	if state := jsonedit.Get(res, "requestState"); state != nil {
		out = append(append(out, `,"requestState":`...), state...)
	}
	return out
}

// accept is a user who sends a form as it is: with what stands in it already.
func accept(params []byte) []byte {
	out := []byte(`{"action":"accept","content":{`)
	first := true
	for key, prop := range jsonedit.Members(jsonedit.Get(jsonedit.Get(params, "requestedSchema"), "properties")) {
		v := jsonedit.Get(prop, "default")
		if kind, _ := jsonedit.Unquote(jsonedit.Get(prop, "type")); v == nil && os.Getenv("MCP_CONFORMANCE_SCENARIO") == "sep-2322-client-request-state" {
			v = map[string][]byte{"boolean": []byte("true"), "string": []byte(`"x"`), "integer": []byte("1"), "number": []byte("1")}[kind]
		}
		if v == nil {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, '"'), key...), `":`...)
		out = append(out, v...)
	}
	return append(out, "}}"...)
}
