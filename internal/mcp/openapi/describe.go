package openapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// Bounds of what is said about a tool and about an argument.
const (
	maxDescription = 4 << 10
	maxAbout       = 1 << 10
)

// describe writes the tool.
func (d *document) describe(op *operation, item, n *node, s *signature) mcp.ToolDef {
	def := mcp.ToolDef{Name: op.name}
	readOnly := op.method == "GET" || op.method == "HEAD"
	title := strings.TrimSpace(n.str("summary"))
	def.Description = about(n)
	if def.Description == "" {
		def.Description = about(item)
	}
	if def.Description == "" {
		def.Description = fmt.Sprintf("%s %s", op.method, op.shown())
	}
	if n.is("deprecated") {
		def.Description = "Deprecated. " + def.Description
	}
	schema := append([]byte(`{"type":"object","properties":{`), strings.TrimSuffix(string(s.properties), ",")...)
	schema = append(schema, '}')
	for i, arg := range s.required {
		schema = append(schema, [2]string{`,"required":[`, `,`}[min(i, 1)]...)
		schema = jsonedit.AppendQuote(schema, arg)
	}
	if len(s.required) > 0 {
		schema = append(schema, ']')
	}
	schema = append(schema, `,"additionalProperties":false}`...)

	raw := jsonedit.AppendQuote([]byte(`{"name":`), def.Name)
	if title != "" {
		raw = jsonedit.AppendQuote(append(raw, `,"title":`...), cutText(title, 200))
	}
	raw = jsonedit.AppendQuote(append(raw, `,"description":`...), def.Description)
	at := len(raw) + len(`,"inputSchema":`)
	raw = append(append(raw, `,"inputSchema":`...), schema...)
	end := len(raw)
	raw = fmt.Appendf(raw, `,"annotations":{"readOnlyHint":%t,`, readOnly)
	switch {
	case op.method == "DELETE":
		raw = append(raw, `"destructiveHint":true,`...)
	case readOnly:
		raw = append(raw, `"destructiveHint":false,`...)
	}
	def.Raw = fmt.Appendf(raw, `"idempotentHint":%t,"openWorldHint":true}}`, readOnly || op.method == "PUT" || op.method == "DELETE")
	def.Hints = mcp.ReadHints(def.Raw)
	def.InputSchema = def.Raw[at:end:end]
	return def
}

// about joins summary and description.
func about(n *node) string {
	summary, description := strings.TrimSpace(n.str("summary")), strings.TrimSpace(n.str("description"))
	switch {
	case summary == "" || strings.HasPrefix(description, summary):
		return cutText(description, maxDescription)
	case description == "":
		return cutText(summary, maxDescription)
	}
	return cutText(summary+"\n\n"+description, maxDescription)
}

// shown is the path as the document has it.
func (op *operation) shown() string {
	var b strings.Builder
	for _, p := range op.path {
		if p.param < 0 {
			b.WriteString(p.text)
		} else {
			b.WriteString("{" + op.params[p.param].name + "}")
		}
	}
	return b.String()
}

// cutText shortens a text between characters.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := limit
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n]) + " …"
}

// base is where the requests of an operation go. What the document says counts only when the config names no place, and a
// document that came over the network sends requests, with the credentials they carry, only to where it came from.
func (d *document) base(item, n *node) (string, error) {
	if d.place.base != nil {
		return trimmed(d.place.base), nil
	}
	text := d.server(item, n)
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("its server %s is not a URL; give the server a base_url", clip(text))
	}
	if from := d.place.source; from != nil {
		u = from.ResolveReference(u)
		if u.Scheme != from.Scheme || !strings.EqualFold(u.Host, from.Host) {
			return "", errors.New("the document sends its requests to another host than its own; give the server a base_url")
		}
	}
	web := u.Scheme == "http" || u.Scheme == "https"
	if !web || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || climbs(u.EscapedPath()) {
		return "", fmt.Errorf("its server %s is not a full http or https URL; give the server a base_url", clip(text))
	}
	return trimmed(u), nil
}

// server is the URL of the first server that the document names for an operation.
func (d *document) server(item, n *node) string {
	for _, at := range []*node{n, item, d.root} {
		if servers := at.list("servers"); len(servers) > 0 {
			return expandServer(servers[0])
		}
	}
	return "/"
}

func trimmed(u *url.URL) string {
	own := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return strings.TrimRight(own.String(), "/")
}

// expandServer puts the default values of variables into a server's URL.
func expandServer(n *node) string {
	const most = 2048
	text := n.str("url")
	if len(text) > most {
		return ""
	}
	vars := n.get("variables")
	for _, name := range placeholders(text) {
		if v := vars.get(name).str("default"); !strings.ContainsAny(v, "{}") && len(v) <= most {
			text = strings.ReplaceAll(text, "{"+name+"}", v)
		}
	}
	return text
}

// climbs reports whether a path has a segment that a server may read as the way upwards, however often it unescapes.
func climbs(path string) bool {
	for range 4 {
		if slices.ContainsFunc(strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }), func(s string) bool {
			s, _, _ = strings.Cut(s, ";")
			return s == "." || s == ".."
		}) {
			return true
		}
		next, err := url.PathUnescape(path)
		if err != nil || next == path {
			return false
		}
		path = next
	}
	return true // escaped again and again: nobody needs that
}
