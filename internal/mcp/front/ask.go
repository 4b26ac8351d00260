package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// A server of the stateless era answers a request with what it wants to know first (input_required), and is asked again with the
// answers. A client of the older era is asked for them on the stream of its request, as its own era has it, by the process that
// the request runs in.

// Bounds of what a server may ask for in one request.
const (
	maxRounds = 10
	maxInputs = 32
	maxAsks   = 64               // of its client, in all
	askTime   = 10 * time.Minute // how long a client may take to answer
)

// declared are the capabilities of a client of the older era as its session keeps them: those that servers ask for, and of
// each what is not too long.
func declared(caps []byte) []byte {
	out := []byte{'{'}
	for _, name := range []string{"elicitation", "sampling", "roots"} {
		v := jsonedit.Get(caps, name)
		if jsonedit.Kind(v) != '{' {
			continue
		}
		if v = jsonedit.Compact(nil, v); len(v) > 256 {
			v = []byte("{}")
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), `":`...)
		out = append(out, v...)
	}
	return append(out, '}')
}

var inputKeys = jsonedit.NewKeys("resultType", "inputRequests", "requestState")

// input answers what a server asks for in raw, a result, until it has a result of another kind, or there is another end.
func (x *exchange) input(ctx context.Context, p *passing, params, raw []byte) (result []byte, end *answer) {
	for range maxRounds {
		o, err := jsonedit.Scan(raw, inputKeys)
		if err != nil {
			return raw, nil
		}
		if kind, _ := jsonedit.Unquote(o.Value("resultType").Of(raw)); kind != "input_required" {
			return raw, nil
		}
		answers, f := x.askAll(ctx, o.Value("inputRequests").Of(raw))
		if f != nil {
			return nil, &answer{failure: f}
		}
		po, err := jsonedit.Scan(params, callKeys)
		if err != nil {
			return nil, &answer{failure: odd("params: " + err.Error())} // unreachable: they have been read before
		}
		edits := po.Set(nil, params, "inputResponses", answers)
		if state := o.Value("requestState").Of(raw); state != nil {
			edits = po.Set(edits, params, "requestState", state)
		} else {
			edits = po.Delete(edits, params, "requestState")
		}
		r := x.request(ctx, p.notify)
		r.Params = jsonedit.Apply(nil, params, edits)
		if raw, err = p.view.Call(ctx, p.target, r); err != nil {
			a := x.failedCall(ctx, err)
			return nil, &a
		}
	}
	a := failed(http.StatusOK, jsonrpc.CodeInternal, "the server asks for more and more input")
	return nil, &a
}

// askAll asks the client for all that a server wants to know, one after the other, and returns the answers by the server's
// keys.
func (x *exchange) askAll(ctx context.Context, requests []byte) ([]byte, *failure) {
	out := []byte{'{'}
	n := 0
	for key, r := range jsonedit.Members(requests) {
		if n++; n > maxInputs {
			return nil, refusal(http.StatusOK, jsonrpc.CodeInternal, "the server asks for too much at once")
		}
		method, _ := jsonedit.Unquote(jsonedit.Get(r, "method"))
		params := jsonedit.Get(r, "params")
		if f := x.mayAsk(method, params); f != nil {
			return nil, f
		}
		m, f := x.ask(ctx, method, asOlder(params))
		switch {
		case f != nil:
			return nil, f
		case m.Error != nil:
			return nil, refusal(http.StatusOK, jsonrpc.CodeInternal, "the client did not answer "+method+": "+m.Error.Message)
		}
		if n > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), key...), `":`...)
		out = append(out, m.Result...)
	}
	return append(out, '}'), nil
}

// mayAsk refuses what the client has not declared, and addresses that are none of the web.
func (x *exchange) mayAsk(method string, params []byte) *failure {
	if e := refuseURL(params); e != nil {
		return refusal(http.StatusOK, jsonrpc.CodeInternal, e.Message)
	}
	if need, known := lacking(x.session.caps, method, params); !known || need != "" {
		return refusal(http.StatusOK, jsonrpc.CodeInternal, "the server asks for "+quote(method)+", which the client does not offer")
	}
	return nil
}

// lacking returns the capability that a client would have to declare to be asked something, as a raw object, and "" if it does.
// known is false for what no client can be asked.
func lacking(caps []byte, method string, params []byte) (need string, known bool) {
	has := func(path ...string) bool { return jsonedit.Kind(jsonedit.Get(caps, path...)) == '{' }
	switch method {
	case "elicitation/create":
		mode, _ := jsonedit.Unquote(jsonedit.Get(params, "mode"))
		switch {
		case mode == "url" && !has("elicitation", "url"):
			return `{"elicitation":{"url":{}}}`, true
		case mode != "url" && (!has("elicitation") || has("elicitation", "url") && !has("elicitation", "form")):
			return `{"elicitation":{"form":{}}}`, true
		}
	case "sampling/createMessage":
		switch {
		case !has("sampling"):
			return `{"sampling":{}}`, true
		case jsonedit.Get(params, "tools") != nil && !has("sampling", "tools"):
			return `{"sampling":{"tools":{}}}`, true
		}
	case "roots/list":
		if !has("roots") {
			return `{"roots":{}}`, true
		}
	default:
		return "", false
	}
	return "", true
}

// refuseURL refuses an elicitation by an address that is none of the web.
func refuseURL(params []byte) *mcp.RPCError {
	if jsonedit.Says(jsonedit.Get(params, "mode"), "url") {
		text, _ := jsonedit.Unquote(jsonedit.Get(params, "url"))
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return &mcp.RPCError{Code: jsonrpc.CodeInvalidParams, Message: "the server asks for a visit to what is no address of the web"}
		}
	}
	return nil
}

func noMethod(method string) *mcp.RPCError {
	return &mcp.RPCError{Code: jsonrpc.CodeMethodNotFound, Message: "the client does not offer " + quote(method)}
}

func tooCurious() *mcp.RPCError {
	return &mcp.RPCError{Code: jsonrpc.CodeInvalidRequest, Message: "the client has been asked too often in one call"}
}

// undeclared answers a server that asks a client of the stateless era that declares nothing.
func (x *exchange) undeclared(method string, params []byte) ([]byte, *mcp.RPCError) {
	if need, known := lacking(nil, method, params); known {
		raw := []byte(need)
		x.lacks.Store(&raw)
	}
	return nil, noMethod(method)
}

var elicitKeys = jsonedit.NewKeys("mode", "elicitationId")

// asOlder gives an elicitation by URL the id that the older era wants.
func asOlder(params []byte) []byte {
	o, err := jsonedit.Scan(params, elicitKeys)
	if err != nil {
		return params
	}
	if mode, _ := jsonedit.Unquote(o.Value("mode").Of(params)); mode != "url" || o.Value("elicitationId").Found() {
		return params
	}
	return jsonedit.Apply(nil, params, o.Set(nil, params, "elicitationId", jsonedit.AppendQuote(nil, rand.Text())))
}

// asker answers what a server of the older era asks in the course of a request.
func (x *exchange) asker(ctx context.Context) func(method string, params []byte) ([]byte, *mcp.RPCError) {
	return func(method string, params []byte) ([]byte, *mcp.RPCError) {
		f := x.mayAsk(method, params)
		if f != nil {
			return nil, &mcp.RPCError{Code: jsonrpc.CodeMethodNotFound, Message: f.Message}
		}
		m, f := x.ask(ctx, method, params)
		switch {
		case f != nil:
			return nil, &mcp.RPCError{Code: f.Code, Message: f.Message}
		case m.Error != nil:
			return nil, &mcp.RPCError{Code: m.Error.Code, Message: m.Error.Message, Data: m.Error.Data}
		}
		return m.Result, nil
	}
}

// ask sends the client a request on the stream of its own and returns the answer.
func (x *exchange) ask(ctx context.Context, method string, params []byte) (m jsonrpc.Message, f *failure) {
	if x.asks.Add(1) > maxAsks {
		return m, refusal(http.StatusOK, jsonrpc.CodeInternal, tooCurious().Message)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	id := jsonedit.AppendQuote(nil, "fl-"+rand.Text())
	answered, done := x.session.expect(id)
	defer done()
	select {
	case x.notes <- jsonrpc.AppendRequest(nil, id, method, params):
	case <-ctx.Done():
		return m, refusal(http.StatusOK, jsonrpc.CodeInternal, "the request was cancelled")
	}
	select {
	case m := <-answered:
		return m, nil
	case <-x.r.Context().Done(): // it was asked on the connection that has gone, and may take the stream up again
		return x.late(ctx, method, answered)
	case <-ctx.Done():
	}
	return m, refusal(http.StatusOK, jsonrpc.CodeInternal, "the client did not answer "+method)
}

// late waits a while longer for an answer, from a client that can take up the stream that it was asked on.
func (x *exchange) late(ctx context.Context, method string, answered <-chan jsonrpc.Message) (m jsonrpc.Message, f *failure) {
	if !x.v.Local {
		t := time.NewTimer(resumeTime)
		defer t.Stop()
		select {
		case m := <-answered:
			return m, nil
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return m, refusal(http.StatusOK, jsonrpc.CodeInternal, "the client did not answer "+method)
}

// expect enters a request to the client.
func (s *session) expect(id []byte) (answered <-chan jsonrpc.Message, done func()) {
	ch := make(chan jsonrpc.Message, 1)
	key := string(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[key] = ch
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, key)
	}
}

// answer takes in an answer of the client. One to what was not asked in this session is dropped.
func (s *session) answer(m jsonrpc.Message) (known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch := s.asked[string(m.ID)]
	if ch == nil {
		return false
	}
	delete(s.asked, string(m.ID))
	m.Result = bytes.Clone(m.Result) // it outlives the body that it came in
	if m.Error != nil {
		m.Error.Data = bytes.Clone(m.Error.Data)
	}
	ch <- m
	return true
}
