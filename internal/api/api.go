// Package api is the front door: one mux, one list of routes, one place that writes errors.
package api

import (
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/wire"
)

// API serves the endpoints over one snapshot of the config.
type API struct {
	Doors   []wire.Door
	Keys    *auth.Keyring
	Planner *plan.Planner
	Log     *slog.Logger
	Access  obs.Access
	Body    int64    // the largest request body, in bytes
	Uploads int64    // the largest form, in bytes
	Show    llm.Show // how tool rounds show when the request does not say
	// What outlives a request; nil: nothing does. Background makes replies that go on without their client.
	Kept       store.Store
	Background *Background
	KeepAlive  time.Duration // the longest silence of a stream that follows a reply
	MCP        MCP           // nil: MCP clients are not served
	// Logins are the pages that browsers come to when users log in to MCP servers, by their patterns.
	Logins map[string]http.Handler
	Hosts  []string // the names under which the gateway is asked for, beside the Host header
}

// route is one endpoint.
type route struct {
	method, path string
	open         bool // no key is asked for
	door         wire.Door
	mcp          MCP // writes the errors instead of the door
	serve        func(w http.ResponseWriter, r *http.Request, c *caller) error
}

// caller is who sends a request, and with what.
type caller struct {
	id   *auth.Identity
	cred auth.Credential
	door wire.Door // writes the errors
}

func (a *API) routes() []route {
	errs := a.Doors[0]
	list := []route{
		{method: http.MethodGet, path: "/health", open: true, door: errs, serve: health},
		{method: http.MethodGet, path: "/v1/models", door: errs, serve: a.models},
		{method: http.MethodGet, path: "/v1/models/{id...}", door: errs, serve: a.model},
		{method: http.MethodGet, path: "/v1/mcp/tools", door: errs, serve: a.tools},
	}
	for path, page := range a.Logins {
		list = append(list, route{path: path, open: true, door: errs, serve: func(w http.ResponseWriter, r *http.Request, _ *caller) error {
			page.ServeHTTP(w, r)
			return nil
		}})
	}
	if a.MCP != nil {
		list = append(append(list, a.mcpRoutes()...), a.resourceRoutes()...)
	}
	for _, d := range a.Doors {
		for _, r := range d.Routes() {
			list = append(list, route{method: r.Method, path: r.Path, door: d, serve: a.generate})
		}
		if counter, ok := d.(wire.Counter); ok {
			list = append(list, a.countRoute(counter))
		}
		if archive, ok := d.(wire.Archive); ok && a.Kept != nil {
			list = append(list, a.archiveRoutes(archive)...)
		}
	}
	return append(list, a.relayRoutes(errs)...)
}

// Handler returns the whole API. Paths without a variable part are found at once, the others by the mux.
func (a *API) Handler() http.Handler {
	mux, plain := http.NewServeMux(), map[string]http.Handler{}
	for _, r := range a.routes() {
		h := a.handle(r)
		mux.Handle(r.path, h)
		if !strings.ContainsAny(r.path, "{} ") && !strings.HasSuffix(r.path, "/") {
			plain[r.path] = h
		}
	}
	mux.Handle("/", a.handle(route{door: a.Doors[0], open: true, serve: func(_ http.ResponseWriter, r *http.Request, _ *caller) error {
		return &fault.Error{Kind: fault.NotFound, Code: "not_found", Message: "there is no endpoint " + r.URL.Path}
	}}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := plain[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// handle wraps a route: call id, log, panics, host, method, key, errors, in this order.
func (a *API) handle(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := begin(w, r)
		sw := &statusWriter{ResponseWriter: w, call: call}
		defer a.end(sw, call, rt)
		err := a.admit(rt, r.WithContext(obs.With(r.Context(), call)), sw)
		if err == nil {
			return
		}
		a.note(call, err)
		if sw.status == 0 {
			rt.writeError(sw, err)
		}
	})
}

func (a *API) admit(rt route, r *http.Request, w http.ResponseWriter) error {
	if err := a.checkHost(r); err != nil {
		return err
	}
	if rt.method != "" && r.Method != rt.method && (rt.method != http.MethodGet || r.Method != http.MethodHead) {
		w.Header().Set("Allow", rt.method)
		return &fault.Error{Kind: fault.MethodNotAllowed, Code: "method_not_allowed", Message: r.URL.Path + " takes " + rt.method + ", not " + r.Method}
	}
	c := &caller{door: rt.door}
	if !rt.open {
		var err error
		path := rt.resource(r)
		if c.id, c.cred, err = a.Keys.Identify(r.Context(), r.Header, path); err != nil {
			if fault.KindOf(err) == fault.Unauthenticated {
				w.Header().Set("WWW-Authenticate", a.Keys.Challenge(path, c.cred))
			}
			return err
		}
		call := obs.From(r.Context())
		call.Key, call.Subject = c.id.Name, c.id.Subject
	}
	return rt.serve(w, r, c)
}

// resource is what a request asks for as access tokens name it: the path of an MCP endpoint, or empty for all others.
func (rt route) resource(r *http.Request) string {
	if rt.mcp == nil {
		return ""
	}
	return strings.TrimSuffix(r.URL.Path, "/")
}

func (rt route) writeError(w http.ResponseWriter, err error) {
	if rt.mcp != nil {
		rt.mcp.WriteError(w, err)
		return
	}
	rt.door.WriteError(w, err)
}

// begin gives the request its call, and the answer the headers that every answer has.
func begin(w http.ResponseWriter, r *http.Request) *obs.Call {
	c := &obs.Call{
		ID: obs.NewID(), Start: time.Now(), RequestID: r.Header.Get("X-Request-Id"),
		Traceparent: r.Header.Get("Traceparent"), Tracestate: r.Header.Get("Tracestate"), TraceID: r.Header.Get("X-Litellm-Trace-Id"),
	}
	h := w.Header()
	h.Set("X-Fairlead-Call-Id", c.ID)
	if c.RequestID != "" {
		h.Set("X-Request-Id", c.RequestID)
	}
	return c
}

// end logs the request, whatever became of it.
func (a *API) end(w *statusWriter, c *obs.Call, rt route) {
	p, begun := recover(), w.status != 0
	if p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
		a.Log.Error("a request panicked", "panic", p, "stack", stack(), c.Attrs())
		if !begun {
			rt.writeError(w, &fault.Error{Kind: fault.Internal, Code: "internal_error", Message: "the gateway failed; the log has the details under this call id"})
		}
	}
	if rt.path != "/health" {
		a.Access.Request(c, rt.path, w.code())
	}
	if p == http.ErrAbortHandler || p != nil && begun { //nolint:errorlint // as above
		panic(http.ErrAbortHandler) // the client sees that the reply is not whole
	}
}

// note keeps what the log says of a failed request.
func (a *API) note(c *obs.Call, err error) {
	c.Error = withoutLinks(err.Error())
	if fault.KindOf(err) == fault.Canceled {
		c.Error = "client left"
	}
}

// withoutLinks takes out of a text what only the one may see who is to log in: the ends of links.
func withoutLinks(text string) string {
	const path = "/oauth/login/"
	before, rest, ok := strings.Cut(text, path)
	if !ok {
		return text
	}
	rest = strings.TrimLeftFunc(rest, func(r rune) bool { return r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	return before + path + "…" + withoutLinks(rest)
}

// checkHost refuses requests that a web page could have made a browser send, where no key stands in the way: a foreign
// Host (DNS rebinding) or a foreign Origin.
func (a *API) checkHost(r *http.Request) error {
	if !a.Keys.Open() {
		return nil
	}
	host := hostOf(r.Host)
	if !isLoopback(host) && !contains(a.Hosts, host) {
		return &fault.Error{Kind: fault.Forbidden, Code: "host_not_allowed", Message: "this gateway asks for no keys and so answers only to loopback names; configure keys to serve the host " + host}
	}
	if o := r.Header.Get("Origin"); o != "" && !isLoopback(originHost(o)) {
		return &fault.Error{Kind: fault.Forbidden, Code: "origin_not_allowed", Message: "this gateway asks for no keys and so answers no web page of another origin; configure keys to serve it"}
	}
	return nil
}

// generate answers a request for a model.
func (a *API) generate(w http.ResponseWriter, r *http.Request, c *caller) error {
	body, release, err := a.readBody(w, r)
	if err != nil {
		return err
	}
	defer func() { release() }()
	req, err := c.door.ReadRequest(r.Header, body)
	if err != nil {
		return err
	}
	call := obs.From(r.Context())
	call.Model = req.Model
	if req.Show, err = a.show(r); err != nil {
		return err
	}
	model, err := a.Planner.Plan(r.Context(), a.planCaller(r, c), c.door, req)
	if err != nil {
		return err
	}
	if len(req.Dropped) > 0 {
		w.Header().Set("X-Fairlead-Dropped-Params", strings.Join(req.Dropped, ", "))
	}
	if req.Detached {
		release = func() {} // the reply outlives this handler, and so does what it refers to
		return a.detach(w, r, c, req, model)
	}
	return c.door.WriteReply(w, req, a.watch(call, model.Generate(r.Context(), req)))
}

// watch keeps what the log says of a reply: its usage, and the error it ended with.
func (a *API) watch(call *obs.Call, reply iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		for ev, err := range reply {
			if err != nil {
				a.note(call, err)
			} else if u := ev.Usage; u != nil && ev.Kind != llm.Start {
				call.Input += u.Inputs()
				call.Output += u.Outputs()
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

func (a *API) planCaller(r *http.Request, c *caller) plan.Caller {
	hosts := append(append(make([]string, 0, 1+len(a.Hosts)), r.Host), a.Hosts...)
	return plan.Caller{Identity: c.id, Credential: c.cred, Header: r.Header, Hosts: hosts}
}

func (a *API) show(r *http.Request) (llm.Show, error) {
	word := r.Header.Get("X-Fairlead-Stream")
	if word == "" {
		return a.Show, nil
	}
	show, ok := ShowOf(strings.ToLower(word))
	if !ok {
		return 0, fault.Invalidf("x-fairlead-stream", "x-fairlead-stream must be standard, hidden, annotated or legacy, not %q", word)
	}
	return show, nil
}

// ShowOf reads the word for a stream mode.
func ShowOf(word string) (llm.Show, bool) {
	show, ok := map[string]llm.Show{"standard": llm.ShowStandard, "hidden": llm.ShowHidden, "annotated": llm.ShowAnnotated, "legacy": llm.ShowLegacy}[word]
	return show, ok
}
