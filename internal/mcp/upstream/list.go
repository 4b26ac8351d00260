package upstream

import (
	"bytes"
	"context"
	"errors"
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
	l := listing{s: s, params: make(map[string][]mcp.Mirror)}
	err := s.pages(ctx, mcp.Tools, l.add)
	if _, cut := errors.AsType[*mcp.PartialError](err); cut || err == nil {
		s.mu.Lock()
		s.params = l.params
		s.mu.Unlock()
	}
	return l.tools, err
}

// List implements [mcp.Session]. Its bounds are those of ListTools.
func (s *session) List(ctx context.Context, k mcp.Kind) (items [][]byte, err error) {
	if !s.Offers(k.Capability) {
		return nil, nil
	}
	err = s.pages(ctx, k, func(raw []byte) {
		if len(raw) > maxTool || jsonedit.Kind(raw) != '{' || !jsonedit.Valid(raw) {
			s.log.Warn("an item of an MCP server is left out: it is too large, or no object that every reader understands alike", "method", k.Method)
			return
		}
		items = append(items, bytes.Clone(raw))
	})
	if rpcCode(err) == jsonrpc.CodeMethodNotFound {
		err = nil // not every server with resources has templates
	}
	return items, err
}

// Offers implements [mcp.Session].
func (s *session) Offers(path ...string) bool {
	v := jsonedit.Get(s.caps, path...)
	on, _ := jsonedit.Bool(v)
	return on || jsonedit.Kind(v) == '{'
}

// pages asks for the pages of a list, one after the other, and hands over its elements.
func (s *session) pages(ctx context.Context, k mcp.Kind, add func(raw []byte)) error {
	var cursor []byte // a string literal; nil for the first page
	seen, total := make(map[string]bool), 0
	for range s.o.MaxPages {
		r := request{method: k.Method, limit: s.o.MaxList}
		if cursor != nil {
			r.params = append(append([]byte(`"cursor":`), cursor...), ',')
		}
		raw, err := s.do(ctx, r)
		if rpcCode(err) == jsonrpc.CodeMethodNotFound && !s.Offers(k.Capability) {
			return nil
		}
		if err != nil {
			return err
		}
		if total += len(raw); total > s.o.MaxList {
			return &mcp.PartialError{Message: "the list of " + k.Noun + " is larger than the limit of " + size(s.o.MaxList)}
		}
		items := jsonedit.Get(raw, k.Member)
		if items != nil && jsonedit.Kind(items) != '[' {
			return &mcp.Unavailable{Message: "the server sent a list of " + k.Noun + " that is not a list"}
		}
		for el := range jsonedit.Elements(items) {
			add(el)
		}
		cursor = jsonedit.Get(raw, "nextCursor")
		if c, ok := jsonedit.Unquote(cursor); !ok || c == "" {
			return nil
		}
		if seen[string(cursor)] {
			return &mcp.PartialError{Message: "the server sent the same page of its list of " + k.Noun + " again"}
		}
		seen[string(cursor)] = true
	}
	return &mcp.PartialError{Message: fmt.Sprintf("the list of %s has more than %d pages", k.Noun, s.o.MaxPages)}
}

// listing is one walk over the tools of a server.
type listing struct {
	s      *session
	tools  []mcp.ToolDef
	params map[string][]mcp.Mirror
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

// maxTool bounds one tool object, in bytes: schemas go to models with every request, and into memory for every caller.
const maxTool = 256 << 10

func readTool(raw []byte) (mcp.ToolDef, error) {
	if len(raw) > maxTool {
		name, _ := jsonedit.Unquote(jsonedit.Get(raw, "name"))
		return mcp.ToolDef{Name: name[:min(len(name), maxName)]}, fmt.Errorf("it is larger than %s", size(maxTool))
	}
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
	t.Hints = mcp.ReadHints(t.Raw)
	t.InputSchema = jsonedit.Get(t.Raw, "inputSchema")
	if jsonedit.IsNull(t.InputSchema) {
		t.InputSchema = []byte(`{"type":"object"}`)
	}
	if jsonedit.Kind(t.InputSchema) != '{' {
		return t, fmt.Errorf("its inputSchema is not an object")
	}
	return t, nil
}
