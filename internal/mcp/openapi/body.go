package openapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// body is the body of an operation's requests.
type body struct {
	arg      string
	media    string // as the document names it
	required bool
	shape    shape
	needs    []string         // members that must be there
	members  map[string]param // members that the document names
	closed   bool             // there are no others
	write    func(b *body, raw []byte) (data []byte, contentType string, err error)
}

// writers are the media types that bodies can have, the best one first.
var writers = []struct {
	media func(string) bool
	write func(b *body, raw []byte) ([]byte, string, error)
}{
	{isJSON, (*body).json},
	{func(m string) bool { return bare(m) == "application/x-www-form-urlencoded" }, (*body).form},
	{func(m string) bool { return bare(m) == "multipart/form-data" }, (*body).multipart},
	{func(m string) bool { return bare(m) == "*/*" || bare(m) == "application/*" }, (*body).json},
	{func(m string) bool { return strings.HasPrefix(bare(m), "text/") }, (*body).text},
}

// bare is a media type without its parameters.
func bare(media string) string {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	return strings.TrimSpace(media)
}

// requestBody reads the body of an operation.
func (s *signature) requestBody(n *node) error {
	r, err := s.d.follow(n.get("requestBody"))
	if err != nil {
		return err
	}
	content := r.get("content")
	if content == nil || len(content.keys) == 0 {
		return nil
	}
	if s.op.method == "GET" || s.op.method == "HEAD" {
		if r.is("required") {
			return fmt.Errorf("it is a %s with a body", s.op.method)
		}
		return nil
	}
	for _, w := range writers {
		for i, media := range content.keys {
			if w.media(media) && fitsHeader(media) {
				return s.addBody(&body{media: media, required: r.is("required"), write: w.write}, content.nodes[i], r.str("description"))
			}
		}
	}
	if r.is("required") {
		return fmt.Errorf("its body is %s, which cannot be written", clip(content.keys[0]))
	}
	return nil
}

func fitsHeader(s string) bool {
	return len(s) < 200 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func (s *signature) addBody(b *body, content *node, about string) error {
	schema, err := s.d.follow(content.get("schema"))
	if err != nil {
		return err
	}
	b.shape = s.d.shapeOf(schema, 1)
	b.closed = schema.get("additionalProperties") != nil && schema.get("additionalProperties").kind == 'f'
	s.d.spent += len(schema.list("required"))
	for _, e := range schema.list("required") {
		if p, err := s.d.follow(schema.get("properties").get(e.text)); err == nil && !p.is("readOnly") {
			b.needs = append(b.needs, e.text)
		}
	}
	if b.members, err = s.members(schema.get("properties"), content.get("encoding")); err != nil {
		return err
	}
	if !isJSON(b.media) && !strings.Contains(b.media, "*") && !strings.HasPrefix(bare(b.media), "text/") {
		b.closed = b.closed || schema.get("additionalProperties") == nil && len(b.members) > 0
	}
	b.arg = unique(s.argument("request", "body"), s.taken)
	if err := s.add(b.arg, content.get("schema"), about, b.required); err != nil {
		return err
	}
	s.op.body = b
	return nil
}

// members are the members of a body, with how a form writes each.
func (s *signature) members(properties, encoding *node) (map[string]param, error) {
	out := map[string]param{}
	if properties == nil {
		return out, nil
	}
	s.d.spent += 256 * len(properties.keys)
	for i, name := range properties.keys {
		n, err := s.d.follow(properties.nodes[i])
		if err != nil {
			return nil, err
		}
		p := plainMember(name)
		p.shape = s.d.shapeOf(n, 2)
		e := encoding.get(name)
		if style := e.str("style"); style != "" || e.get("explode") != nil {
			p.plain = false
			if slices.Contains(styles["query"], style) {
				p.style = style
			}
			p.explode = p.style == "form" || p.style == "deepObject"
			if e.get("explode") != nil {
				p.explode = e.is("explode")
			}
		}
		p.json = p.plain && isJSON(e.str("contentType"))
		if n.str("format") == "binary" || n.str("contentEncoding") == "base64" || n.str("format") == "base64" {
			p.in = "file"
		}
		out[name] = p
	}
	return out, nil
}

// encode writes the argument as the body of a request. What the document demands of its members is checked.
func (b *body) encode(raw []byte) (data []byte, contentType string, err error) {
	if jsonedit.Kind(raw) == '{' {
		if !b.shape.allows("object") {
			return nil, "", wrong(b.arg, "must not be an object")
		}
		if err := b.check(raw); err != nil {
			return nil, "", err
		}
	} else if b.shape.types != nil && !b.shape.allows(typesOf(raw)...) {
		return nil, "", wrong(b.arg, "must be of the type %s", clipList(b.shape.types))
	}
	return b.write(b, raw)
}

// typesOf are the types of JSON Schema that a value that is no object may be of.
func typesOf(raw []byte) []string {
	switch jsonedit.Kind(raw) {
	case '"':
		return []string{"string"}
	case '[':
		return []string{"array"}
	case 't', 'f':
		return []string{"boolean"}
	case '0':
		return []string{"number", "integer"}
	}
	return []string{"null"}
}

// check looks at the members of an object: those that must be there, those that there are not, those that stand twice.
func (b *body) check(raw []byte) error {
	seen := map[string]bool{}
	for key := range jsonedit.Members(raw) {
		name := unquoteKey(key)
		switch _, known := b.members[name]; {
		case seen[name]:
			return wrong(b.arg+"."+name, "stands twice")
		case !known && b.closed:
			return wrong(b.arg+"."+name, "is unknown")
		}
		seen[name] = true
	}
	for _, name := range b.needs {
		if !seen[name] {
			return wrong(b.arg+"."+name, "is missing")
		}
	}
	return nil
}

// json sends the argument as it came.
func (b *body) json(raw []byte) ([]byte, string, error) {
	if strings.Contains(b.media, "*") {
		return raw, "application/json", nil
	}
	return raw, b.media, nil
}

func (b *body) text(raw []byte) ([]byte, string, error) {
	text, ok := jsonedit.Unquote(raw)
	if !ok {
		return nil, "", wrong(b.arg, "must be a text")
	}
	if strings.Contains(b.media, "*") {
		return []byte(text), "text/plain; charset=utf-8", nil
	}
	return []byte(text), b.media, nil
}

// form writes an object as application/x-www-form-urlencoded.
func (b *body) form(raw []byte) ([]byte, string, error) {
	if jsonedit.Kind(raw) != '{' {
		return nil, "", wrong(b.arg, "must be an object")
	}
	var out []byte
	for key, v := range jsonedit.Members(raw) {
		p := b.member(unquoteKey(key))
		if jsonedit.IsNull(v) {
			continue
		}
		if p.json || p.plain && nested(v) {
			out = plus(append(plus(pair(out), p.name), '='), string(jsonedit.Compact(nil, v)))
			continue
		}
		val, err := readValue(p.arg, v, &p.shape)
		if err != nil {
			return nil, "", err
		}
		text, err := p.expand(nil, val, plus)
		if err != nil {
			return nil, "", err
		}
		if len(text) > 0 {
			out = append(pair(out), text...)
		}
	}
	return out, "application/x-www-form-urlencoded", nil
}

// nested reports whether a value has values inside that are no scalars, or is an object.
func nested(v []byte) bool {
	if jsonedit.Kind(v) == '{' {
		return true
	}
	for el := range jsonedit.Elements(v) {
		if k := jsonedit.Kind(el); k == '{' || k == '[' {
			return true
		}
	}
	return false
}

// pair begins another pair of a form.
func pair(dst []byte) []byte {
	if len(dst) == 0 {
		return dst
	}
	return append(dst, '&')
}

// member is how a member is written; one that the document does not name is written as its value is.
func (b *body) member(name string) param {
	if p, ok := b.members[name]; ok {
		p.arg = b.arg + "." + name
		return p
	}
	p := plainMember(name)
	p.arg = b.arg + "." + name
	return p
}

func plainMember(name string) param {
	return param{name: name, in: "body", style: "form", explode: true, plain: true}
}

// multipart writes an object as multipart/form-data: texts, JSON, and files, whose bytes come in Base64.
func (b *body) multipart(raw []byte) ([]byte, string, error) {
	if jsonedit.Kind(raw) != '{' {
		return nil, "", wrong(b.arg, "must be an object")
	}
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for key, v := range jsonedit.Members(raw) {
		p := b.member(unquoteKey(key))
		if strings.ContainsFunc(p.name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
			return nil, "", wrong(p.arg, "has a name that no form takes")
		}
		values := [][]byte{v}
		if jsonedit.Kind(v) == '[' && !p.json {
			values = slices.Collect(jsonedit.Elements(v))
		}
		for _, v := range values {
			if err := p.part(w, v); err != nil {
				return nil, "", err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return buf.Bytes(), w.FormDataContentType(), nil
}

// part writes one part of a form.
func (p *param) part(w *multipart.Writer, v []byte) error {
	head := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.name + `"`}}
	var data []byte
	switch text, isText := jsonedit.Unquote(v); {
	case jsonedit.IsNull(v):
		return nil
	case p.in == "file":
		var err error
		if data, err = base64.StdEncoding.DecodeString(text); err != nil || !isText {
			return wrong(p.arg, "must be the bytes of the file in Base64")
		}
		head.Set("Content-Disposition", `form-data; name="`+p.name+`"; filename="`+p.name+`"`)
		head.Set("Content-Type", "application/octet-stream")
	case isText && !p.json:
		if why := p.shape.wrong(text); why != "" && p.shape.items == nil {
			return wrong(p.arg, "%s", why)
		}
		data = []byte(text)
	case jsonedit.Kind(v) == '{' || jsonedit.Kind(v) == '[' || p.json:
		head.Set("Content-Type", "application/json")
		data = jsonedit.Compact(nil, v)
	default:
		data = v
	}
	part, err := w.CreatePart(head)
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	return err
}
