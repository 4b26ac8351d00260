package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// gatherTime is how long further questions are waited for, so that those that a server asks side by side make one round.
const gatherTime = 25 * time.Millisecond

// parkedTime is how long a call may go on in all, however often its client is asked.
const parkedTime = time.Hour

// parks reports whether a request may come to be parked: its client can be asked, and its server asks by requests.
func (x *exchange) parks(ctx context.Context, p *passing) bool {
	if !x.modern || x.m.Method == "completion/complete" {
		return false
	}
	return string(declared(jsonedit.Get(x.meta, metaCapabilities))) != "{}" && p.view.Asks(ctx, p.target)
}

// start begins a call that may be parked, in a session of the principal's own, and waits for what comes first.
func (x *exchange) start(ctx context.Context, p *passing, r mcp.Request) answer {
	k := &parked{principal: x.v.Principal, caps: declared(jsonedit.Get(x.meta, metaCapabilities)), wake: make(chan struct{}, 1), sink: r.Notify}
	k.life, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.Params, r.Notify, r.Ask = bytes.Clone(r.Params), k.notify, k.ask // the body that they are of ends with the request
	r.Capabilities = nil
	r.Client = &mcp.Client{Key: "stateless\x00" + x.v.Principal + "\x00" + string(k.caps), Capabilities: k.caps}
	r.Party = rand.Text()
	go func() {
		late := time.AfterFunc(parkedTime, k.cancel)
		defer func() {
			late.Stop()
			if p := recover(); p != nil {
				x.d.o.Log.Error("a call of an MCP client panicked", "panic", p, "stack", string(debug.Stack()))
				k.finish(outcome{err: errors.New("the gateway failed")})
			}
			k.cancel()
		}()
		raw, err := p.view.Call(k.life, p.target, r)
		k.finish(outcome{raw, err})
	}()
	return x.attend(ctx, k)
}

// attend waits with an open request for the end of its call, or until the client must be asked.
func (x *exchange) attend(ctx context.Context, k *parked) answer {
	var soon <-chan time.Time
	for full := false; ; {
		select {
		case <-k.wake:
		case <-soon:
			full = true
		case <-ctx.Done():
			k.cancel()
			return failed(http.StatusOK, jsonrpc.CodeInternal, "the request was cancelled")
		}
		end, open, lacks := k.look()
		switch {
		case end != nil:
			return x.ended(ctx, end, lacks)
		case len(open) > 0 && full:
			return x.park(k, open)
		case len(open) > 0 && soon == nil:
			soon = time.After(gatherTime)
		}
	}
}

// ended is the answer when a call has come to its end. One that failed after its client could not be asked failed for that.
func (x *exchange) ended(ctx context.Context, end *outcome, lacks []byte) answer {
	if lacks != nil && failedResult(end) {
		return answer{failure: lacksCapability(lacks)}
	}
	if end.err != nil {
		return x.wrong(ctx, end.err)
	}
	return x.result(end.raw)
}

// failedResult reports whether a call was of no use.
func failedResult(o *outcome) bool {
	if o.err != nil {
		return true
	}
	bad, _ := jsonedit.Bool(jsonedit.Get(o.raw, "isError"))
	return bad
}

// lacksCapability says that a request needs a client that declares more.
func lacksCapability(need []byte) *failure {
	f := refusal(http.StatusBadRequest, codeCapabilities, "the server asks its client for what it does not declare")
	f.Data = append(append([]byte(`{"requiredCapabilities":`), need...), '}')
	return f
}

// park answers the open request with what the server wants to know.
func (x *exchange) park(k *parked, open []*question) answer {
	k.attach(nil)
	name, ok := x.d.lot.add(k)
	if !ok {
		k.cancel()
		return failed(http.StatusOK, jsonrpc.CodeInternal, "too many calls wait for their clients; try again later")
	}
	out := append([]byte(`{"resultType":"input_required","inputRequests":`), appendQuestions(nil, open)...)
	out = append(append(out, `,"requestState":`...), x.sealState(stateParked, []byte(x.d.tag+name), x.d.lot.life)...)
	return answer{result: append(out, '}')}
}

// resume goes on with a parked call.
func (x *exchange) resume(ctx context.Context, p *passing, content []byte) answer {
	name, here := bytes.CutPrefix(content, []byte(x.d.tag))
	if !here {
		return gone("the call that waits for this is run by another process of the gateway, or ended with it: make the request anew")
	}
	if err := p.view.May(ctx, p.target); err != nil {
		return x.failedCall(ctx, err)
	}
	responses := p.o.Value("inputResponses").Of(x.m.Params)
	k := x.d.lot.find(string(name))
	if k != nil {
		_, open, _ := k.look()
		for _, q := range open {
			if v := jsonedit.Get(responses, q.key); v != nil && jsonedit.Kind(v) != '{' {
				return answer{failure: odd("params.inputResponses." + q.key + " is not an object")}
			}
		}
		k = x.d.lot.take(string(name))
	}
	if k == nil {
		return gone("the call that waited for this has gone on already, or has ended: make the request anew")
	}
	k.attach(x.request(ctx, p.notify).Notify)
	k.answer(responses)
	return x.attend(ctx, k)
}

// gone says that a call cannot be gone on with. The handle was good, so that the client may know why.
func gone(message string) answer {
	f := refusal(http.StatusOK, jsonrpc.CodeInvalidParams, message)
	f.Data = []byte(`{"code":"call_gone"}`)
	return answer{failure: f}
}
