package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// operation is one that can be called.
type operation struct {
	name   string // the tool's
	method string // in capitals
	base   string // scheme, host and path, without a slash at its end
	path   []part
	params []param
	query  []string // the names of all parameters of the query
	body   *body
}

// part is a piece of a path: text as it is sent, or the place of a parameter.
type part struct {
	text  string
	param int // -1: text
}

const maxParams = 200

// build reads an operation and describes its tool.
func (d *document) build(name, method, path string, item, n *node) (*operation, mcp.ToolDef, error) {
	op := &operation{name: name, method: strings.ToUpper(method)}
	var err error
	if len(path) > maxPath {
		return nil, mcp.ToolDef{}, errors.New("its path is too long")
	}
	if op.base, err = d.base(item, n); err != nil {
		return nil, mcp.ToolDef{}, err
	}
	s := &signature{d: d, op: op, taken: map[string]int{}}
	if err := s.parameters(path, item, n); err != nil {
		return nil, mcp.ToolDef{}, err
	}
	if err := s.requestBody(n); err != nil {
		return nil, mcp.ToolDef{}, err
	}
	if err := op.template(path); err != nil {
		return nil, mcp.ToolDef{}, err
	}
	return op, d.describe(op, item, n, s), nil
}

// signature collects the arguments of one operation.
type signature struct {
	d          *document
	op         *operation
	taken      map[string]int
	properties []byte   // members with a comma behind each
	required   []string // arguments
}

// add adds an argument with the schema of n. description may be empty.
func (s *signature) add(arg string, n *node, description string, required bool) error {
	more := map[string]string{}
	if description != "" {
		more["description"] = string(jsonedit.AppendQuote(nil, cutText(description, maxAbout)))
	}
	s.properties = append(jsonedit.AppendQuote(s.properties, arg), ':')
	out, err := s.d.appendSchema(s.properties, n, more)
	if err != nil {
		return err
	}
	s.properties = append(out, ',')
	if required {
		s.required = append(s.required, arg)
	}
	return nil
}

// parameters reads the parameters of an operation, and those of its path item that it does not replace.
func (s *signature) parameters(path string, item, n *node) error {
	type key struct{ in, name string }
	var order []key
	found := map[key]*node{}
	for _, list := range [][]*node{item.list("parameters"), n.list("parameters")} {
		if len(list) > maxParams {
			return fmt.Errorf("it has more than %d parameters", maxParams)
		}
		for _, p := range list {
			p, err := s.d.follow(p)
			if err != nil {
				return err
			}
			k := key{p.str("in"), p.str("name")}
			if found[k] == nil {
				order = append(order, k)
			}
			found[k] = p
		}
	}
	if len(order) > maxParams {
		return fmt.Errorf("it has more than %d parameters", maxParams)
	}
	for _, name := range placeholders(path) {
		if k := (key{"path", name}); found[k] == nil { // each has one in a document that keeps the rules
			order, found[k] = append(order, k), &node{kind: '{'}
		}
	}
	for _, k := range order {
		err := s.parameter(k.in, k.name, found[k], path)
		if err == nil {
			continue
		}
		if found[k].is("required") || k.in == "path" {
			return err
		}
		s.d.leave(fmt.Sprintf("%s %s: %s parameter %s", s.op.method, path, k.in, clip(k.name)), err)
	}
	return nil
}

// placeholders are the names in braces of a path.
func placeholders(path string) (names []string) {
	for {
		_, rest, found := strings.Cut(path, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return names
		}
		names, path = append(names, name), after
	}
}

// parameter reads one parameter. The error says why it cannot be sent.
func (s *signature) parameter(in, name string, n *node, path string) error {
	if err := s.sendable(in, name); err != nil {
		return err
	}
	if in == "path" && !slices.Contains(placeholders(path), name) || in == "header" && s.ignored(name) {
		return nil
	}
	p := param{name: name, in: in, required: n.is("required") || in == "path", reserved: n.is("allowReserved")}
	if err := p.styled(n); err != nil {
		return err
	}
	schema, err := s.schemaOf(&p, n)
	if err != nil {
		return err
	}
	p.arg = unique(word(s.argument(in, name), "_-."), s.taken)
	if err := s.add(p.arg, schema, n.str("description"), p.required); err != nil {
		return err
	}
	s.op.params = append(s.op.params, p)
	if in == "query" {
		s.op.query = append(s.op.query, name)
	}
	return nil
}

// schemaOf returns the schema of a parameter's value, and looks whether its style has a way to write that.
func (s *signature) schemaOf(p *param, n *node) (*node, error) {
	schema := n.get("schema")
	if content := n.get("content"); content != nil {
		if len(content.keys) != 1 || !isJSON(content.keys[0]) {
			return nil, errors.New("its content is not JSON")
		}
		p.json, schema = true, content.nodes[0].get("schema")
	}
	p.shape = s.d.shapeOf(schema, 3)
	switch {
	case p.in == "cookie" && p.explode && !p.json && !p.shape.allows("string", "number", "integer", "boolean"):
		return nil, errors.New("a cookie has no place for more than one value")
	case p.style == "deepObject" && !p.shape.allows("object"):
		return nil, errors.New("deepObject is a style for objects")
	}
	return schema, nil
}

// sendable says why callers cannot set a parameter, if so.
func (s *signature) sendable(in, name string) error {
	switch {
	case styles[in] == nil:
		return fmt.Errorf("its place is %s, not path, query, header or cookie", clip(in))
	case name == "" || len(name) > 256:
		return errors.New("it has no name that could be sent")
	case in == "header" && (!mcp.Sendable(name) || strings.HasPrefix(strings.ToLower(name), "cookie")) && !s.ignored(name):
		return errors.New("it is not for callers to set")
	case in == "cookie" && !isToken(name):
		return errors.New("it is not for callers to set")
	}
	return nil
}

// ignored reports whether a header is no parameter: the specification says so of three, and some are the config's.
func (s *signature) ignored(name string) bool {
	name = strings.ToLower(name)
	return name == "accept" || name == "content-type" || name == "authorization" || slices.Contains(s.d.place.own, name)
}

// styled reads how the parameter is written.
func (p *param) styled(n *node) error {
	known := styles[p.in]
	if p.style = n.str("style"); p.style == "" {
		p.style = known[0]
	}
	if !slices.Contains(known, p.style) {
		return fmt.Errorf("there is no style %s for parameters of the %s", clip(p.style), p.in)
	}
	p.explode = p.style == "form" || p.style == "deepObject"
	if n.get("explode") != nil {
		p.explode = n.is("explode")
	}
	return nil
}

// argument is what a parameter is called: its name, or name and place where another one has that name.
func (s *signature) argument(in, name string) string {
	if s.taken[word(name, "_-.")] > 0 {
		return name + "_" + in
	}
	return name
}

// isToken reports whether a text may be the name of a cookie (RFC 6265, section 4.1.1).
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// isJSON reports whether a media type is JSON.
func isJSON(media string) bool {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	media = strings.TrimSpace(media)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// template cuts a path into its parts.
func (op *operation) template(path string) error {
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune("?#\\", r) }) {
		return errors.New("its path has a character that no path has")
	}
	for path != "" {
		text, rest, found := strings.Cut(path, "{")
		if text != "" {
			op.path = append(op.path, part{text: literal(text), param: -1})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		i := slices.IndexFunc(op.params, func(p param) bool { return p.in == "path" && p.name == name })
		if !closed || i < 0 {
			return errors.New("its path has a brace that names no parameter")
		}
		op.path, path = append(op.path, part{param: i}), after
	}
	var fixed []byte
	for _, p := range op.path {
		if fixed = append(fixed, p.text...); p.param >= 0 {
			fixed = append(fixed, 'x')
		}
	}
	if climbs(string(fixed)) {
		return errors.New("its path leads upwards")
	}
	return nil
}

// literal writes text of a path as it is sent: what may not stand there is escaped, escapes are left.
func literal(text string) string {
	var dst []byte
	for i := range len(text) {
		c := text[i]
		dst = escapeByte(dst, c, unreserved(c) || strings.IndexByte("/%:@!$&'()*+,;=", c) >= 0)
	}
	return string(dst)
}
