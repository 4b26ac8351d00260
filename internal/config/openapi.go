package config

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// documentAt is where an OpenAPI document is: a URL, or the path of a file, which starts in the folder of the config. A URL may
// hold a secret in its query; messages never quote it.
type documentAt struct{ to *string }

func (v documentAt) read(d *decoder, path string, n *yaml.Node) {
	text, ok := d.scalar(path, n, "a text", textTags)
	if !ok {
		return
	}
	if schemeOf(text) != "" {
		if w := serverURL(text); w != "" {
			d.wrong(path, "%s, or the path of a file", w)
			return
		}
		*v.to = text
		return
	}
	if text == "" {
		d.wrong(path, "must not be empty: the path of a file, or a URL")
		return
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(d.folder, text)
	}
	if _, err := d.o.ReadFile(text); err != nil {
		d.wrong(path, "the file %s cannot be read: %s", clip(n.Value), why(err))
		return
	}
	*v.to = text
}

func (documentAt) schema() map[string]any { return map[string]any{"type": "string"} }

// ways are the keys that say how a server is reached, and which other keys go with each.
var ways = []struct {
	key, what string
	goes      []string
}{
	{"command", "a command", []string{"env", "transport", "protocol", "client_processes"}},
	{"url", "a url", []string{"headers", "forward_headers", "auth", "transport", "protocol"}},
	{"openapi", "an OpenAPI document", []string{"headers", "forward_headers", "auth", "base_url"}},
}

// checkWay holds a server to one way of being reached, and to the keys that belong to it.
func (d *decoder) checkWay(s *Server, path string) {
	way := -1
	for i, w := range ways {
		switch {
		case !d.has(path + "." + w.key):
		case way >= 0:
			d.wrong(path+"."+w.key, "does not go with %s; give one of the two", ways[way].key)
			return
		default:
			way = i
		}
	}
	switch {
	case d.bad[path]:
		return
	case way < 0:
		d.wrong(path, "needs a command to run, a url, or an OpenAPI document")
		return
	}
	d.checkTransport(s, path)
	d.checkOthers(way, path)
}

// checkOthers notes the keys that go with another way.
func (d *decoder) checkOthers(way int, path string) {
	said := map[string]bool{}
	for _, other := range ways {
		for _, k := range other.goes {
			if d.has(path+"."+k) && !slices.Contains(ways[way].goes, k) && !said[k] {
				said[k] = true
				d.wrong(path+"."+k, "goes with %s, and this server has %s", keysWith(k), ways[way].what)
			}
		}
	}
}

// keysWith names the keys that another one goes with.
func keysWith(k string) string {
	var keys []string
	for _, w := range ways {
		if slices.Contains(w.goes, k) {
			keys = append(keys, w.key)
		}
	}
	return strings.Join(keys, " or ")
}
