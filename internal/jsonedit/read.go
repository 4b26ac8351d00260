package jsonedit

import (
	"iter"
	"math/bits"
)

// The functions of this file read text that is known to be JSON, or that nobody acts on if it is not. They check only what they
// need to find their way, so that a provider's half surrogate pair or broken UTF-8 does not hide the rest of its reply.

// skip returns the offset behind the value that starts at i, or -1 if the text ends first.
func skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		return skipNested(b, i)
	}
	start := i
	for i < len(b) && !ends(b[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// ends reports whether c ends a number or a literal.
func ends(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\r', '\t', ':', '"', '{', '[':
		return true
	}
	return false
}

func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i+1); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// skipString returns the offset behind the string whose opening quote is before i, or -1.
func skipString(b []byte, i int) int {
	for {
		for i >= 0 && i < len(b)-7 {
			w := word(b, i)
			q, s := w^(ones*'"'), w^(ones*'\\')
			if m := ((q-ones)&^q | (s-ones)&^s) & highs; m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		switch {
		case i >= len(b):
			return -1
		case b[i] == '"':
			return i + 1
		}
		if i += 2; i > len(b) {
			return -1
		}
	}
}

// member reads the member whose key starts at i: its raw key without quotes, its raw value, and the offset of the next member
// or of the closing brace. A negative offset says that there is no member here.
func member(b []byte, i int) (key, val []byte, next int) {
	if i >= len(b) || b[i] != '"' {
		return nil, nil, -1
	}
	end := skipString(b, i+1)
	if end < 0 {
		return nil, nil, -1
	}
	at, msg := colon(b, end)
	if msg != "" {
		return nil, nil, -1
	}
	stop := skip(b, at)
	if stop < 0 {
		return nil, nil, -1
	}
	return b[i+1 : end-1 : end-1], b[at:stop:stop], comma(b, stop)
}

// comma goes past a comma and white space.
func comma(b []byte, i int) int {
	if i = space(b, i); i < len(b) && b[i] == ',' {
		i = space(b, i+1)
	}
	return i
}

// opened returns the offset of the first member or element of the fragment b if it opens with c, else -1.
func opened(b []byte, c byte) int {
	i := space(b, 0)
	if i >= len(b) || b[i] != c {
		return -1
	}
	return space(b, i+1)
}

// Members yields the members of the object obj in order, repeated ones too: the raw key without its quotes, escapes as they are,
// and the raw value. It yields nothing for what is not an object, and ends early where the text is not JSON.
func Members(obj []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, val []byte) bool) {
		for i := opened(obj, '{'); i >= 0; {
			var key, val []byte
			if key, val, i = member(obj, i); i < 0 || !yield(key, val) {
				return
			}
		}
	}
}

// Elements yields the raw elements of the array arr in order. It yields nothing for what is not an array, and ends early where
// the text is not JSON.
func Elements(arr []byte) iter.Seq[[]byte] {
	return func(yield func(val []byte) bool) {
		for i := opened(arr, '['); i >= 0; {
			stop := skip(arr, i)
			if stop < 0 || !yield(arr[i:stop:stop]) {
				return
			}
			i = comma(arr, stop)
		}
	}
}

// AppendElements appends the raw elements of the array arr to dst. It reports false unless arr is an array and nothing more.
func AppendElements(dst [][]byte, arr []byte) ([][]byte, bool) {
	i := opened(arr, '[')
	for i >= 0 && i < len(arr) && arr[i] != ']' {
		stop := skip(arr, i)
		if stop < 0 {
			return dst, false
		}
		dst = append(dst, arr[i:stop:stop])
		i = comma(arr, stop)
	}
	return dst, i >= 0 && i == len(arr)-1
}

// Get returns the raw value that is reached from doc by one key of nested objects after the other, or nil if there is none.
// Keys are compared unescaped. Of a repeated key the first counts. With no path it returns doc without the white space around it.
func Get(doc []byte, path ...string) []byte {
	i := space(doc, 0)
	for _, name := range path {
		if doc = lookup(doc[i:], name); doc == nil {
			return nil
		}
		i = 0
	}
	stop := skip(doc, i)
	if stop < 0 {
		return nil
	}
	return doc[i:stop:stop]
}

func lookup(obj []byte, name string) []byte {
	for i := opened(obj, '{'); i >= 0; {
		var key, val []byte
		if key, val, i = member(obj, i); i >= 0 && KeyIs(key, name) {
			return val
		}
	}
	return nil
}

// Kind returns the class of the value that lit begins with, by its first significant byte: '{', '[', '"', '0' for any number,
// 't', 'f', 'n', or 0 for none of these.
func Kind(lit []byte) byte {
	i := space(lit, 0)
	if i >= len(lit) {
		return 0
	}
	switch c := lit[i]; c {
	case '{', '[', '"', 't', 'f', 'n':
		return c
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0'
	}
	return 0
}
