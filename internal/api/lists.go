package api

import (
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// health says that the gateway is ready.
func health(w http.ResponseWriter, _ *http.Request, _ *caller) error {
	return writeJSON(w, []byte(`{"status":"ok"}`))
}

func writeJSON(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// models lists what the key may use.
func (a *API) models(w http.ResponseWriter, _ *http.Request, c *caller) error {
	b := []byte(`{"object":"list","data":[`)
	for i, m := range a.Planner.Models(c.id) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendModel(b, m.Name, m.Provider)
	}
	return writeJSON(w, append(b, `]}`...))
}

func (a *API) model(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := r.PathValue("id")
	m, ok := a.Planner.Target(c.id, id)
	if !ok {
		return &fault.Error{Kind: fault.NotFound, Code: "model_not_found", Param: "model", Message: "the model " + strconv.Quote(id) + " does not exist or this key may not use it; GET /v1/models lists those that it may"}
	}
	return writeJSON(w, appendModel(nil, id, m.Provider))
}

func appendModel(b []byte, name, provider string) []byte {
	b = jsonedit.AppendQuote(append(b, `{"id":`...), name)
	b = append(b, `,"object":"model","created":0,"owned_by":`...)
	return append(jsonedit.AppendQuote(b, provider), '}')
}

// tools lists the tools of all servers that the key may use, as they are offered.
func (a *API) tools(w http.ResponseWriter, r *http.Request, c *caller) error {
	tools, errs, err := a.Planner.Tools(r.Context(), a.planCaller(r, c))
	if err != nil {
		return err
	}
	b := []byte(`{"tools":[`)
	for i, t := range tools {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonedit.AppendQuote(append(b, `{"name":`...), t.Name)
		b = jsonedit.AppendQuote(append(b, `,"server":`...), t.Server)
		b = jsonedit.AppendQuote(append(b, `,"tool":`...), t.Tool)
		b = jsonedit.AppendQuote(append(b, `,"description":`...), t.Description)
		b = append(append(append(b, `,"inputSchema":`...), t.Schema...), '}')
	}
	b = append(b, `],"errors":[`...)
	for i, e := range errs {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonedit.AppendQuote(append(b, `{"server":`...), e.Server)
		b = append(jsonedit.AppendQuote(append(b, `,"error":`...), e.Error), '}')
	}
	return writeJSON(w, append(b, `]}`...))
}
