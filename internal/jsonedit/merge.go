package jsonedit

import (
	"bytes"
	"math"
	"strconv"
)

// mergeDepth bounds the recursion of the functions of this file. What is nested deeper is taken whole from the later value.
const mergeDepth = 64

// AddNumbers appends to dst the sum of two usage objects. Objects are joined by key, in the order of a and then of what only b has,
// and their members are added in turn; whole numbers are added exactly while they fit into 64 bits, others as float64. Of anything else b counts,
// unless it is null or absent. Nothing is appended if both are absent.
func AddNumbers(dst, a, b []byte) []byte { return add(dst, a, b, mergeDepth) }

func add(dst, a, b []byte, depth int) []byte {
	a, b = trim(a), trim(b)
	ka, kb := Kind(a), Kind(b)
	switch {
	case IsNull(b) && len(a) > 0:
		return append(dst, a...)
	case ka == '{' && kb == '{' && depth > 0:
		return joinObjects(dst, a, b, func(dst, _, va, vb []byte) []byte { return add(dst, va, vb, depth-1) })
	case ka == '0' && kb == '0':
		return addNumbers(dst, a, b)
	}
	return append(dst, b...)
}

func addNumbers(dst, a, b []byte) []byte {
	x, okx := Int(a)
	y, oky := Int(b)
	if sum := x + y; okx && oky && (sum > x) == (y > 0) {
		return strconv.AppendInt(dst, sum, 10)
	}
	f, errf := strconv.ParseFloat(string(a), 64)
	g, errg := strconv.ParseFloat(string(b), 64)
	if errf != nil || errg != nil || math.IsInf(f+g, 0) {
		return append(dst, b...)
	}
	return strconv.AppendFloat(dst, f+g, 'g', -1, 64)
}

// joinObjects appends an object with the members of a and of b; join writes the value of a key that both have.
func joinObjects(dst, a, b []byte, join func(dst, key, va, vb []byte) []byte) []byte {
	dst = append(dst, '{')
	n := 0
	name := func(key []byte) {
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, key...)
		dst = append(dst, '"', ':')
	}
	inA, inB := indexOf(a), indexOf(b)
	for key, va := range Members(a) {
		name(key)
		if vb := inB.find(key); vb != nil {
			dst = join(dst, key, va, vb)
		} else {
			dst = append(dst, va...)
		}
	}
	for key, vb := range Members(b) {
		if inA.find(key) == nil {
			name(key)
			dst = append(dst, vb...)
		}
	}
	return append(dst, '}')
}

// An index finds the members of an object by the raw text of their keys: both objects come from one peer, which writes a key in one way.
// Large objects get a map, so that joining them takes no quadratic time.
type index struct {
	obj  []byte
	more map[string][]byte
}

func indexOf(obj []byte) index {
	x := index{obj: obj}
	if len(obj) > 4<<10 {
		x.more = make(map[string][]byte)
		for k, v := range Members(obj) {
			if _, ok := x.more[string(k)]; !ok {
				x.more[string(k)] = v
			}
		}
	}
	return x
}

// find returns the value of the first member with this key, or nil.
func (x *index) find(key []byte) []byte {
	if x.more != nil {
		return x.more[string(key)]
	}
	for k, v := range Members(x.obj) {
		if bytes.Equal(k, key) {
			return v
		}
	}
	return nil
}

// MergeDelta appends to dst what two streamed pieces a and b of one value come to. Strings are put one behind the other, objects are joined by
// key, and of other values the later one counts; null and nothing yield to the other piece. In arrays, an object with a whole number
// "index" is joined with the one of the same index, and all else is put behind. Members that name a thing instead of carrying a part of it
// (type, id, index, format, name, signature) are not put together: the later one counts, unless it is null or an empty string.
func MergeDelta(dst, a, b []byte) []byte { return merge(dst, a, b, mergeDepth) }

func merge(dst, a, b []byte, depth int) []byte {
	a, b = trim(a), trim(b)
	ka, kb := Kind(a), Kind(b)
	switch {
	case IsNull(b) && len(a) > 0:
		return append(dst, a...)
	case ka != kb || depth == 0:
	case ka == '"' && skipString(a, 1) == len(a) && skipString(b, 1) == len(b):
		dst = append(dst, a[:len(a)-1]...)
		return append(dst, b[1:]...)
	case ka == '{':
		return joinObjects(dst, a, b, func(dst, key, va, vb []byte) []byte {
			if !whole(key) {
				return merge(dst, va, vb, depth-1)
			}
			if IsNull(vb) || string(trim(vb)) == `""` {
				return append(dst, va...)
			}
			return append(dst, vb...)
		})
	case ka == '[':
		return mergeArrays(dst, a, b, depth)
	}
	return append(dst, b...)
}

// whole reports whether a member of this name comes whole in each piece.
func whole(key []byte) bool {
	switch string(key) {
	case "type", "id", "index", "format", "name", "signature":
		return true
	}
	return false
}

func mergeArrays(dst, a, b []byte, depth int) []byte {
	var list [][]byte
	place := make(map[int64]int) // by index, the place of the first such element in list
	put := func(v []byte) {
		n, ok := Int(Get(v, "index"))
		at, known := place[n]
		switch {
		case ok && known:
			list[at] = merge(nil, list[at], v, depth-1)
			return
		case ok:
			place[n] = len(list)
		}
		list = append(list, v)
	}
	for v := range Elements(a) {
		put(v)
	}
	for v := range Elements(b) {
		put(v)
	}
	dst = append(dst, '[')
	dst = append(dst, bytes.Join(list, []byte{','})...)
	return append(dst, ']')
}

// Compact appends v to dst without white space between its tokens. Strings and numbers stay as they are.
func Compact(dst, v []byte) []byte {
	for i := 0; i < len(v); {
		switch c := v[i]; c {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end := skipString(v, i+1)
			if end < 0 {
				end = len(v)
			}
			dst = append(dst, v[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
