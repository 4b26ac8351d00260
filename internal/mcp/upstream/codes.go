package upstream

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

// The error codes of the stateless era.
const (
	codeHeaderMismatch = -32020
	codeUnsupported    = -32022
)

// param is an argument that a tool's schema wants in a header too (x-mcp-header).
type param struct {
	path   []string // from the arguments object down
	header string   // after Mcp-Param-
}

// maxDepth bounds how deep a schema is searched for annotations.
const maxDepth = 32

// readParams finds the annotated properties of a schema. A client must not offer a tool whose annotations are wrong.
func readParams(schema []byte) ([]param, error) {
	var ps []param
	seen := make(map[string]bool)
	err := walkParams(schema, nil, func(path []string, prop, name []byte) error {
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
		ps = append(ps, param{path: path, header: h})
		return nil
	})
	return ps, err
}

// walkParams calls f for each annotated property below a schema.
func walkParams(schema []byte, at []string, f func(path []string, prop, name []byte) error) error {
	if len(at) > maxDepth {
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
		if err := walkParams(prop, path, f); err != nil {
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

// set puts the argument into its header. An argument that is absent, null or of another kind has no header.
func (p param) set(h http.Header, args []byte) {
	v := jsonedit.Get(args, p.path...)
	name := http.CanonicalHeaderKey("Mcp-Param-" + p.header)
	switch jsonedit.Kind(v) {
	case '"':
		s, _ := jsonedit.Unquote(v)
		h[name] = []string{headerValue(s)}
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

// headerValue writes a text as a header can carry it.
func headerValue(s string) string {
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
