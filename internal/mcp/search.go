package mcp

import (
	"encoding/binary"
	"strconv"
	"sync"

	"github.com/fairlead/fairlead/internal/bm25"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// How many tools a search has.
const (
	usualHits = 5
	mostHits  = 20
)

// maxDepth bounds how deep a schema is searched for words.
const maxDepth = 4

// place says which of all tools that were ever listed one is.
type place struct {
	serial uint64 // of its list
	n      int    // there
}

// indexes remembers what was made for searches.
type indexes struct {
	mu   sync.Mutex
	by   map[string]*bm25.Index
	size int
}

// maxIndexes bounds the bytes of the indexes that are remembered.
const maxIndexes = 32 << 20

// foundable is one tool that a search may find.
type foundable struct {
	at     place
	server string
	tool   *listed
}

// index returns the index of some tools: of the same tools, it is the same one.
func (c *Catalogue) index(tools []foundable) *bm25.Index {
	key := make([]byte, 0, 12*len(tools))
	for _, t := range tools {
		key = binary.AppendUvarint(binary.BigEndian.AppendUint64(key, t.at.serial), uint64(t.at.n)) //nolint:gosec // a place in a list
	}
	x := &c.indexes
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.by[string(key)]; known != nil {
		return known
	}
	texts := make([][]bm25.Field, len(tools))
	for i, t := range tools {
		texts[i] = words(t.server, t.tool)
	}
	made := bm25.New(texts)
	size := made.Size() + len(key)
	if x.size += size; x.by == nil || x.size > maxIndexes {
		x.by, x.size = map[string]*bm25.Index{}, size
	}
	x.by[string(key)] = made
	return made
}

// words are those by which a tool is found: of its name, its title, its server's name, its description and its arguments.
func words(server string, t *listed) []bm25.Field {
	title, _ := jsonedit.Unquote(jsonedit.Get(t.Raw, "title"))
	return []bm25.Field{
		{Text: t.Name, Weight: 3},
		{Text: title, Weight: 2},
		{Text: server, Weight: 1},
		{Text: t.Description, Weight: 1},
		{Text: string(schemaWords(nil, t.raw, maxDepth)), Weight: 1},
	}
}

// schemaWords appends the names and descriptions of a schema's properties.
func schemaWords(dst, schema []byte, depth int) []byte {
	if depth == 0 {
		return dst
	}
	for key, prop := range jsonedit.Members(jsonedit.Get(schema, "properties")) {
		dst = append(append(dst, key...), ' ')
		if text, ok := jsonedit.Unquote(jsonedit.Get(prop, "description")); ok {
			dst = append(append(dst, text...), ' ')
		}
		dst = schemaWords(dst, prop, depth-1)
		dst = schemaWords(dst, jsonedit.Get(prop, "items"), depth-1)
	}
	return dst
}

// wanted is what a search asks for.
type wanted struct {
	query string
	limit int
}

var searchKeys = jsonedit.NewKeys("query", "limit")

// readSearch reads the arguments of search_tools. why says what is wrong with them; "" if nothing is.
func readSearch(args []byte) (w wanted, why string) {
	o, err := jsonedit.Scan(args, searchKeys)
	if err != nil {
		return w, "the arguments cannot be read in one way only"
	}
	var ok bool
	if w.query, ok = jsonedit.Unquote(o.Value("query").Of(args)); !ok {
		return w, "the arguments have no text query, which says what is looked for"
	}
	w.limit = usualHits
	if v := o.Value("limit").Of(args); !jsonedit.IsNull(v) {
		n, ok := jsonedit.Int(v)
		if !ok {
			return w, "limit is not a whole number"
		}
		w.limit = int(min(max(n, 1), mostHits))
	}
	return w, ""
}

// hit is a tool that a search has found, as it is shown.
type hit struct {
	name, description string
	schema            []byte
}

// hits writes what a search has found, the best first, and within a size: what does not fit is left out and counted. of counts
// all tools.
func (w wanted) hits(found []hit, of, limit int) string {
	if len(found) == 0 {
		return "No tool has these words. There are " + strconv.Itoa(of) + " tools: search with other words, fewer or more general ones."
	}
	out := []byte(`{"tools":[`)
	n := 0
	for _, h := range found {
		item := jsonedit.AppendQuote([]byte(`{"name":`), h.name)
		if h.description != "" {
			item = jsonedit.AppendQuote(append(item, `,"description":`...), h.description)
		}
		item = append(append(append(item, `,"inputSchema":`...), h.schema...), '}')
		if n > 0 && len(out)+len(item) > limit-32 {
			break
		}
		if n++; n > 1 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	out = append(out, ']')
	if n < len(found) {
		out = strconv.AppendInt(append(out, `,"left_out":`...), int64(len(found)-n), 10)
	}
	return cut(string(append(out, '}')), limit)
}

// find returns which of some tools a search means, the best first: for no words the first ones.
func (c *Catalogue) find(w wanted, tools []foundable) []int {
	for range bm25.Words(w.query) {
		return c.index(tools).Search(w.query)
	}
	all := make([]int, len(tools))
	for i := range all {
		all[i] = i
	}
	return all
}

// search runs search_tools. see says how the tool with a number is shown; it reports false for one that may not be seen any
// more.
func (c *Catalogue) search(args []byte, tools []foundable, see func(i int) (hit, bool)) (text string, isError bool) {
	w, why := readSearch(args)
	if why != "" {
		return "Error: " + why, true
	}
	var hits []hit
	for _, i := range c.find(w, tools) {
		if len(hits) == w.limit {
			break
		}
		if h, ok := see(i); ok {
			hits = append(hits, h)
		}
	}
	return w.hits(hits, len(tools), int(c.resultBytes.Load())), false
}
