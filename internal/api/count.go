package api

import (
	"net/http"

	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/wire"
)

// countRoute is where clients ask how large a request is. A provider of the same wire is asked; else it is an estimate.
func (a *API) countRoute(door wire.Counter) route {
	rt, op := door.CountRoute()
	return route{method: rt.Method, path: rt.Path, door: door, serve: func(w http.ResponseWriter, r *http.Request, c *caller) error {
		body, release, err := a.readBody(w, r)
		if err != nil {
			return err
		}
		defer release()
		req, err := door.ReadRequest(r.Header, body)
		if err != nil {
			return err
		}
		call := obs.From(r.Context())
		call.Model = req.Model
		model, err := a.Planner.Count(r.Context(), a.planCaller(r, c), door, op, req)
		if err != nil {
			return err
		}
		if model != nil {
			return door.WriteReply(w, req, a.watch(call, model.Generate(r.Context(), req)))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(door.AppendCount(nil, req))
		return nil
	}}
}
