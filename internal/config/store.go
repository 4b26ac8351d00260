package config

import (
	"net/url"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/fairlead/fairlead/internal/secret"
)

// storage is where a store is: the path of a file, which starts in the folder of the config, or postgres://…, which may hold a
// password. Messages never quote it.
type storage struct{ to *secret.String }

func (s storage) read(d *decoder, path string, n *yaml.Node) {
	text, ok := d.scalar(path, n, "a text", textTags)
	if !ok {
		return
	}
	if w := storePlace(text); w != "" {
		d.wrong(path, "%s", w)
		return
	}
	if schemeOf(text) == "" && !filepath.IsAbs(text) {
		text = filepath.Join(d.folder, text)
	}
	*s.to = secret.New(text)
}

func (storage) schema() map[string]any { return map[string]any{"type": "string"} }

func storePlace(s string) string {
	switch scheme := schemeOf(s); {
	case s == "":
		return "must not be empty; to keep everything in memory, leave it out"
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "must be one line without control characters"
	case s == ":memory:":
		return "must be the path of a file; to keep everything in memory, leave it out"
	case scheme == "postgres" || scheme == "postgresql":
		return postgresURL(s)
	case scheme != "":
		return "must be the path of a file, or a URL that begins with postgres://"
	case strings.HasSuffix(s, "/"):
		return "must be the path of a file, not of a folder"
	}
	return ""
}

func postgresURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "" && u.Query().Get("host") == "":
		return "must be postgres://user:password@host:port/database, with special characters as %XX; the value, which is not shown, is no such URL"
	case u.Fragment != "":
		return "must be without a fragment: a # in a password is written %23"
	}
	return ""
}

// schemeOf returns what stands before the first colon, if it looks like the scheme of a URL.
func schemeOf(s string) string {
	scheme, _, found := strings.Cut(s, ":")
	if !found || len(scheme) < 2 || strings.ContainsFunc(scheme, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		return ""
	}
	return scheme
}
