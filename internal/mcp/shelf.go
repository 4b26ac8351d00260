package mcp

import (
	"encoding/binary"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// shelf is what all visits with the same permissions see. It does not change.
type shelf struct {
	tools []byte // a JSON array, in one line
	table map[string]*shelved
	order []*shelved
	own   ownSet

	once  sync.Once
	older []byte // see OlderTools
}

// shelved is one tool of a shelf.
type shelved struct {
	pick int
	name string
	tool *listed
	from foundable
}

// shelves remembers the shelves of the permission sets that are in use.
type shelves struct {
	mu   sync.Mutex
	by   map[string]*shelf
	size int // bytes of their lists
}

// maxShelves bounds the bytes of the lists that are remembered.
const maxShelves = 32 << 20

// What stands before the bits of a server's tools in the key of a shelf.
const (
	wholeServer = iota // and there are none
	pieceOfServer
)

// appendShown appends which tools of a list are shown.
func (sel *Selection) appendShown(key []byte, s *Server, l *list) []byte {
	if sel.Whole != nil && !s.External && sel.Whole(s.Name) {
		return append(key, wholeServer)
	}
	key = append(key, pieceOfServer)
	var bits byte
	for j := range l.tools {
		bits <<= 1
		if sel.shows(s, &l.tools[j]) {
			bits |= 1
		}
		if j%8 == 7 || j == len(l.tools)-1 {
			key = append(key, bits)
			bits = 0
		}
	}
	return key
}

// shelve returns the shelf for what sel lets through of lists: of two selections that see the same, it is the same one. bare
// leaves the names as they are.
func (c *Catalogue) shelve(sel *Selection, picks []*pick, lists []listing, bare bool) *shelf {
	key := make([]byte, 0, 256)
	if bare {
		key = append(key, 1)
	}
	if sel.Spill > 0 {
		key = append(key, 3)
	}
	if sel.Search {
		key = append(key, 2)
		for _, k := range picks { // its description names them
			key = append(append(key, k.pool.server.Name...), 0)
		}
	}
	verdicts := len(key)
	for i, k := range picks {
		l := lists[i].list
		if l == nil {
			key = binary.BigEndian.AppendUint64(key, 0)
			continue
		}
		key = sel.appendShown(binary.BigEndian.AppendUint64(key, l.serial), &k.pool.server, l)
	}
	s := &c.shelves
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.by[string(key)]; known != nil {
		return known
	}
	made := newShelf(sel, picks, lists, shelfKey{bare: bare, verdicts: key[verdicts:]})
	if s.size += len(made.tools) + len(key); s.by == nil || s.size > maxShelves {
		s.by, s.size = map[string]*shelf{}, len(made.tools)+len(key)
	}
	s.by[string(key)] = made
	return made
}

// nameKeys are the members of a tool that are written anew.
var nameKeys = jsonedit.NewKeys("name")

// shelfKey is what a shelf is made by: what is on it follows from its key alone, whatever the rules have come to since.
type shelfKey struct {
	bare     bool
	verdicts []byte // as shelve and appendShown write them
}

// server takes what the key says of the next server, and returns whether a tool of its list is shown.
func (k *shelfKey) server(s *Server, l *list) (shown func(j int) bool) {
	k.verdicts = k.verdicts[8:]
	if l == nil {
		return nil
	}
	kind := k.verdicts[0]
	if k.verdicts = k.verdicts[1:]; kind == wholeServer {
		return func(j int) bool { return s.offers(l.tools[j].Name) }
	}
	n := len(l.tools)
	bits := k.verdicts[:(n+7)/8]
	k.verdicts = k.verdicts[len(bits):]
	return func(j int) bool {
		last := min(j|7, n-1) // the bits of a byte end with that of the last tool in it
		return bits[j/8]>>(last-j)&1 == 1
	}
}

func newShelf(sel *Selection, picks []*pick, lists []listing, key shelfKey) *shelf {
	s := &shelf{tools: []byte{'['}, table: map[string]*shelved{}}
	taken, own := names{}, ownersOf(picks)
	for i, k := range picks {
		shown := key.server(&k.pool.server, lists[i].list)
		if shown == nil {
			continue
		}
		for j := range lists[i].list.tools {
			t := &lists[i].list.tools[j]
			if !shown(j) {
				continue
			}
			name := t.Name
			if !key.bare {
				name = taken.take(own.name(&k.pool.server, t.Name, t.offered))
			}
			s.add(name, t, i)
			if made := s.table[name]; made != nil {
				made.from = foundable{place{lists[i].list.serial, j}, k.pool.server.Name, t}
			}
		}
	}
	s.ownTools(sel, picks)
	s.tools = append(s.tools, ']')
	return s
}

// ownTools puts the gateway's own tools on the shelf. With a search, those of the servers are not told of.
func (s *shelf) ownTools(sel *Selection, picks []*pick) {
	if !sel.Search && sel.Spill <= 0 {
		return
	}
	taken := make(names, len(s.table))
	for name := range s.table {
		taken[name] = true
	}
	s.own = newOwnSet(sel, picks, taken)
	if sel.Search {
		s.tools = []byte{'['}
	}
	s.tools = s.own.appendJSON(s.tools)
}

// add puts one tool on the shelf. Of two tools with one name of one server, the first counts.
func (s *shelf) add(name string, t *listed, pick int) {
	if s.table[name] != nil {
		return
	}
	raw := t.Raw
	o, err := jsonedit.Scan(raw, nameKeys)
	if err != nil {
		return // nobody could say which name it has
	}
	if len(s.tools) > 1 {
		s.tools = append(s.tools, ',')
	}
	if name != t.Name {
		raw = jsonedit.Apply(nil, raw, o.Set(nil, raw, "name", jsonedit.AppendQuote(nil, name)))
	}
	s.tools = jsonedit.Compact(s.tools, raw)
	s.table[name] = &shelved{pick: pick, name: name, tool: t}
	s.order = append(s.order, s.table[name])
}
