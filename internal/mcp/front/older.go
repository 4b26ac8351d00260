package front

import (
	"bytes"
	"context"
	"net/http"
	"slices"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// postOlder answers a message of the older era.
func (d *Door) postOlder(x *exchange) {
	if x.revision != "" && !slices.Contains(revisions, x.revision) {
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidRequest, "the header MCP-Protocol-Version names a revision that is not known here"))
		return
	}
	if x.m.Method != "initialize" || !x.m.IsRequest() {
		if x.session = d.find(x); x.session == nil {
			return
		}
	}
	switch {
	case x.m.IsRequest():
		x.serve()
		return
	case x.m.Method == "notifications/cancelled":
		x.session.cancel(jsonedit.Get(x.m.Params, "requestId"))
	}
	x.w.WriteHeader(http.StatusAccepted)
}

// find returns the session that a request is of, or answers that there is none. An id that is wrong in whatever way is
// answered like one that never was.
func (d *Door) find(x *exchange) *session {
	id := header(x.r, "Mcp-Session-Id")
	if id == "" {
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidRequest, "the header Mcp-Session-Id is missing: a session begins with initialize"))
		return nil
	}
	s := d.open(x.v, id)
	if s == nil {
		x.refuse(http.StatusNotFound, fail(jsonrpc.CodeInvalidRequest, "there is no such session: begin anew with initialize"))
	}
	return s
}

// older answers GET and DELETE, which are of the older era alone.
func (d *Door) older(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	x := &exchange{d: d, w: w, r: r, v: v}
	if header(r, "Mcp-Protocol-Version") >= revModern {
		w.Header().Set("Allow", "POST")
		x.refuse(http.StatusMethodNotAllowed, fail(jsonrpc.CodeInvalidRequest, "this revision has POST only"))
		return
	}
	if r.Method == http.MethodGet && !accepts(r, "text/event-stream") {
		x.refuse(http.StatusNotAcceptable, fail(jsonrpc.CodeInvalidRequest, "the answer to GET is a stream: accept text/event-stream"))
		return
	}
	if x.session = d.find(x); x.session == nil {
		return
	}
	if r.Method == http.MethodDelete {
		d.end(x.session)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	x.follow()
}

// follow is the stream of a session: it tells when the tools have changed. A newer one takes its place.
func (x *exchange) follow() {
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	defer x.session.take(cancel)()
	p := x.newReply()
	defer func() { p.stop() }()
	x.watch(ctx, p.begin, func() error {
		return p.send(jsonrpc.AppendNotification(nil, "notifications/tools/list_changed", nil))
	})
}

// watch calls ready, and then tell whenever what the client is shown has changed, until ctx ends or tell fails.
func (x *exchange) watch(ctx context.Context, ready func(), tell func() error) {
	var last []byte
	for first := true; ; first = false {
		changed := x.d.servers.Changed()
		view, err := x.d.servers.View(ctx, x.v)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			return // the server is gone, or may not be used any more
		case first:
			ready()
		case !bytes.Equal(last, view.Tools()):
			if tell() != nil {
				return
			}
		}
		last = view.Tools()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// listen is the subscription of the stateless era.
func (x *exchange) listen() {
	want := jsonedit.Get(x.m.Params, "notifications")
	if jsonedit.Kind(want) != '{' {
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidParams, "params has no object notifications"))
		return
	}
	p := x.newReply()
	if !p.stream {
		x.refuse(http.StatusNotAcceptable, fail(jsonrpc.CodeInvalidRequest, "the answer is a stream: accept text/event-stream"))
		return
	}
	tag := append([]byte(`"_meta":{"`+metaSubscription+`":`), x.m.ID...)
	tag = append(tag, '}')
	tools, _ := jsonedit.Bool(jsonedit.Get(want, "toolsListChanged"))
	honoured := "{}"
	if tools {
		honoured = `{"toolsListChanged":true}`
	}
	ack := append(append([]byte(`{`), tag...), `,"notifications":`+honoured+`}`...)
	defer func() { p.stop() }()
	changed := jsonrpc.AppendNotification(nil, "notifications/tools/list_changed", append(append([]byte{'{'}, tag...), '}'))
	ready := func() {
		_ = p.send(jsonrpc.AppendNotification(nil, "notifications/subscriptions/acknowledged", ack)) // a client that has left ends the context
	}
	x.watch(x.r.Context(), ready, func() error {
		if !tools {
			return nil
		}
		return p.send(changed)
	})
	if x.r.Context().Err() == nil {
		p.end(http.StatusOK, jsonrpc.AppendResult(nil, x.m.ID, append(append([]byte(`{"resultType":"complete",`), tag...), '}')))
	}
}
