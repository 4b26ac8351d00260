package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	maxSecretFile = 64 << 10 // one ${file:…}
	maxExpanded   = 8 << 20  // all values of a file, expanded
)

// expand replaces ${NAME} and ${file:path} in s, and $$ by one $. What comes in is not expanded again. It reports false
// after a mistake; the message names the variable or the file, never what it holds.
func (d *decoder) expand(path, s string) (string, bool) {
	if !strings.Contains(s, "$") {
		return s, true
	}
	d.raws[path] = s
	var b strings.Builder
	ok := true
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{"):
			name, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				d.wrong(path, "${ has no closing }; a plain $ before { is written $$")
				return "", false
			}
			text, found := d.lookup(path, name)
			b.WriteString(text)
			ok, s = ok && found, after
		default:
			b.WriteByte('$')
			s = rest
		}
	}
	if d.expanded += b.Len(); d.expanded > maxExpanded {
		d.wrong(path, "the values of this file come to more than 8 MiB when they are expanded")
		return "", false
	}
	return b.String(), ok
}

// lookup returns what ${name} stands for.
func (d *decoder) lookup(path, name string) (string, bool) {
	if file, ok := strings.CutPrefix(name, "file:"); ok {
		return d.readSecret(path, file)
	}
	if !isVariable(name) {
		d.wrong(path, "what stands in ${…} is no name of a variable: write ${NAME} with letters, digits and _, or ${file:/path}; a plain $ before { is written $$")
		return "", false
	}
	v := d.o.Getenv(name)
	if v == "" {
		d.wrong(path, "the environment variable %s is not set, or is empty", name)
	}
	return v, v != ""
}

// readSecret returns the file's text without the newlines at its end.
func (d *decoder) readSecret(path, file string) (string, bool) {
	if file == "" {
		d.wrong(path, "${file:} names no file; write ${file:/path}")
		return "", false
	}
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(d.folder, full)
	}
	if text, ok := d.files[full]; ok {
		return text, true
	}
	data, err := d.o.ReadFile(full)
	switch {
	case err != nil:
		d.wrong(path, "the file %s cannot be read: %s", clip(file), why(err))
	case len(data) > maxSecretFile:
		d.wrong(path, "the file %s is larger than 64 KiB", clip(file))
	case !utf8.Valid(data):
		d.wrong(path, "the file %s is not UTF-8 text", clip(file))
	default:
		d.files[full] = strings.TrimRight(string(data), "\r\n")
		return d.files[full], true
	}
	return "", false
}

// why is the reason of a file error without the path, which the message has already.
func why(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func isVariable(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// clip shortens what a message quotes, and takes control characters out.
func clip(s string) string {
	const most = 60
	out := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if r := []rune(out); len(r) > most {
		return string(r[:most]) + "…"
	}
	return out
}
