package api

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/wire"
)

// endpoint is one that is passed on to the provider of the model that a request names, at the path that OpenAI's API has it
// below its /v1.
type endpoint struct {
	path     string
	form     bool   // takes multipart forms, beside JSON
	standard string // the model of a request that names none; empty: there must be one
}

// endpoints are OpenAI's (https://platform.openai.com/docs/api-reference), and rerank, which Cohere, Jina and servers that
// follow them share (https://docs.cohere.com/reference/rerank, https://api.jina.ai/redoc).
var endpoints = []endpoint{
	{path: "embeddings"},
	{path: "completions"},
	{path: "images/generations"},
	{path: "images/edits", form: true},
	{path: "images/variations", form: true},
	{path: "audio/speech"},
	{path: "audio/transcriptions", form: true},
	{path: "audio/translations", form: true},
	{path: "moderations", standard: "omni-moderation-latest"},
	{path: "rerank"},
}

// relayRoutes are the endpoints that are passed on.
func (a *API) relayRoutes(errs wire.Door) []route {
	var list []route
	add := func(method, path string, serve func(http.ResponseWriter, *http.Request, *caller) error) {
		list = append(list, route{method: method, path: path, door: errs, serve: quoting(serve)})
	}
	for _, e := range endpoints {
		add(http.MethodPost, "/v1/"+e.path, a.relay(e))
		add(http.MethodPost, "/"+e.path, a.relay(e))
	}
	add(http.MethodPost, "/v2/rerank", a.relay(endpoint{path: "rerank"}))
	if a.Kept == nil {
		return list
	}
	for _, prefix := range []string{"/v1", ""} {
		files, batches := things{a, "files"}, things{a, "batches"}
		add("", prefix+"/files", files.collection)
		add("", prefix+"/files/{id}", files.one)
		add(http.MethodGet, prefix+"/files/{id}/content", files.content)
		add("", prefix+"/batches", batches.collection)
		add(http.MethodGet, prefix+"/batches/{id}", batches.get)
		add(http.MethodPost, prefix+"/batches/{id}/cancel", batches.cancel)
	}
	return list
}

// quoting answers with a provider's own words where it has refused a request in its own words.
func quoting(serve func(http.ResponseWriter, *http.Request, *caller) error) func(http.ResponseWriter, *http.Request, *caller) error {
	return func(w http.ResponseWriter, r *http.Request, c *caller) error {
		err := serve(w, r, c)
		if err == nil {
			return nil
		}
		f := fault.From(err)
		said, ok := f.Err.(*fault.Said) //nolint:errorlint // it is the cause itself, or there is none
		if !ok {
			return err
		}
		obs.From(r.Context()).Error = err.Error()
		h := w.Header()
		h.Set("Content-Type", said.ContentType)
		if f.RetryAfter != "" {
			h.Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.HTTPStatus())
		_, _ = w.Write(said.Body)
		return nil
	}
}

// relay passes a request on.
func (a *API) relay(e endpoint) func(http.ResponseWriter, *http.Request, *caller) error {
	return func(w http.ResponseWriter, r *http.Request, c *caller) error {
		body, err := a.openBody(w, r, e.form)
		if err != nil {
			return err
		}
		defer body.close()
		req := errandOf(r, r.Method, e.path)
		if req.Model = askedModel(r); req.Model == "" {
			if req.Model, err = body.model(); err != nil {
				return err
			}
		}
		if _, ok := a.Planner.Target(c.id, e.standard); req.Model == "" && e.standard != "" && ok {
			req.Model = e.standard
		}
		if req.Model == "" {
			return &fault.Error{
				Kind: fault.Invalid, Code: "missing_required_parameter", Param: "model",
				Message: "the request names no model: put it into the body as model, or into the header x-fairlead-model",
			}
		}
		req.Errand.Body = body
		return a.run(w, r, c, req)
	}
}

// run runs an errand, and writes what comes of it.
func (a *API) run(w http.ResponseWriter, r *http.Request, c *caller, req *llm.Request) error {
	model, err := a.errand(r, c, req)
	if err != nil {
		return err
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return wire.WriteOpaque(w, a.watch(obs.From(r.Context()), model.Generate(r.Context(), req)), func(e *fault.Error) []byte {
		return append(append([]byte("data: "), wire.AppendOpenAIError(nil, e)...), "\n\n"...)
	})
}

func (a *API) errand(r *http.Request, c *caller, req *llm.Request) (llm.Model, error) {
	obs.From(r.Context()).Model = req.Model
	return a.Planner.Errand(r.Context(), a.planCaller(r, c), req)
}

// modelHeader and modelQuery name the model of a request that has no place for it.
const (
	modelHeader = "X-Fairlead-Model"
	modelQuery  = "model"
)

// askedModel is the model that a request names outside of its body.
func askedModel(r *http.Request) string {
	if m := r.Header.Get(modelHeader); m != "" {
		return m
	}
	return r.URL.Query().Get(modelQuery)
}

// errandHeaders are those of a client's request that concern the provider. Accept decides the form of audio, files and streams.
var errandHeaders = []string{"Accept", "Openai-Beta", "Idempotency-Key"}

// errandOf is a request as an errand, without its body.
func errandOf(r *http.Request, method, path string) *llm.Request {
	q := r.URL.Query()
	q.Del(modelQuery)
	e := &llm.Errand{Method: method, Path: path, Query: q.Encode()}
	for _, name := range errandHeaders {
		if v := r.Header.Get(name); v != "" {
			e.Headers = append(e.Headers, llm.Header{Name: name, Value: v})
		}
	}
	return &llm.Request{Errand: e}
}

// media is the type of a request's body and, for a form, its boundary.
func media(r *http.Request) (kind, boundary string) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", ""
	}
	return kind, params["boundary"]
}

// plainID reports whether an id can stand in a path as it is.
func plainID(id string) bool {
	return id != "" && len(id) <= 256 && strings.Trim(id, ".") != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// number reads a number of a query.
func number(q url.Values, name string, standard, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fault.Invalidf(name, "%s must be a number from 1 to %d", name, most)
	}
	return n, nil
}

// methods refuses all but those.
func methods(w http.ResponseWriter, r *http.Request, allowed ...string) error {
	if slices.Contains(allowed, r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &fault.Error{Kind: fault.MethodNotAllowed, Code: "method_not_allowed", Message: r.URL.Path + " takes " + strings.Join(allowed, " and ") + ", not " + r.Method}
}
