package vet

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxLock bounds the lockfile, in bytes.
const MaxLock = 32 << 20

// Lock is what was accepted: of each server's items the hashes of their fields. It is not changed while others read it.
type Lock struct {
	Accepted time.Time // when it was written
	servers  map[string]map[thing]entry
}

type thing struct{ kind, name string }

type entry struct {
	fields  map[string]string // name to hash
	flagged []string          // the rules that its texts met
}

// NewLock returns one in which nothing is accepted.
func NewLock() *Lock { return &Lock{servers: map[string]map[thing]entry{}} }

// Change is a field that is not as it was accepted. Old is empty for one that was not there, New for one that is gone.
type Change struct {
	Field    string
	Old, New string // hashes
	Raw      []byte // what the server shows now
}

// Has reports whether anything of a server was accepted.
func (l *Lock) Has(server string) bool { return l.servers[server] != nil }

// Knows reports whether an item was accepted, as it is or in another form.
func (l *Lock) Knows(server string, it Item) bool {
	_, ok := l.servers[server][thing{it.Kind, it.Name}]
	return ok
}

// Compare returns the fields of an item that are not as they were accepted. An item that is not known has all of them.
func (l *Lock) Compare(server string, it Item) []Change {
	old := l.servers[server][thing{it.Kind, it.Name}].fields
	var all []Change
	fields := Fields(it)
	for _, f := range fields {
		if old[f.Name] != f.Sum {
			all = append(all, Change{f.Name, old[f.Name], f.Sum, f.Raw})
		}
	}
	for name, sum := range old {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name }) {
			all = append(all, Change{Field: name, Old: sum})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Field, b.Field) })
	return all
}

// Alike reports whether an accepted item is, but for its name, what it is.
func (l *Lock) Alike(server string, accepted, it Item) bool {
	e, ok := l.servers[server][thing{accepted.Kind, accepted.Name}]
	fields := Fields(it)
	if !ok || accepted.Kind != it.Kind || len(fields) != len(e.fields) {
		return false
	}
	return !slices.ContainsFunc(fields, func(f Field) bool { return e.fields[f.Name] != f.Sum })
}

// Missing are the kinds and names of a server's items that were accepted and are not among items.
func (l *Lock) Missing(server string, items []Item) []Item {
	var gone []Item
	for _, th := range sortedThings(l.servers[server]) {
		if !slices.ContainsFunc(items, func(it Item) bool { return it.Kind == th.kind && it.Name == th.name }) {
			gone = append(gone, Item{Kind: th.kind, Name: th.name})
		}
	}
	return gone
}

// Accept makes items what is accepted of a server. Of two with one kind and name it is the first.
func (l *Lock) Accept(server string, items []Item) {
	l.servers[server] = map[thing]entry{}
	for _, it := range items {
		th := thing{it.Kind, it.Name}
		if _, twice := l.servers[server][th]; twice {
			continue
		}
		e := entry{fields: map[string]string{}}
		for _, f := range Fields(it) {
			e.fields[f.Name] = f.Sum
		}
		for _, f := range Scan(it, MaxText) {
			if !slices.Contains(e.flagged, f.Rule) {
				e.flagged = append(e.flagged, f.Rule)
			}
		}
		l.servers[server][th] = e
	}
}

// Keep leaves only servers that are named.
func (l *Lock) Keep(servers []string) {
	maps.DeleteFunc(l.servers, func(name string, _ map[thing]entry) bool { return !slices.Contains(servers, name) })
}

func sortedThings(m map[thing]entry) []thing {
	return slices.SortedFunc(maps.Keys(m), func(a, b thing) int {
		return cmp.Or(cmp.Compare(rank(a.kind), rank(b.kind)), strings.Compare(a.name, b.name))
	})
}

const lockHead = `# What MCP servers show to models, as it was accepted: the hash of every field. fairlead pin writes this file.
version 1
`

// Append appends the text of the lockfile, which is the same for the same content.
func (l *Lock) Append(dst []byte) []byte {
	dst = append(dst, lockHead...)
	dst = append(dst, "accepted "+l.Accepted.UTC().Format(time.RFC3339)+"\n"...)
	for _, server := range slices.Sorted(maps.Keys(l.servers)) {
		dst = append(dst, "\nserver "+word(server)+"\n"...)
		for _, th := range sortedThings(l.servers[server]) {
			e := l.servers[server][th]
			dst = append(dst, "  "+th.kind+" "+word(th.name)...)
			if len(e.flagged) > 0 {
				dst = append(dst, " flagged="+strings.Join(e.flagged, ",")...)
			}
			dst = append(dst, '\n')
			for _, f := range slices.Sorted(maps.Keys(e.fields)) {
				dst = append(dst, "    "+word(f)+" "+e.fields[f]+"\n"...)
			}
		}
	}
	return dst
}

// word is a name as it stands in the lockfile: in quotes when it is more than plain ASCII letters, digits and signs.
func word(s string) string {
	plain := s != "" && s[0] != '"' && s[0] != '#' && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	if plain {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// ReadLock reads the lockfile at path.
func ReadLock(path string) (*Lock, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxLock+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxLock {
		return nil, fmt.Errorf("%s: it is larger than %d MiB", path, MaxLock>>20)
	}
	l, err := ParseLock(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return l, nil
}

// ParseLock reads the text of a lockfile. The error begins with the line.
func ParseLock(data []byte) (*Lock, error) {
	p := parser{lock: NewLock()}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		p.line++
		if err := p.read(sc.Text()); err != nil {
			return nil, fmt.Errorf("%d: %w", p.line, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w", p.line+1, err)
	}
	if !p.version {
		return nil, fmt.Errorf("1: this is no lockfile: the line \"version 1\" is missing")
	}
	return p.lock, nil
}

// parser reads line by line.
type parser struct {
	lock    *Lock
	line    int
	version bool
	server  map[thing]entry
	fields  map[string]string
}

func (p *parser) read(text string) error {
	line := strings.TrimLeft(text, " ")
	if line == "" || line[0] == '#' {
		return nil
	}
	words, err := split(line)
	if err != nil {
		return err
	}
	switch depth := len(text) - len(line); {
	case depth == 0:
		return p.top(words)
	case depth == 2 && p.server != nil:
		return p.item(words)
	case depth == 4 && p.fields != nil && len(words) == 2:
		if _, twice := p.fields[words[0]]; twice {
			return fmt.Errorf("the field %q stands twice", words[0])
		}
		if sum, err := base64.RawStdEncoding.DecodeString(words[1]); err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("the hash of the field %q is none", words[0])
		}
		p.fields[words[0]] = words[1]
		return nil
	}
	return fmt.Errorf("the line is not understood")
}

func (p *parser) top(words []string) (err error) {
	switch {
	case len(words) != 2:
	case words[0] == "version" && words[1] == "1":
		p.version = true
		return nil
	case words[0] == "version":
		return fmt.Errorf("version %s of the lockfile is not known to this release", words[1])
	case words[0] == "accepted":
		p.lock.Accepted, err = time.Parse(time.RFC3339, words[1])
		return err
	case words[0] == "server":
		if p.lock.Has(words[1]) {
			return fmt.Errorf("the server %q stands twice", words[1])
		}
		p.server, p.fields = map[thing]entry{}, nil
		p.lock.servers[words[1]] = p.server
		return nil
	}
	return fmt.Errorf("the line is not understood")
}

func (p *parser) item(words []string) error {
	var e entry
	if len(words) == 3 {
		flagged, ok := strings.CutPrefix(words[2], "flagged=")
		if !ok || strings.ContainsFunc(flagged, func(r rune) bool { return r != '-' && r != ',' && (r < 'a' || r > 'z') }) {
			return fmt.Errorf("the line is not understood")
		}
		e.flagged = strings.Split(flagged, ",")
	} else if len(words) != 2 {
		return fmt.Errorf("the line is not understood")
	}
	th := thing{words[0], words[1]}
	if rank(th.kind) < 0 {
		return fmt.Errorf("there are no items of the kind %q", th.kind)
	}
	if _, twice := p.server[th]; twice {
		return fmt.Errorf("the %s %q stands twice", th.kind, th.name)
	}
	p.fields = map[string]string{}
	e.fields = p.fields
	p.server[th] = e
	return nil
}

// split takes a line apart at its blanks.
func split(line string) (words []string, err error) {
	for line != "" {
		w, rest, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("a quotation does not end")
			}
			if w, err = strconv.Unquote(quoted); err != nil {
				return nil, err
			}
			rest = strings.TrimPrefix(line[len(quoted):], " ")
		}
		words = append(words, w)
		line = rest
	}
	return words, nil
}
