package openapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/mcp"
)

// document is one that is being read.
type document struct {
	root  *node
	place place
	api   *api
	names map[string]int // of tools, taken
	total int            // bytes of all tools
	spent int            // work, in bytes that were written and values that were looked at
}

// place is where requests go.
type place struct {
	base   *url.URL // the config's; nil: what the document says
	source *url.URL // where the document came from; nil: a file
	allow  []string // the tools that are offered; nil: all
	deny   []string
	own    []string // headers that the config sets, in lower case: no argument does
}

// Bounds of an API.
const (
	maxTools      = 512     // tools that are offered
	maxOperations = 20_000  // operations that are looked at
	maxCatalogue  = 8 << 20 // bytes of all tools
	maxWork       = 64 << 20
	maxLeft       = 100 // parts whose reason is remembered
	maxPath       = 2048
)

// api is what a document comes to. It does not change.
type api struct {
	tools []mcp.ToolDef
	calls map[string]*operation // by the tool's name
	left  []leftOver
	mute  int // parts that are left out beside those
	more  int // operations that are not offered because there are too many
}

// leftOver is an operation, or a part of one, that is not offered, and why.
type leftOver struct{ what, why string }

// methods are those that become tools, as a path item names them.
var methods = []string{"get", "put", "post", "delete", "patch", "head"}

// read makes tools of a document.
func read(data []byte, at place) (*api, error) {
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	switch version := root.str("openapi"); {
	case root.get("swagger") != nil:
		return nil, errors.New("it is of Swagger 2.0; OpenAPI 3.0 and 3.1 are read")
	case version == "":
		return nil, errors.New("it is no OpenAPI document: it has no member openapi that names its version")
	case !strings.HasPrefix(version, "3."):
		return nil, fmt.Errorf("its version is %s; OpenAPI 3.0 and 3.1 are read", clip(version))
	}
	d := &document{root: root, place: at, names: map[string]int{}, api: &api{calls: map[string]*operation{}}}
	if err := d.paths(); err != nil {
		return nil, err
	}
	return d.api, nil
}

// paths reads all operations, in the document's order.
func (d *document) paths() error {
	paths := d.root.get("paths")
	if paths == nil {
		return nil
	}
	seen := 0
	for i, path := range paths.keys {
		if !strings.HasPrefix(path, "/") {
			continue // x-…
		}
		item, err := d.follow(paths.nodes[i])
		if err != nil || item.kind != '{' {
			d.leave(path, fmt.Errorf("its path item cannot be read: %w", orError(err)))
			continue
		}
		for j, method := range item.keys {
			if !slices.Contains(methods, method) {
				if method == "options" || method == "trace" || method == "query" {
					d.leave(strings.ToUpper(method)+" "+path, errors.New("its method is not offered"))
				}
				continue
			}
			if seen++; seen > maxOperations {
				return fmt.Errorf("it has more than %d operations", maxOperations)
			}
			d.operation(method, path, item, item.nodes[j])
		}
	}
	return nil
}

func orError(err error) error {
	if err == nil {
		return errors.New("it is no object")
	}
	return err
}

// leave notes what is not offered.
func (d *document) leave(what string, why error) {
	if len(d.api.left) >= maxLeft {
		d.api.mute++
		return
	}
	d.api.left = append(d.api.left, leftOver{what: strings.ToValidUTF8(what, "\uFFFD"), why: why.Error()})
}

// operation makes a tool of one operation, unless it is not wanted, cannot be done, or is one too many.
func (d *document) operation(method, path string, item, n *node) {
	if n.kind != '{' {
		d.leave(strings.ToUpper(method)+" "+path, errors.New("it is no object"))
		return
	}
	name := d.name(method, path, n)
	if d.place.allow != nil && !slices.Contains(d.place.allow, name) || slices.Contains(d.place.deny, name) {
		return
	}
	if len(d.api.tools) >= maxTools || d.total > maxCatalogue {
		d.api.more++
		return
	}
	if d.spent > maxWork {
		d.leave(strings.ToUpper(method)+" "+path, errors.New("the document takes too much work"))
		return
	}
	op, def, err := d.build(name, method, path, item, n)
	if err != nil {
		d.leave(strings.ToUpper(method)+" "+path, err)
		return
	}
	d.total += len(def.Raw)
	d.api.tools = append(d.api.tools, def)
	d.api.calls[name] = op
}

// name is what the tool is called: the operationId, or method and path, each once.
func (d *document) name(method, path string, n *node) string {
	base := n.str("operationId")
	if base == "" {
		base = method + strings.NewReplacer("{", "", "}", "").Replace(path)
	}
	return unique(word(base, "_-."), d.names)
}

// maxWord bounds the names of tools and arguments, as models' providers do.
const maxWord = 64

// word writes a name with letters, digits and those of also.
func word(s, also string) string {
	s = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(also, r) {
			return r
		}
		return '_'
	}, s)
	if len(s) > maxWord {
		s = s[:maxWord]
	}
	if strings.Trim(s, "_") == "" {
		return "x" + s
	}
	return s
}

// unique adds a number to a name that is taken, and takes it. taken has the last number of each name.
func unique(name string, taken map[string]int) string {
	n, used := taken[name]
	if !used {
		taken[name] = 1
		return name
	}
	for {
		n++
		end := fmt.Sprintf("_%d", n)
		other := name[:min(len(name), maxWord-len(end))] + end
		if _, used := taken[other]; !used {
			taken[name], taken[other] = n, 1
			return other
		}
	}
}
