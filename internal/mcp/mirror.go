package mcp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Mirror is an argument that a tool's schema wants in a header too (x-mcp-header).
type Mirror struct {
	Path   []string // from the arguments object down
	Header string   // after Mcp-Param-
}

// maxMirrorDepth bounds how deep a schema is searched for annotations.
const maxMirrorDepth = 32

// ReadMirrors finds the annotated properties of a schema. A client must not offer a tool whose annotations are wrong.
func ReadMirrors(schema []byte) ([]Mirror, error) {
	var ms []Mirror
	seen := make(map[string]bool)
	err := walkMirrors(schema, nil, func(path []string, prop, name []byte) error {
		switch kind, _ := jsonedit.Unquote(jsonedit.Get(prop, "type")); kind {
		case "string", "integer", "boolean":
		default:
			return fmt.Errorf("x-mcp-header on property %q, which is not a string, an integer or a boolean", path[len(path)-1])
		}
		h, ok := jsonedit.Unquote(name)
		if !ok || !token(h) {
			return fmt.Errorf("x-mcp-header of property %q is not a header name", path[len(path)-1])
		}
		l := strings.ToLower(h)
		if seen[l] {
			return fmt.Errorf("two properties want the header %q", h)
		}
		seen[l] = true
		ms = append(ms, Mirror{Path: path, Header: h})
		return nil
	})
	return ms, err
}

// walkMirrors calls f for each annotated property below a schema.
func walkMirrors(schema []byte, at []string, f func(path []string, prop, name []byte) error) error {
	if len(at) > maxMirrorDepth {
		return errors.New("its inputSchema is nested too deeply")
	}
	for key, prop := range jsonedit.Members(jsonedit.Get(schema, "properties")) {
		name, ok := jsonedit.Unquote(append(append([]byte{'"'}, key...), '"'))
		if !ok || jsonedit.Kind(prop) != '{' {
			continue
		}
		path := append(slices.Clip(at), name)
		if h := jsonedit.Get(prop, "x-mcp-header"); h != nil {
			if err := f(path, prop, h); err != nil {
				return err
			}
		}
		if err := walkMirrors(prop, path, f); err != nil {
			return err
		}
	}
	return nil
}

// token reports whether s may be (part of) a header's name.
func token(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// maxSafe bounds the integers that every reader of JSON keeps exact.
const maxSafe = 1<<53 - 1

// Set puts the argument into its header. An argument that is absent, null or of another kind has no header.
func (m Mirror) Set(h http.Header, args []byte) {
	v := jsonedit.Get(args, m.Path...)
	name := m.name()
	switch jsonedit.Kind(v) {
	case '"':
		s, _ := jsonedit.Unquote(v)
		h[name] = []string{HeaderValue(s)}
	case '0':
		if n, ok := jsonedit.Int(v); ok && n >= -maxSafe && n <= maxSafe {
			h[name] = []string{strconv.FormatInt(n, 10)}
		}
	default:
		if b, ok := jsonedit.Bool(v); ok {
			h[name] = []string{strconv.FormatBool(b)}
		}
	}
}

// HeaderValue writes a text as a header can carry it.
func HeaderValue(s string) string {
	encoded := strings.HasPrefix(s, "=?base64?") && strings.HasSuffix(s, "?=") // or so it would look
	plain := strings.Trim(s, " \t") == s && !encoded
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f || s[i] == '\t'
	}
	if plain {
		return s
	}
	return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

// DecodeHeader reads what HeaderValue wrote. It reports false for what only looks like it.
func DecodeHeader(v string) (string, bool) {
	inner, ok := strings.CutPrefix(v, "=?base64?")
	if ok {
		inner, ok = strings.CutSuffix(inner, "?=")
	}
	if !ok {
		return v, true
	}
	b, err := base64.StdEncoding.Strict().DecodeString(inner)
	return string(b), err == nil
}

func (m Mirror) name() string { return http.CanonicalHeaderKey("Mcp-Param-" + m.Header) }

// Agrees reports whether the header says what the argument says: the same text, the same number however it is written, or
// both nothing.
func (m Mirror) Agrees(h http.Header, args []byte) bool {
	want := http.Header{}
	m.Set(want, args)
	got, say := h[m.name()], want[m.name()]
	if len(got) == 0 || len(say) == 0 {
		return len(got) == len(say)
	}
	value, ok := DecodeHeader(got[0])
	if !ok || slices.ContainsFunc(got, func(v string) bool { return v != got[0] }) {
		return false
	}
	if n, isInt := jsonedit.Int(jsonedit.Get(args, m.Path...)); isInt {
		v, ok := jsonedit.Int([]byte(value))
		return ok && v == n
	}
	said, _ := DecodeHeader(say[0])
	return value == said
}
