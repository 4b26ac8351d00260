package openapi

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// maxHops bounds the references that lead from one to the next.
const maxHops = 32

// lookup finds what a reference names: a JSON pointer into the document itself (RFC 6901). Other documents are never fetched.
func (d *document) lookup(ref string) (*node, error) {
	pointer, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil, fmt.Errorf("it refers to another document (%s), which is not fetched", clip(ref))
	}
	pointer, err := url.PathUnescape(pointer)
	if err != nil || pointer != "" && !strings.HasPrefix(pointer, "/") {
		return nil, fmt.Errorf("it refers to %s, which is not a place in the document", clip(ref))
	}
	n := d.root
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if n.kind == '[' {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.nodes) {
				n = nil
			} else {
				n = n.nodes[i]
			}
		} else {
			n = n.get(step)
		}
		if n == nil {
			return nil, fmt.Errorf("it refers to %s, which does not exist", clip(ref))
		}
	}
	return n, nil
}

// follow returns what n stands for: n itself, or what its $ref leads to.
func (d *document) follow(n *node) (*node, error) {
	for range maxHops {
		ref := n.get("$ref")
		if ref == nil || ref.kind != '"' {
			return n, nil
		}
		next, err := d.lookup(ref.text)
		if err != nil {
			return nil, err
		}
		n = next
	}
	return nil, fmt.Errorf("its references lead in a circle")
}

// clip shortens a text of the document for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return strconv.QuoteToGraphic(s)
}
