package jsonedit

import (
	"bytes"
	"math"
	"strings"
)

// maxKeys is how many policy keys a [Keys] can hold.
const maxKeys = 32

// Keys are the policy keys of a format: the names that a document may hold only once, unescaped and in this letter case,
// because the gateway acts on their values and an upstream must not read other values than the gateway did.
// A Keys does not change once made and may be shared.
type Keys struct {
	names []string
	adds  [][]byte  // `,"name":` for each name
	table [64]uint8 // by hash, 1 + the first name of a chain; 0 for none
	chain [maxKeys]uint8
}

// NewKeys returns the set of the given names. Names are programmers' constants: at most 32 of them, each of ASCII letters,
// digits, '_', '-' or '.', and no two of them equal in another letter case; NewKeys panics otherwise.
func NewKeys(names ...string) *Keys {
	if len(names) > maxKeys {
		panic("jsonedit: too many policy keys")
	}
	k := &Keys{names: names}
	for n, name := range names {
		if !keyName(name) {
			panic("jsonedit: malformed policy key " + name)
		}
		for _, other := range names[:n] {
			if strings.EqualFold(other, name) {
				panic("jsonedit: policy key " + name + " given twice")
			}
		}
		k.adds = append(k.adds, []byte(`,"`+name+`":`))
		h := &k.table[hash(k.adds[n][2:2+len(name)])]
		k.chain[n], *h = *h, uint8(n+1)
	}
	return k
}

func keyName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c-'0' > 9 && (c|0x20)-'a' > 25 && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// hash is the same for all ASCII letter cases of a key.
func hash[T string | []byte](key T) int {
	n := len(key)
	return (n*7 + int(key[0]|0x20)*5 + int(key[n-1]|0x20)) & 63
}

// index returns the place of a name, or -1.
func (k *Keys) index(name string) int {
	if name == "" {
		return -1
	}
	for at := k.table[hash(name)]; at != 0; at = k.chain[at-1] {
		if k.names[at-1] == name {
			return int(at - 1)
		}
	}
	return -1
}

// find returns the place of the name that the raw text of a key stands for, or -1, and whether the key is written
// exactly as the name is.
func (k *Keys) find(raw []byte, plain bool) (n int, exact bool) {
	if !plain {
		return k.findSlow(raw), false
	}
	if len(raw) == 0 {
		return -1, false
	}
	for at := k.table[hash(raw)]; at != 0; at = k.chain[at-1] {
		switch name := k.names[at-1]; {
		case len(name) != len(raw):
		case name == string(raw):
			return int(at - 1), true
		case strings.EqualFold(name, string(raw)):
			return int(at - 1), false
		}
	}
	return -1, false
}

// findSlow is find for a key with escapes or letters beyond ASCII, some of which fold to ASCII ones: U+017F to s, U+212A to k.
func (k *Keys) findSlow(raw []byte) int {
	var room [64]byte
	text, _ := appendUnescaped(room[:0], raw)
	for n, name := range k.names {
		if bytes.EqualFold(text, k.adds[n][2:2+len(name)]) {
			return n
		}
	}
	return -1
}

// An Object is what one [Scan] found in a document: the places of its policy keys and of its braces. It holds no bytes of the
// document, so the methods that need them are given the same document again. It is a value and may be copied;
// its methods do not change it. The zero Object has no members and no keys.
type Object struct {
	keys       *Keys
	open, shut int
	first      int // the first member's key, or shut
	at         [maxKeys]place
}

// place is where a policy key stands; the zero place stands for an absent key.
type place struct{ key, value, end uint32 }

// Scan checks that doc is exactly one JSON object and finds the values of the policy keys in it. It accepts what a strict
// RFC 8259 and RFC 7493 reader accepts: valid UTF-8, whole surrogate pairs, no byte order mark, nothing but white space around
// the object. Two things differ: keys that are no policy keys may repeat, also in nested objects, and nesting ends at [MaxDepth].
// The error is a [*SyntaxError] or an [*AmbiguousError], whichever fault comes first. Nothing is allocated on success.
func Scan(doc []byte, keys *Keys) (Object, error) {
	o := Object{keys: keys}
	if int64(len(doc)) > math.MaxUint32 {
		return Object{}, &SyntaxError{0, "the document is too large"}
	}
	i := space(doc, 0)
	if i >= len(doc) {
		return Object{}, &SyntaxError{i, msgEnd}
	}
	if doc[i] != '{' {
		return Object{}, &SyntaxError{i, "a JSON object was expected"}
	}
	o.open = i
	i = space(doc, i+1)
	o.first = i
	if i >= len(doc) || doc[i] != '}' {
		var err error
		if i, err = o.members(doc, i); err != nil {
			return Object{}, err
		}
	}
	o.shut = i
	if i = space(doc, i+1); i < len(doc) {
		return Object{}, &SyntaxError{i, msgTrail}
	}
	return o, nil
}

// members reads the members of the document from i on and returns the offset of the closing brace.
func (o *Object) members(doc []byte, i int) (int, error) {
	for {
		n, val, err := o.name(doc, i)
		if err != nil {
			return 0, err
		}
		end, msg := value(doc, val, 1)
		if msg != "" {
			return 0, &SyntaxError{end, msg}
		}
		if n >= 0 {
			o.at[n] = place{uint32(i), uint32(val), uint32(end)}
		}
		if i = space(doc, end); i >= len(doc) {
			return 0, &SyntaxError{len(doc), msgEnd}
		}
		switch doc[i] {
		case '}':
			return i, nil
		case ',':
			i = space(doc, i+1)
		case ']':
			return 0, &SyntaxError{i, msgBracket}
		default:
			return 0, &SyntaxError{i, msgNext}
		}
	}
}

// name reads the key that starts at i. It returns which policy key that is, or -1, and the offset of the value.
func (o *Object) name(doc []byte, i int) (n, val int, err error) {
	if i >= len(doc) {
		return 0, 0, &SyntaxError{len(doc), msgEnd}
	}
	if doc[i] != '"' {
		return 0, 0, &SyntaxError{i, msgKey}
	}
	end, plain, msg := str(doc, i+1)
	if msg != "" {
		return 0, 0, &SyntaxError{end, msg}
	}
	n, exact := o.keys.find(doc[i+1:end-1], plain)
	if n >= 0 && (!exact || o.at[n].end > 0) {
		return 0, 0, ambiguous(o.keys.names[n], i, exact)
	}
	if val, msg = colon(doc, end); msg != "" {
		return 0, 0, &SyntaxError{val, msg}
	}
	return n, val, nil
}

func ambiguous(name string, at int, exact bool) error {
	if exact {
		return &AmbiguousError{name, at, "the key \"" + name + "\" occurs twice"}
	}
	return &AmbiguousError{name, at, "the key \"" + name + "\" is written with an escape or in another letter case"}
}

// Value returns the place of the value of a policy key, or the zero Span if the document does not have it
// or the name is not among the scan's [Keys].
func (o *Object) Value(key string) Span {
	if o.keys == nil {
		return Span{}
	}
	n := o.keys.index(key)
	if n < 0 || o.at[n].end == 0 {
		return Span{}
	}
	return Span{int(o.at[n].value), int(o.at[n].end)}
}

// Member returns the place of the whole member of a policy key, from the key's opening quote to the end of its value,
// or the zero Span as [Object.Value] does.
func (o *Object) Member(key string) Span {
	s := o.Value(key)
	if s.Found() {
		s.Start = int(o.at[o.keys.index(key)].key)
	}
	return s
}

// Start returns the offset of the opening brace.
func (o *Object) Start() int { return o.open }

// End returns the offset of the closing brace.
func (o *Object) End() int { return o.shut }

// Empty reports whether the object has no members at all.
func (o *Object) Empty() bool { return o.first == o.shut }
