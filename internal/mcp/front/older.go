package front

import (
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
	case x.m.IsResponse():
		if !x.session.answer(x.m) {
			d.o.Log.Debug("an MCP client answers what was not asked")
		}
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
	if last := header(r, "Last-Event-ID"); last != "" {
		x.takeUp(last)
		return
	}
	x.follow("")
}
