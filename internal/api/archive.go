package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

// archiveRoutes are the endpoints for replies that clients come back to.
func (a *API) archiveRoutes(door wire.Archive) []route {
	h := archive{a, door}
	base := door.Collection() + "/{id}"
	return []route{
		{path: base, door: door, serve: h.one},
		{method: http.MethodPost, path: base + "/cancel", door: door, serve: h.cancel},
		{method: http.MethodGet, path: base + "/input_items", door: door, serve: h.input},
	}
}

type archive struct {
	a    *API
	door wire.Archive
}

// one gets, follows or deletes a reply.
func (h archive) one(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := r.PathValue("id")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		ok, err := h.a.Kept.Delete(r.Context(), c.id.Principal(), id)
		if err != nil {
			return err
		}
		if !ok {
			return h.unknown(id)
		}
		return writeJSON(w, h.door.AppendDeleted(nil, id))
	case http.MethodPost: // such as OpenAI's /v1/responses/compact
		return &fault.Error{Kind: fault.NotFound, Code: "not_found", Message: "there is no endpoint POST " + r.URL.Path}
	default:
		w.Header().Set("Allow", "GET, DELETE")
		return &fault.Error{Kind: fault.MethodNotAllowed, Code: "method_not_allowed", Message: r.URL.Path + " takes GET and DELETE, not " + r.Method}
	}
	q := r.URL.Query()
	if q.Get("stream") == "true" {
		after, err := startingAfter(q.Get("starting_after"))
		if err != nil {
			return err
		}
		return h.follow(w, r, c.id.Principal(), id, after)
	}
	reply, err := h.find(r.Context(), c.id.Principal(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, reply.Body)
}

func startingAfter(s string) (int64, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.Invalidf("starting_after", "starting_after must be the sequence_number of an event")
	}
	return n, nil
}

func (h archive) unknown(id string) error {
	return &fault.Error{Kind: fault.NotFound, Code: "not_found", Param: "id", Message: "there is no response " + strconv.Quote(id) + " that this key may see: its id is wrong, it was deleted or it has expired"}
}

// errOrphaned says what became of a reply whose process died.
var errOrphaned = &fault.Error{Kind: fault.Unavailable, Code: "server_error", Message: "the gateway that made this reply was stopped before it was complete"}

// find returns a kept reply. One that nobody makes any more has failed.
func (h archive) find(ctx context.Context, principal, id string) (llm.Reply, error) {
	reply, ok, err := h.a.Kept.Reply(ctx, principal, id)
	switch {
	case err != nil:
		return reply, err
	case !ok:
		return reply, h.unknown(id)
	case h.door.Finished(reply.Status):
		return reply, nil
	}
	if st, ok, err := h.a.Kept.State(ctx, principal, id); err == nil && ok && st.Orphaned {
		reply.Body = h.door.AppendFailed(nil, reply, errOrphaned)
	}
	return reply, nil
}

func (h archive) input(w http.ResponseWriter, r *http.Request, c *caller) error {
	reply, err := h.find(r.Context(), c.id.Principal(), r.PathValue("id"))
	if err != nil {
		return err
	}
	page, err := h.door.AppendInput(nil, reply, r.URL.Query())
	if err != nil {
		return err
	}
	return writeJSON(w, page)
}

// cancelWait is how long a cancellation waits for the reply to have ended.
const cancelWait = 10 * time.Second

// cancel ends a reply that is made in the background. One that has been cancelled before is shown again.
func (h archive) cancel(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := r.PathValue("id")
	reply, err := h.find(r.Context(), c.id.Principal(), id)
	if err != nil {
		return err
	}
	if h.door.Finished(reply.Status) {
		if reply.Status == cancelled {
			return writeJSON(w, reply.Body)
		}
		return fault.Invalidf("id", "the response has ended already (%s): only one that is made in the background and still in the making can be cancelled", reply.Status)
	}
	if _, err := h.a.Kept.Cancel(r.Context(), c.id.Principal(), id); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(r.Context(), cancelWait)
	defer stop()
	if j := h.a.Background.job(c.id.Principal(), id); j != nil {
		j.cancel()
		select {
		case <-j.ended:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil { // another process makes it: it learns of the wish when it renews its lease
		st, ok, err := h.a.Kept.State(ctx, c.id.Principal(), id)
		if err != nil || !ok || h.door.Finished(st.Status) || st.Orphaned {
			break
		}
		pause(ctx, nil)
	}
	if reply, err = h.find(r.Context(), c.id.Principal(), id); err != nil {
		return err
	}
	return writeJSON(w, reply.Body)
}

// pause waits for news, or for the moment after which another process is asked again.
func pause(ctx context.Context, news <-chan struct{}) {
	t := time.NewTimer(pollEvery)
	defer t.Stop()
	select {
	case <-news:
	case <-t.C:
	case <-ctx.Done():
	}
}

// detach answers a request whose reply is made in the background: with the reply as it is first kept, or with its events.
func (a *API) detach(w http.ResponseWriter, r *http.Request, c *caller, req *llm.Request, model llm.Model) error {
	door, ok := c.door.(wire.Archive)
	if !ok || a.Background == nil {
		return fault.Invalidf("background", "this endpoint makes no replies in the background")
	}
	streams, principal := req.Stream, req.Principal
	call := obs.From(r.Context())
	own := *call // the handler's own ends before the reply does
	j, ok := a.Background.start(obs.With(r.Context(), &own), door, req, func(ctx context.Context, w http.ResponseWriter) error {
		return door.WriteReply(w, req, a.watch(&own, model.Generate(ctx, req)))
	})
	if !ok {
		return &fault.Error{Kind: fault.Unavailable, Code: "overloaded", Message: "too many replies are being made in the background; try again later", RetryAfter: "5"}
	}
	select {
	case <-j.kept:
	case <-j.ended:
	case <-r.Context().Done():
		return nil
	}
	id := j.id()
	if err := j.why(); id == "" && err != nil {
		return err
	}
	if id == "" {
		return &fault.Error{Kind: fault.Unavailable, Code: "store_unavailable", Message: "the reply could not be kept, and so it was not begun"}
	}
	h := archive{a, door}
	if streams {
		return h.follow(w, r, principal, id, -1)
	}
	reply, err := h.find(r.Context(), principal, id)
	if err != nil {
		return err
	}
	return writeJSON(w, reply.Body)
}

// page is how many events are read at once.
const page = 256

// follow writes the events of a reply with numbers above after, up to its end.
func (h archive) follow(w http.ResponseWriter, r *http.Request, principal, id string, after int64) error {
	reply, err := h.find(r.Context(), principal, id)
	if err != nil {
		return err
	}
	if evs, err := h.a.Kept.Read(r.Context(), principal, id, -1, 1); err != nil {
		return err
	} else if len(evs) == 0 && h.door.Finished(reply.Status) {
		return fault.Invalidf("stream", "the response was not made in the background, and so its events are not kept")
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream; charset=utf-8")
	head.Set("Cache-Control", "no-cache")
	head.Set("X-Accel-Buffering", "no")
	out := sse.NewWriter(w)
	defer out.KeepAlive(h.a.KeepAlive)()
	ctx := r.Context()
	for ctx.Err() == nil {
		news := h.a.Background.news(principal, id)
		state, ok, err := h.a.Kept.State(ctx, principal, id) // before Read: what ends between the two is read
		if err != nil || !ok {
			return nil //nolint:nilerror // the stream breaks off: the client asks again from where it stands
		}
		events, err := h.a.Kept.Read(ctx, principal, id, after, page)
		if err != nil {
			return nil //nolint:nilerror // as above
		}
		for _, ev := range events {
			if out.Raw(ev.Frame) != nil {
				return nil
			}
			after = ev.Seq
		}
		switch {
		case len(events) > 0:
		case state.Orphaned:
			_ = out.Raw(h.door.AppendFailedEvent(nil, reply, after+1, errOrphaned)) // the client may have left
			_ = out.Data([]byte("[DONE]"))
			return nil
		case h.door.Finished(state.Status):
			_ = out.Data([]byte("[DONE]")) // the client may have left
			return nil
		default:
			pause(ctx, news)
		}
	}
	return nil
}
