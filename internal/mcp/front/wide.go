package front

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// wide is what the client may see beside tools.
func (x *exchange) wide(ctx context.Context) (*view, *mcp.Wide, *failure) {
	v, f := x.view(ctx)
	if f != nil {
		return nil, nil, f
	}
	w := v.Wide(ctx)
	if ctx.Err() != nil {
		return nil, nil, refusal(http.StatusOK, jsonrpc.CodeInternal, "the request was cancelled")
	}
	return v, w, nil
}

func (x *exchange) listPrompts(ctx context.Context, _ func(string, []byte)) answer {
	return x.listWide(ctx, "prompts", (*mcp.Wide).Prompts)
}

func (x *exchange) listResources(ctx context.Context, _ func(string, []byte)) answer {
	return x.listWide(ctx, "resources", (*mcp.Wide).Resources)
}

func (x *exchange) listTemplates(ctx context.Context, _ func(string, []byte)) answer {
	return x.listWide(ctx, "resourceTemplates", (*mcp.Wide).Templates)
}

func (x *exchange) listWide(ctx context.Context, member string, of func(*mcp.Wide) []byte) answer {
	_, w, f := x.wide(ctx)
	if f != nil {
		return answer{failure: f}
	}
	return x.list(member, of(w), w)
}

func (x *exchange) getPrompt(ctx context.Context, notify func(string, []byte)) answer {
	o, name, f := x.params("name")
	if f != nil {
		return answer{failure: f}
	}
	v, w, f := x.wide(ctx)
	if f != nil {
		return answer{failure: f}
	}
	t, ok := w.Prompt(name)
	if !ok {
		return x.unknown(v, name, x.unseen(mcp.Use{Prompt: name}, refusal(http.StatusOK, jsonrpc.CodeInvalidParams, "Unknown prompt: "+name)))
	}
	return x.pass(ctx, &passing{view: v, target: t, o: &o, member: "name", about: name, notify: notify})
}

func (x *exchange) readResource(ctx context.Context, notify func(string, []byte)) answer {
	o, uri, f := x.params("uri")
	if f != nil {
		return answer{failure: f}
	}
	v, w, f := x.wide(ctx)
	if f != nil {
		return answer{failure: f}
	}
	t, ok := w.Resource(uri)
	if !ok {
		return x.unknown(v, uri, x.unseen(mcp.Use{Resource: uri}, x.noResource(uri)))
	}
	return x.pass(ctx, &passing{view: v, target: t, o: &o, member: "uri", about: uri, notify: notify})
}

// noResource is the answer about a resource that is not there or may not be seen.
func (x *exchange) noResource(uri string) *failure {
	code := jsonrpc.CodeInvalidParams
	if !x.modern {
		code = codeNoResource
	}
	f := refusal(http.StatusOK, code, "Resource not found")
	f.Data = append(jsonedit.AppendQuote([]byte(`{"uri":`), uri), '}')
	return f
}

var refKeys = jsonedit.NewKeys("type", "name", "uri")

// complete passes a completion on to the server of the prompt or the template that it is about.
func (x *exchange) complete(ctx context.Context, notify func(string, []byte)) answer {
	o, err := jsonedit.Scan(x.m.Params, callKeys)
	if err != nil {
		return answer{failure: odd("params: " + err.Error())}
	}
	ref := o.Value("ref").Of(x.m.Params)
	ro, err := jsonedit.Scan(ref, refKeys)
	if err != nil {
		return answer{failure: odd("params.ref is not an object that every reader understands alike")}
	}
	v, w, f := x.wide(ctx)
	if f != nil {
		return answer{failure: f}
	}
	find, key := w.Prompt, "name"
	if jsonedit.Says(ro.Value("type").Of(ref), "ref/resource") {
		find, key = w.Resource, "uri"
	}
	about, _ := jsonedit.Unquote(ro.Value(key).Of(ref))
	t, ok := find(about)
	if !ok {
		u := mcp.Use{Prompt: about}
		if key == "uri" {
			u = mcp.Use{Resource: about}
		}
		return x.unseen(u, refusal(http.StatusOK, jsonrpc.CodeInvalidParams, "params.ref names nothing that there is"))
	}
	if !w.Completes(t) {
		return answer{result: x.complete0()}
	}
	p := &passing{view: v, target: t, o: &o, about: about, notify: notify}
	if t.Name != about {
		p.edits = o.Set(nil, x.m.Params, "ref", jsonedit.Apply(nil, ref, ro.Set(nil, ref, key, jsonedit.AppendQuote(nil, t.Name))))
	}
	return x.pass(ctx, p)
}

// complete0 is a completion without a suggestion.
func (x *exchange) complete0() []byte {
	if x.modern {
		return []byte(`{"resultType":"complete","completion":{"values":[]}}`)
	}
	return []byte(`{"completion":{"values":[]}}`)
}

// subscribe has the session's stream tell when a resource changes.
func (x *exchange) subscribe(ctx context.Context, _ func(string, []byte)) answer {
	_, uri, f := x.params("uri")
	if f != nil {
		return answer{failure: f}
	}
	s := x.session
	s.mu.Lock()
	_, known := s.subs[uri]
	full := len(s.subs) >= maxSubs
	s.mu.Unlock()
	switch {
	case known:
		return answer{result: []byte("{}")}
	case full:
		return failed(http.StatusOK, jsonrpc.CodeInvalidRequest, "the session has too many subscriptions")
	}
	stop, f := x.subscribeTo(ctx, uri, s.told)
	if f != nil {
		return answer{failure: f}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.subs[uri]; twice || s.ended {
		stop()
		return answer{result: []byte("{}")}
	}
	s.subs[uri] = stop
	if s.stream == nil {
		s.alone.Reset(aloneTime)
	}
	return answer{result: []byte("{}")}
}

func (x *exchange) unsubscribe(context.Context, func(string, []byte)) answer {
	_, uri, f := x.params("uri")
	if f != nil {
		return answer{failure: f}
	}
	s := x.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.subs[uri]; stop != nil {
		stop()
		delete(s.subs, uri)
	}
	return answer{result: []byte("{}")}
}
