package front

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// The error codes of the stateless era.
const (
	codeHeaders      = -32020 // a header differs from the body
	codeCapabilities = -32021 // the client does not declare what the request needs
	codeRevision     = -32022 // the revision is not spoken here
)

// codeNoResource is the older era's word for a resource that is not there.
const codeNoResource = -32002

// Serve answers one HTTP request of a principal whose key has been looked at. v.Body holds the body of a POST.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	w.Header().Set("Cache-Control", "no-store")
	if err := checkOrigin(r); err != nil {
		d.WriteError(w, err)
		return
	}
	switch r.Method {
	case http.MethodPost:
		d.post(w, r, v)
	case http.MethodGet, http.MethodDelete:
		d.older(w, r, v)
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		d.WriteError(w, &fault.Error{Kind: fault.MethodNotAllowed, Code: "method_not_allowed", Message: r.URL.Path + " takes POST, GET and DELETE, not " + r.Method})
	}
}

// checkOrigin refuses requests that a web page of another origin had a browser send.
func checkOrigin(r *http.Request) error {
	for _, o := range r.Header.Values("Origin") {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) && !loopback(u.Hostname()) {
			return &fault.Error{Kind: fault.Forbidden, Code: "origin_not_allowed", Message: "this gateway answers no web page of another origin here"}
		}
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}

// WriteError answers with an error that is no answer to a request: of the key, of the body, of the path.
func (d *Door) WriteError(w http.ResponseWriter, err error) {
	e := fault.From(err)
	if e.Kind == fault.Unauthenticated && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	data := jsonedit.AppendQuote([]byte(`{"code":`), e.Code)
	writeJSON(w, e.HTTPStatus(), jsonrpc.AppendError(nil, nil, &jsonrpc.Error{Code: rpcCode(e), Message: e.Message, Data: append(data, '}')}))
}

// rpcCode is the JSON-RPC code that says the most of an error of ours.
func rpcCode(e *fault.Error) int {
	switch e.Kind {
	case fault.Internal, fault.Unavailable, fault.Dependency, fault.Upstream, fault.Timeout:
		return jsonrpc.CodeInternal
	default:
		return jsonrpc.CodeInvalidRequest
	}
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// writePieces writes one document that is in pieces.
func writePieces(w http.ResponseWriter, status int, pieces ...[]byte) {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.WriteHeader(status)
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return
		}
	}
}

// post answers a POST: one message.
func (d *Door) post(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	if jsonedit.Kind(v.Body) == '[' {
		d.batch(w, r, v)
		return
	}
	m, bad := read(v.Body)
	if bad != nil {
		writeJSON(w, http.StatusBadRequest, jsonrpc.AppendError(nil, nil, bad))
		return
	}
	x := &exchange{d: d, w: w, r: r, v: v, m: m, meta: jsonedit.Get(m.Params, "_meta")}
	x.revision = header(r, "Mcp-Protocol-Version")
	x.asked, _ = jsonedit.Unquote(jsonedit.Get(x.meta, metaRevision))
	x.modern = x.revision >= revModern || x.asked != ""
	if !x.modern {
		d.postOlder(x)
		return
	}
	switch {
	case m.IsNotification(): // nothing is remembered of the request that it could tell of
		w.WriteHeader(http.StatusAccepted)
	case !m.IsRequest():
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidRequest, "this revision has no answers from clients"))
	default:
		if f := x.checkModern(); f != nil {
			x.refuse(f.status, f.Error)
			return
		}
		x.serve()
	}
}

// read reads the one message of a body, and refuses what two readers could understand in two ways.
func read(body []byte) (jsonrpc.Message, *jsonrpc.Error) {
	m, err := jsonrpc.Parse(body)
	switch {
	case err == nil:
	case !jsonedit.Valid(body):
		return m, fail(jsonrpc.CodeParse, "the body is not JSON: "+err.Error())
	default:
		return m, fail(jsonrpc.CodeInvalidRequest, "the body is not a JSON-RPC message: "+err.Error())
	}
	if !jsonedit.Valid(body) || repeats(body) {
		return m, fail(jsonrpc.CodeInvalidRequest, "the body has a member twice, or text that is not UTF-8")
	}
	if m.Params != nil && jsonedit.Kind(m.Params) != '{' {
		return m, fail(jsonrpc.CodeInvalidParams, "params is not an object")
	}
	return m, nil
}

func fail(code int, message string) *jsonrpc.Error {
	return &jsonrpc.Error{Code: code, Message: message}
}

// exchange is one message of a client, and the way of its answer.
type exchange struct {
	d        *Door
	w        http.ResponseWriter
	r        *http.Request
	v        *mcp.Visit
	m        jsonrpc.Message
	meta     []byte // params._meta
	revision string // of the header
	asked    string // the revision that _meta names
	modern   bool
	session  *session               // of the older era
	notes    chan<- []byte          // messages that come before the answer; nil: the client takes none
	asks     atomic.Int32           // how often its server has asked the client
	lacks    atomic.Pointer[[]byte] // a capability that the client was needed to declare
}

// refuse answers a request with an error that says that it was not begun.
func (x *exchange) refuse(status int, e *jsonrpc.Error) {
	writeJSON(x.w, status, jsonrpc.AppendError(nil, x.m.ID, e))
}

// method is one thing that clients can ask for.
type method struct {
	run    func(x *exchange, ctx context.Context, notify func(method string, params []byte)) answer
	stream func(x *exchange) // instead of run: it writes the answer itself
	older  bool              // it is in the older era
	newer  bool              // it is in the stateless era
	named  string            // the member of params that Mcp-Name repeats
}

var methods = map[string]method{
	"initialize":               {run: (*exchange).initialize, older: true},
	"ping":                     {run: (*exchange).ping, older: true},
	"logging/setLevel":         {run: (*exchange).setLevel, older: true},
	"server/discover":          {run: (*exchange).discover, newer: true},
	"subscriptions/listen":     {stream: (*exchange).listen, newer: true},
	"resources/subscribe":      {run: (*exchange).subscribe, older: true},
	"resources/unsubscribe":    {run: (*exchange).unsubscribe, older: true},
	"tools/list":               {run: (*exchange).listTools, older: true, newer: true},
	"tools/call":               {run: (*exchange).callTool, older: true, newer: true, named: "name"},
	"prompts/list":             {run: (*exchange).listPrompts, older: true, newer: true},
	"prompts/get":              {run: (*exchange).getPrompt, older: true, newer: true, named: "name"},
	"resources/list":           {run: (*exchange).listResources, older: true, newer: true},
	"resources/templates/list": {run: (*exchange).listTemplates, older: true, newer: true},
	"resources/read":           {run: (*exchange).readResource, older: true, newer: true, named: "uri"},
	"completion/complete":      {run: (*exchange).complete, older: true, newer: true},
}

// known returns the method of a message, if its era has it.
func (x *exchange) known() (method, bool) {
	m, ok := methods[x.m.Method]
	return m, ok && (x.modern && m.newer || !x.modern && m.older)
}

// serve runs a request whose envelope is in order.
func (x *exchange) serve() {
	m, ok := x.known()
	switch {
	case !ok:
		x.refuse(cmp.Or(x.lost(), http.StatusOK), fail(jsonrpc.CodeMethodNotFound, "there is no method "+quote(x.m.Method)))
	case m.stream != nil:
		m.stream(x)
	default:
		x.relay(m.run)
	}
}

// lost is the status of an answer about a method that the stateless era does not have.
func (x *exchange) lost() int {
	if x.modern {
		return http.StatusNotFound
	}
	return 0
}

// quote shows a client's own word, within bounds.
func quote(s string) string {
	if r := []rune(s); len(r) > 100 {
		s = string(r[:100]) + "…"
	}
	return strconv.Quote(s)
}

// header is a header's one value; "" if there is none or if there are several that differ.
func header(r *http.Request, name string) string {
	values := r.Header.Values(name)
	if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return v != values[0] }) {
		return ""
	}
	return values[0]
}
