package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mistake is one thing that is wrong with a file.
type Mistake struct {
	File    string
	Line    int    // from 1
	Column  int    // from 1, in characters
	Path    string // the key, such as models[0].api_key; empty when it is about the whole file
	Message string // what is wrong and what is allowed; never an expanded value
}

// String is FILE:line:col: path: message.
func (m Mistake) String() string {
	s := fmt.Sprintf("%s:%d:%d: ", m.File, m.Line, m.Column)
	if m.Path != "" {
		s += m.Path + ": "
	}
	return s + m.Message
}

// Mistakes is the error of Load and Parse for a file that was read: everything that is wrong with it, in its order.
type Mistakes struct{ List []Mistake }

// Error is one line for each mistake.
func (m *Mistakes) Error() string {
	lines := make([]string, len(m.List))
	for i, x := range m.List {
		lines[i] = x.String()
	}
	return strings.Join(lines, "\n")
}

const maxMistakes = 500

// mark is a position in the file.
type mark struct{ line, column int }

// add notes a mistake at a position.
func (d *decoder) add(at mark, path, format string, args ...any) {
	if len(d.mistakes) >= maxMistakes {
		return
	}
	d.mistakes = append(d.mistakes, Mistake{d.file, max(at.line, 1), max(at.column, 1), path, fmt.Sprintf(format, args...)})
	if len(d.mistakes) == maxMistakes {
		d.mistakes = append(d.mistakes, Mistake{d.file, max(at.line, 1), max(at.column, 1), "", "there are more mistakes; they are not listed"})
	}
}

// wrong notes a mistake about the value at path, or, where the file has none, about the nearest value around it.
func (d *decoder) wrong(path, format string, args ...any) {
	d.bad[path] = true
	at, ok := d.marks[path]
	for around := path; !ok && around != ""; at, ok = d.marks[around] {
		around = around[:max(strings.LastIndexAny(around, ".["), 0)]
	}
	d.add(at, path, format, args...)
}

// has reports whether the file gives the value at path.
func (d *decoder) has(path string) bool { _, ok := d.marks[path]; return ok }

// quote returns the text at path for a message: as the file has it, when variables were expanded in it.
func (d *decoder) quote(path, s string) string {
	if raw, ok := d.raws[path]; ok {
		s = raw
	}
	return strconv.Quote(clip(s))
}

// err returns the mistakes as an error, sorted by position.
func (d *decoder) err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(d.mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Mistakes{slices.Compact(d.mistakes)}
}
