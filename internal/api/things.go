package api

import (
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/store"
)

// things are the endpoints for what a provider keeps: files or batches. All clients' things are in the provider's one account;
// the store knows whose each is, and where. A thing of somebody else looks like one that does not exist.
type things struct {
	a    *API
	kind string // "files" or "batches", as in the path
}

// collection makes a thing, or lists them.
func (t things) collection(w http.ResponseWriter, r *http.Request, c *caller) error {
	if err := methods(w, r, http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	switch {
	case r.Method == http.MethodGet:
		return t.list(w, r, c)
	case t.kind == "files":
		return t.upload(w, r, c)
	default:
		return t.start(w, r, c)
	}
}

// one gets or deletes a file.
func (t things) one(w http.ResponseWriter, r *http.Request, c *caller) error {
	if err := methods(w, r, http.MethodGet, http.MethodDelete); err != nil {
		return err
	}
	req, err := t.find(r, c, "")
	if err != nil {
		return err
	}
	if err := t.a.run(w, r, c, req); err != nil || r.Method == http.MethodGet {
		return err
	}
	return t.a.Kept.Disown(r.Context(), c.id.Principal(), r.PathValue("id"))
}

func (t things) content(w http.ResponseWriter, r *http.Request, c *caller) error {
	req, err := t.find(r, c, "/content")
	if err != nil {
		return err
	}
	return t.a.run(w, r, c, req)
}

func (t things) get(w http.ResponseWriter, r *http.Request, c *caller) error {
	req, err := t.find(r, c, "")
	if err != nil {
		return err
	}
	return t.pass(w, r, c, req)
}

func (t things) cancel(w http.ResponseWriter, r *http.Request, c *caller) error {
	req, err := t.find(r, c, "/cancel")
	if err != nil {
		return err
	}
	return t.pass(w, r, c, req)
}

// upload makes a file.
func (t things) upload(w http.ResponseWriter, r *http.Request, c *caller) error {
	kind, boundary := media(r)
	if kind != "multipart/form-data" || boundary == "" {
		return &fault.Error{Kind: fault.Media, Code: "unsupported_media_type", Message: "files are sent as a form: content-type multipart/form-data with its boundary"}
	}
	form, err := t.a.openForm(w, r, boundary)
	if err != nil {
		return err
	}
	defer form.close()
	form.bare = true
	req := t.request(r, t.kind)
	if req.Model, err = t.place(r, c, form); err != nil {
		return err
	}
	req.Errand.Body = form
	return t.pass(w, r, c, req)
}

// start makes a batch, where its file is.
func (t things) start(w http.ResponseWriter, r *http.Request, c *caller) error {
	doc, err := t.a.openJSON(w, r)
	if err != nil {
		return err
	}
	defer doc.close()
	doc.bare, doc.once = true, true
	id, err := doc.member("input_file_id")
	if err != nil {
		return err
	}
	req := t.request(r, t.kind)
	thing, known, err := t.owned(r, c, id)
	switch {
	case err != nil:
		return err
	case known:
		req.Model, req.Errand.Place = thing.Model, thing.Place
	case id != "" && !t.a.Keys.Open():
		return unknownThing("file", id, "input_file_id")
	default:
		if req.Model, err = t.place(r, c, doc); err != nil {
			return err
		}
	}
	if id != "" {
		if err := t.checkBatch(r, c, req, id); err != nil {
			return err
		}
	}
	req.Errand.Body = doc
	return t.pass(w, r, c, req)
}

// request is an errand that belongs to the provider that has the thing.
func (t things) request(r *http.Request, path string) *llm.Request {
	req := errandOf(r, r.Method, path)
	req.Errand.Stays = true
	return req
}

// place is the model whose provider is asked, where no thing says it: the one that the request names, or any where all models
// of the key are of one account.
func (t things) place(r *http.Request, c *caller, b body) (string, error) {
	if name := askedModel(r); name != "" {
		return name, nil
	}
	if name, ok := t.a.Planner.Sole(c.id); ok {
		return name, nil
	}
	if b != nil {
		if name, err := b.model(); err != nil || name != "" {
			return name, err
		}
	}
	return "", &fault.Error{
		Kind: fault.Invalid, Code: "missing_required_parameter", Param: "model",
		Message: "it is not clear which provider is meant, since the key's models are not all of one: name a model of it in the header x-fairlead-model or as ?model=",
	}
}

// find is the errand for a thing of the caller's.
func (t things) find(r *http.Request, c *caller, below string) (*llm.Request, error) {
	id := r.PathValue("id")
	if !plainID(id) {
		return nil, unknownThing(t.kind, id, "id")
	}
	req := t.request(r, t.kind+"/"+id+below)
	thing, known, err := t.owned(r, c, id)
	switch {
	case err != nil:
		return nil, err
	case known:
		req.Model, req.Errand.Place = thing.Model, thing.Place
		if _, ok := t.a.Planner.Target(c.id, thing.Model); !ok {
			return nil, unknownThing(t.kind, id, "id")
		}
	case !t.a.Keys.Open():
		return nil, unknownThing(t.kind, id, "id")
	default:
		if req.Model, err = t.place(r, c, nil); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func (t things) owned(r *http.Request, c *caller, id string) (store.Thing, bool, error) {
	if id == "" {
		return store.Thing{}, false, nil
	}
	return t.a.Kept.Owned(r.Context(), c.id.Principal(), id)
}

func unknownThing(kind, id, param string) error {
	word := map[string]string{"files": "file", "batches": "batch"}[kind]
	if word == "" {
		word = kind
	}
	return &fault.Error{Kind: fault.NotFound, Code: "not_found", Param: param, Message: "there is no " + word + " " + strconv.Quote(id) + " that this key may see: its id is wrong, it was deleted or another key has made it"}
}

// maxThing bounds a reply that is read whole: a list of things is the largest.
const maxThing = 16 << 20

// collect runs an errand whose reply must be read.
func (t things) collect(r *http.Request, c *caller, req *llm.Request) (llm.Head, []byte, error) {
	var head llm.Head
	model, err := t.a.errand(r, c, req)
	if err != nil {
		return head, nil, err
	}
	var text []byte
	for ev, err := range model.Generate(r.Context(), req) {
		switch {
		case err != nil:
			return head, nil, err
		case len(text)+len(ev.Raw) > maxThing:
			return head, nil, &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "the provider sent a reply that is larger than the gateway takes"}
		case ev.Head != nil:
			head = *ev.Head
		}
		text = append(text, ev.Raw...)
	}
	return head, text, nil
}

// pass runs an errand whose reply is a thing, and notes whose it is.
func (t things) pass(w http.ResponseWriter, r *http.Request, c *caller, req *llm.Request) error {
	head, text, err := t.collect(r, c, req)
	if err != nil {
		return err
	}
	if err := t.note(r, c, req, text); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", head.ContentType)
	for _, o := range head.Headers {
		h.Set(o.Name, o.Value)
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(head.Status)
	_, _ = w.Write(text)
	return nil
}

// note keeps whose a thing is, and the files that came of it.
func (t things) note(r *http.Request, c *caller, req *llm.Request, thing []byte) error {
	place := req.Errand.Place
	if place == "" {
		place = obs.From(r.Context()).Deployment
	}
	var list []store.Thing
	for _, key := range []string{"id", "output_file_id", "error_file_id"} {
		if id, ok := jsonedit.Unquote(jsonedit.Get(thing, key)); ok && id != "" {
			list = append(list, store.Thing{ID: id, Model: req.Model, Place: place})
		}
	}
	return t.a.Kept.Own(r.Context(), c.id.Principal(), list...)
}
