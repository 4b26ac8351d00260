package upstream

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// ListTools implements [mcp.Session]. When a bound is reached it returns the tools up to there, and an error that names the
// bound. A tool without a usable name, or whose schema is not an object, is left out and logged.
func (s *session) ListTools(ctx context.Context) ([]mcp.ToolDef, error) {
	l := listing{s: s, seen: make(map[string]bool), params: make(map[string][]mcp.Mirror)}
	for range s.o.MaxPages {
		more, err := l.page(ctx)
		if err != nil {
			return l.tools, err
		}
		if !more {
			s.mu.Lock()
			s.params = l.params
			s.mu.Unlock()
			return l.tools, nil
		}
	}
	return l.tools, &mcp.Unavailable{Message: fmt.Sprintf("the list of tools has more than %d pages", s.o.MaxPages)}
}

// listing is one walk over the pages of a list.
type listing struct {
	s      *session
	tools  []mcp.ToolDef
	params map[string][]mcp.Mirror
	cursor []byte // a string literal; nil for the first page
	seen   map[string]bool
	size   int
}

// page asks for the next page and reports whether there is another.
func (l *listing) page(ctx context.Context) (bool, error) {
	r := request{method: "tools/list", limit: l.s.o.MaxList}
	if l.cursor != nil {
		r.params = append(append([]byte(`"cursor":`), l.cursor...), ',')
	}
	raw, err := l.s.do(ctx, r)
	if rpcCode(err) == jsonrpc.CodeMethodNotFound && !l.s.tools {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if l.size += len(raw); l.size > l.s.o.MaxList {
		return false, &mcp.Unavailable{Message: "the list of tools is larger than the limit of " + size(l.s.o.MaxList)}
	}
	tools := jsonedit.Get(raw, "tools")
	if tools != nil && jsonedit.Kind(tools) != '[' {
		return false, &mcp.Unavailable{Message: "the server sent a list of tools that is not a list"}
	}
	for t := range jsonedit.Elements(tools) {
		l.add(t)
	}
	next := jsonedit.Get(raw, "nextCursor")
	if c, ok := jsonedit.Unquote(next); !ok || c == "" {
		return false, nil
	}
	if l.seen[string(next)] {
		return false, &mcp.Unavailable{Message: "the server sent the same page of its list of tools again"}
	}
	l.seen[string(next)] = true
	l.cursor = next
	return true, nil
}

// add takes in one tool object.
func (l *listing) add(raw []byte) {
	t, err := readTool(raw)
	if err == nil && l.s.http && l.s.modern() {
		var ps []mcp.Mirror
		if ps, err = mcp.ReadMirrors(t.InputSchema); len(ps) > 0 {
			l.params[t.Name] = ps
		}
	}
	if err != nil {
		l.s.log.Warn("a tool of an MCP server is left out", "tool", t.Name, "reason", err.Error())
		return
	}
	l.tools = append(l.tools, t)
}

// maxName bounds a tool's name; the protocol recommends 128.
const maxName = 256

func readTool(raw []byte) (mcp.ToolDef, error) {
	t := mcp.ToolDef{Raw: bytes.Clone(raw)}
	if jsonedit.Kind(raw) != '{' || !jsonedit.Valid(raw) {
		return t, fmt.Errorf("it is not an object, or not one that every reader understands alike")
	}
	name, ok := jsonedit.Unquote(jsonedit.Get(t.Raw, "name"))
	if !ok || name == "" || len(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return t, fmt.Errorf("it has no valid name")
	}
	t.Name = name
	t.Description, _ = jsonedit.Unquote(jsonedit.Get(t.Raw, "description"))
	t.ReadOnly, _ = jsonedit.Bool(jsonedit.Get(t.Raw, "annotations", "readOnlyHint"))
	t.Idempotent, _ = jsonedit.Bool(jsonedit.Get(t.Raw, "annotations", "idempotentHint"))
	t.InputSchema = jsonedit.Get(t.Raw, "inputSchema")
	if jsonedit.IsNull(t.InputSchema) {
		t.InputSchema = []byte(`{"type":"object"}`)
	}
	if jsonedit.Kind(t.InputSchema) != '{' {
		return t, fmt.Errorf("its inputSchema is not an object")
	}
	return t, nil
}
