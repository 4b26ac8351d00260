package config

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// lockPath is the path of the lockfile, which starts in the folder of the config.
type lockPath struct{ to *string }

func (l lockPath) read(d *decoder, path string, n *yaml.Node) {
	text, ok := d.scalar(path, n, "a text", textTags)
	if !ok {
		return
	}
	switch {
	case text == "":
		d.wrong(path, "must not be empty; to show everything, leave it out")
		return
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.wrong(path, "must be one line without control characters")
		return
	case strings.HasSuffix(text, "/"):
		d.wrong(path, "must be the path of a file, not of a folder")
		return
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(d.folder, text)
	}
	*l.to = text
}

func (lockPath) schema() map[string]any { return map[string]any{"type": "string"} }

// PinnedKinds are the values of a server's pinned.
func PinnedKinds() []string {
	return []string{"tools", "prompts", "resources", "templates", "instructions"}
}

// Pins reports whether the lockfile holds a kind of what the server shows.
func (s *Server) Pins(kind string) bool { return s.Pinned == nil || slices.Contains(s.Pinned, kind) }
