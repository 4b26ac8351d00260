package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Lists of things are made of the provider's, page by page, since the account has those of others, too.
const (
	filePage, batchPage = 1000, 100 // so many the provider is asked for at once
	mostFiles           = 10_000    // so many a client may ask for, as at OpenAI
	mostBatches         = 100
	usualBatches        = 20
	mostPages           = 50
)

// list lists the caller's things.
func (t things) list(w http.ResponseWriter, r *http.Request, c *caller) error {
	name, err := t.place(r, c, nil)
	if err != nil {
		return err
	}
	req := t.request(r, t.kind)
	req.Model = name
	if t.a.Keys.Open() {
		return t.a.run(w, r, c, req)
	}
	q := r.URL.Query()
	q.Del(modelQuery)
	usual, most, page := mostFiles, mostFiles, filePage
	if t.kind == "batches" {
		usual, most, page = usualBatches, mostBatches, batchPage
	}
	limit, err := number(q, "limit", usual, most)
	if err != nil {
		return err
	}
	if after := q.Get("after"); after != "" {
		if _, known, err := t.owned(r, c, after); err != nil || !known {
			if err == nil {
				err = unknownThing(t.kind, after, "after")
			}
			return err
		}
	}
	q.Set("limit", strconv.Itoa(min(limit, page)))
	l := listing{things: t, r: r, c: c, req: req, limit: limit}
	for range mostPages {
		if more, err := l.page(q); err != nil {
			return err
		} else if !more {
			break
		}
	}
	return writeJSON(w, l.text())
}

// listing is a list in the making.
type listing struct {
	things
	r     *http.Request
	c     *caller
	req   *llm.Request
	limit int
	data  [][]byte
	ids   []string
	more  bool // there may be more than data
}

// page takes in one page of the provider's, and readies q for the next. It reports whether that is needed.
func (l *listing) page(q url.Values) (bool, error) {
	l.req.Errand.Query = q.Encode()
	_, text, err := l.collect(l.r, l.c, l.req)
	if err != nil {
		return false, err
	}
	if jsonedit.Kind(text) != '{' || !jsonedit.Valid(text) {
		return false, &fault.Error{Kind: fault.Upstream, Code: "upstream_error", Message: "the provider's list of " + l.kind + " cannot be read"}
	}
	var all []string
	byID := map[string][]byte{}
	for el := range jsonedit.Elements(jsonedit.Get(text, "data")) {
		if id, ok := jsonedit.Unquote(jsonedit.Get(el, "id")); ok {
			all = append(all, id)
			byID[id] = el
		}
	}
	own, err := l.a.Kept.OwnedAmong(l.r.Context(), l.c.id.Principal(), all)
	if err != nil {
		return false, err
	}
	more, _ := jsonedit.Bool(jsonedit.Get(text, "has_more"))
	for i, id := range own {
		if slices.Contains(l.ids, id) {
			return false, nil // the provider goes in circles
		}
		l.ids, l.data = append(l.ids, id), append(l.data, byID[id])
		if len(l.ids) == l.limit {
			l.more = more || i < len(own)-1
			return false, nil
		}
	}
	if !more || len(all) == 0 || all[len(all)-1] == q.Get("after") {
		return false, nil
	}
	q.Set("after", all[len(all)-1])
	return true, nil
}

// text is the list as OpenAI's API has it.
func (l *listing) text() []byte {
	b := []byte(`{"object":"list","data":[`)
	for i, el := range l.data {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, el...)
	}
	b = append(b, `],"first_id":`...)
	first, last := []byte("null"), []byte("null")
	if n := len(l.ids); n > 0 {
		first, last = jsonedit.AppendQuote(nil, l.ids[0]), jsonedit.AppendQuote(nil, l.ids[n-1])
	}
	b = append(append(append(b, first...), `,"last_id":`...), last...)
	return append(strconv.AppendBool(append(b, `,"has_more":`...), l.more), '}')
}
