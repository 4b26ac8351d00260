package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Options are what Load and Parse need from around them. The zero value reads the process's environment and the file
// system, and takes any provider.
type Options struct {
	Getenv   func(name string) string          // for ${NAME}; an empty value is a missing one
	ReadFile func(path string) ([]byte, error) // for ${file:path}

	// KnownProvider says whether a provider exists, and whether a model on it must have an api_key (asked only when it
	// has no base_url) or a base_url. Nil takes any name.
	KnownProvider func(name string) (known, needsKey, needsBaseURL bool)
	ProviderNames []string // for messages
	// CheckRule says what is wrong with the expression of a rule. Nil takes any.
	CheckRule func(expr string) []ExprMistake
	// ProviderWires are the wires that a provider can be spoken to in. Nil takes any.
	ProviderWires func(name string) []string
}

const maxFile = 1 << 20

// Load reads and checks the file at path. A file that cannot be read is an error that wraps the system's; everything
// that is wrong in it comes as *Mistakes.
func Load(path string, o Options) (*Config, error) {
	data, err := readBounded(path, maxFile+1)
	if err != nil {
		return nil, fmt.Errorf("cannot read the config: %w", err)
	}
	return Parse(path, data, o)
}

// Parse checks data. The name stands in messages, and paths in ${file:…} are relative to its folder.
func Parse(name string, data []byte, o Options) (*Config, error) {
	d := newDecoder(name, o)
	d.data = data
	c := Default()
	if root := d.tree(data); root != nil {
		d.value("", root, group{configFields(c)})
		d.check(c)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func newDecoder(name string, o Options) *decoder {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.ReadFile == nil {
		o.ReadFile = func(path string) ([]byte, error) { return readBounded(path, maxSecretFile+1) }
	}
	return &decoder{file: name, folder: filepath.Dir(name), o: o, marks: map[string]mark{}, bad: map[string]bool{}, raws: map[string]string{}, files: map[string]string{}}
}

// tree parses data into YAML's nodes. It returns nil for an empty document, and after a mistake.
func (d *decoder) tree(data []byte) *yaml.Node {
	if len(data) > maxFile {
		d.add(mark{}, "", "the file is larger than 1 MiB")
		return nil
	}
	if at, ok := firstBadUTF8(data); ok {
		d.add(at, "", "the file is not UTF-8 text")
		return nil
	}
	l, err := yaml.NewLoader(strings.NewReader(string(data)))
	if err != nil {
		d.add(mark{}, "", "%v", err)
		return nil
	}
	var doc, second yaml.Node
	if err := l.Load(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		d.syntax(data, err)
		return nil
	}
	if err := l.Load(&second); err == nil {
		d.add(mark{second.Line, second.Column}, "", "a second document begins here; the config is one document")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(data, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil
	}
	if n := doc.Content[0]; n.Kind != yaml.ScalarNode || n.Tag != "!!null" {
		return n
	}
	return nil
}

// syntax notes what the YAML parser says.
func (d *decoder) syntax(data []byte, err error) {
	var le *yaml.LoadError
	if all := (*yaml.LoadErrors)(nil); errors.As(err, &all) && len(all.Errors) > 0 {
		le = all.Errors[0]
	} else if !errors.As(err, &le) {
		d.add(mark{}, "", "not YAML")
		return
	}
	at := mark{le.Mark.Line, le.Mark.Column}
	msg := "not YAML: " + le.Message
	if le.ContextMsg != "" {
		msg += " (" + le.ContextMsg + ")"
	}
	if line := lineOf(data, at.line); strings.ContainsAny(line, "{[") && strings.Contains(line, "${") {
		msg += `; inside […] and {…} a value with ${…} stands in quotes: "${NAME}"`
	} else if strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
		msg += "; YAML is indented with spaces, not with tabs"
	}
	d.add(at, "", "%s", msg)
}

func lineOf(data []byte, line int) string {
	n := 0
	for s := range strings.Lines(string(data)) {
		if n++; n == line {
			return s
		}
	}
	return ""
}

func firstBadUTF8(data []byte) (mark, bool) {
	at := mark{1, 1}
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n <= 1:
			return at, true
		case r == '\n':
			at.line, at.column = at.line+1, 1
		default:
			at.column++
		}
		data = data[n:]
	}
	return mark{}, false
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}
