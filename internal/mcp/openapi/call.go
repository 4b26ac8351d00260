package openapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// maxTarget bounds the address of a request.
const maxTarget = 16 << 10

// request writes a call as a request, or says which argument it cannot be written with.
func (op *operation) request(ctx context.Context, args []byte) (*http.Request, error) {
	given, err := op.arguments(args)
	if err != nil {
		return nil, err
	}
	w := &writing{op: op, path: make([]string, len(op.params)), header: http.Header{}}
	for i := range op.params {
		p := &op.params[i]
		raw, ok := given[p.arg]
		if !ok {
			continue
		}
		if err := w.param(i, p, raw); err != nil {
			return nil, err
		}
	}
	target, err := w.target()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, op.method, target, nil)
	if err != nil {
		return nil, wrong("", "make an address that is not valid")
	}
	if err := op.stays(req.URL, target); err != nil {
		return nil, err
	}
	req.Header = w.header
	if len(w.cookies) > 0 {
		req.Header.Set("Cookie", strings.Join(w.cookies, "; "))
	}
	if op.body == nil {
		return req, nil
	}
	if raw, ok := given[op.body.arg]; ok {
		data, contentType, err := op.body.encode(raw)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", contentType)
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(data))
	}
	return req, nil
}

// arguments are the values by name: all that are needed, none that is unknown, each once. What is null is not given.
func (op *operation) arguments(args []byte) (map[string][]byte, error) {
	given := map[string][]byte{}
	seen := map[string]bool{}
	for key, v := range jsonedit.Members(args) {
		name := unquoteKey(key)
		switch {
		case seen[name]:
			return nil, wrong(name, "stands twice")
		case !op.knows(name):
			return nil, wrong(name, "is unknown; there %s", op.all())
		}
		seen[name] = true
		if !jsonedit.IsNull(v) || op.body != nil && name == op.body.arg && op.body.shape.allows("null") {
			given[name] = v
		}
	}
	for i := range op.params {
		if p := &op.params[i]; p.required && given[p.arg] == nil {
			return nil, wrong(p.arg, "is missing")
		}
	}
	if op.body != nil && op.body.required && given[op.body.arg] == nil {
		return nil, wrong(op.body.arg, "is missing")
	}
	return given, nil
}

func (op *operation) knows(name string) bool {
	for i := range op.params {
		if op.params[i].arg == name {
			return true
		}
	}
	return op.body != nil && op.body.arg == name
}

// all says which arguments there are.
func (op *operation) all() string {
	var names []string
	for i := range op.params {
		names = append(names, op.params[i].arg)
	}
	if op.body != nil {
		names = append(names, op.body.arg)
	}
	if names == nil {
		return "are none"
	}
	return "are " + clipList(names)
}

// writing is a request that is being written.
type writing struct {
	op      *operation
	path    []string // by parameter
	query   []string
	header  http.Header
	cookies []string
}

// param writes one parameter where it belongs.
func (w *writing) param(i int, p *param, raw []byte) error {
	var v value
	if p.json {
		v = value{kind: 's', text: string(jsonedit.Compact(nil, raw))}
	} else {
		var err error
		if v, err = readValue(p.arg, raw, &p.shape); err != nil {
			return err
		}
	}
	if name := p.foreign(v, w.op.query); name != "" {
		return wrong(p.arg, "has the member %s, which is another parameter", clip(name))
	}
	out, err := p.expand(nil, v, p.escaper())
	if err != nil {
		return err
	}
	text := string(out)
	switch p.in {
	case "path":
		if text == "" {
			return wrong(p.arg, "must not be empty")
		}
		w.path[i] = text
	case "query":
		if text != "" {
			w.query = append(w.query, text)
		}
	case "header":
		if !headerText(text) {
			return wrong(p.arg, "has a character that a header cannot carry")
		}
		w.header[http.CanonicalHeaderKey(p.name)] = []string{text}
	case "cookie":
		if text != "" {
			w.cookies = append(w.cookies, text)
		}
	}
	return nil
}

// headerText reports whether a text is a header's value that every reader takes as it is: visible ASCII and white space inside.
func headerText(s string) bool {
	return strings.Trim(s, " \t") == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' })
}

// target puts the address together.
func (w *writing) target() (string, error) {
	path := w.join(-1)
	if climbs(path) {
		for i, p := range w.op.params {
			if p.in == "path" && climbs(w.join(i)) {
				return "", wrong(p.arg, "leads upwards in the path")
			}
		}
		return "", wrong(w.op.firstInPath(), "leads upwards in the path")
	}
	target := w.op.base + path
	if len(w.query) > 0 {
		target += "?" + strings.Join(w.query, "&")
	}
	if len(target) > maxTarget {
		return "", wrong(w.op.longest(w), "makes an address that is too long")
	}
	return target, nil
}

// join is the path with the values of all parameters, or of one only.
func (w *writing) join(only int) string {
	var b strings.Builder
	for _, p := range w.op.path {
		switch {
		case p.param < 0:
			b.WriteString(p.text)
		case only < 0 || only == p.param:
			b.WriteString(w.path[p.param])
		default:
			b.WriteString("x")
		}
	}
	return b.String()
}

func (op *operation) firstInPath() string {
	for i := range op.params {
		if op.params[i].in == "path" {
			return op.params[i].arg
		}
	}
	return ""
}

// longest is the argument that takes most of an address.
func (op *operation) longest(w *writing) string {
	arg, most := "", 0
	for i := range op.params {
		if n := len(w.path[i]); n > most {
			arg, most = op.params[i].arg, n
		}
	}
	for i := range op.params {
		for _, q := range w.query {
			if op.params[i].in == "query" && strings.HasPrefix(q, op.params[i].name) && len(q) > most {
				arg, most = op.params[i].arg, len(q)
			}
		}
	}
	return arg
}

// stays makes sure that a request goes to the API's own place, whatever its address was made of.
func (op *operation) stays(u *url.URL, target string) error {
	base, err := url.Parse(op.base)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil || u.Fragment != "" || u.String() != target {
		return wrong(op.firstInPath(), "would lead to another place")
	}
	return nil
}
