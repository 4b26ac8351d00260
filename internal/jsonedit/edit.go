package jsonedit

import (
	"bytes"
	"slices"
)

// An Edit replaces the bytes of a document from Start up to End by Text; with Start == End it inserts, with an empty Text it deletes.
type Edit struct {
	Start, End int
	Text       []byte
}

// Apply appends to dst the document with all edits made, in one pass, and returns the longer slice. The edits may come in any order
// and are sorted in place; insertions at one offset keep their order. Edits that overlap or lie outside doc are a mistake of the
// program, and Apply panics.
func Apply(dst, doc []byte, edits []Edit) []byte {
	if !slices.IsSortedFunc(edits, before) {
		slices.SortStableFunc(edits, before)
	}
	size, at := len(doc), 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(doc) {
			panic("jsonedit: edits overlap or lie outside the document")
		}
		size += len(e.Text) - (e.End - e.Start)
		at = e.End
	}
	dst, at = slices.Grow(dst, size), 0
	for _, e := range edits {
		dst = append(dst, doc[at:e.Start]...)
		dst = append(dst, e.Text...)
		at = e.End
	}
	return append(dst, doc[at:]...)
}

// before orders edits by their start, and insertions before what removes bytes from the same place on.
func before(a, b Edit) int {
	switch {
	case a.Start != b.Start:
		return a.Start - b.Start
	case a.Start == a.End && b.Start != b.End:
		return -1
	case a.Start != a.End && b.Start == b.End:
		return 1
	}
	return 0
}

// Set adds to edits what gives a policy key the value, which must be valid JSON and stay unchanged until [Apply]: the old value is
// replaced in its place, or a member is added before the closing brace, in the order of the calls. Sets and deletes of one list
// work together, also for the same key: the last call counts. All must be of this Object and doc. Set panics if key is not among
// the scan's [Keys].
func (o *Object) Set(edits []Edit, doc []byte, key string, value []byte) []Edit {
	n := o.place(key)
	if old := o.Value(key); old.Found() {
		for i, e := range edits {
			if e.Start == old.Start && e.End == old.End {
				edits[i].Text = value
				return edits
			}
		}
		if !covered(edits, old) {
			return append(edits, Edit{old.Start, old.End, value})
		}
	}
	if i := o.added(edits, n); i >= 0 {
		edits[i+1].Text = value
		return edits
	}
	edits = append(edits, Edit{o.shut, o.shut, o.keys.adds[n]}, Edit{o.shut, o.shut, value})
	return o.commas(edits, doc)
}

// Delete adds to edits what removes the member of a policy key together with one comma. It takes back a [Object.Set] of the
// same key, and does nothing for a key that the document does not have. It panics as Set does.
func (o *Object) Delete(edits []Edit, doc []byte, key string) []Edit {
	if i := o.added(edits, o.place(key)); i >= 0 {
		edits = o.commas(slices.Delete(edits, i, i+2), doc)
	}
	m := o.Member(key)
	if !m.Found() || covered(edits, m) {
		return edits
	}
	edits = slices.DeleteFunc(edits, func(e Edit) bool { return e.Start >= m.Start && e.Start < m.End })
	next := space(doc, m.End)
	if doc[next] == ',' {
		i := slices.IndexFunc(edits, func(e Edit) bool { return e.Start == next && len(e.Text) == 0 })
		if i < 0 {
			return append(edits, Edit{Start: m.Start, End: next + 1})
		}
		m.End = edits[i].End // all that follows is deleted already, and this comma with it
		edits = slices.Delete(edits, i, i+1)
	}
	// No member is left behind this one, so the comma before it has to go, and that of each deleted member before it.
	for {
		p := m.Start - 1
		for doc[p] != ',' && doc[p] != '{' {
			p--
		}
		if doc[p] == '{' {
			break
		}
		i := slices.IndexFunc(edits, func(e Edit) bool { return e.End == p+1 && e.Start < p && len(e.Text) == 0 })
		if i < 0 {
			m.Start = p
			break
		}
		m.Start = edits[i].Start
		edits = slices.Delete(edits, i, i+1)
	}
	return o.commas(append(edits, Edit{Start: m.Start, End: m.End}), doc)
}

func (o *Object) place(key string) int {
	if o.keys != nil {
		if n := o.keys.index(key); n >= 0 {
			return n
		}
	}
	panic("jsonedit: " + key + " is not a policy key of this scan")
}

// covered reports whether s is deleted as part of something larger.
func covered(edits []Edit, s Span) bool {
	return slices.ContainsFunc(edits, func(e Edit) bool {
		return len(e.Text) == 0 && e.Start <= s.Start && e.End >= s.End && e.Start < e.End
	})
}

// added returns the index of the edit that holds the name of an added member, or -1. Its value is in the edit behind it.
func (o *Object) added(edits []Edit, n int) int {
	return slices.IndexFunc(edits, func(e Edit) bool {
		return e.Start == o.shut && e.End == o.shut && bytes.HasSuffix(o.keys.adds[n], e.Text) && len(e.Text) >= len(o.keys.adds[n])-1
	})
}

// commas puts the comma before each added member but one that will be the first of the object.
func (o *Object) commas(edits []Edit, doc []byte) []Edit {
	bare := o.Empty() || slices.ContainsFunc(edits, func(e Edit) bool {
		return len(e.Text) == 0 && e.Start == o.first && e.Start < e.End && space(doc, e.End) == o.shut
	})
	for i, e := range edits {
		// No JSON value ends in a colon, so this is the name of an added member.
		if e.Start != o.shut || len(e.Text) == 0 || e.Text[len(e.Text)-1] != ':' {
			continue
		}
		n := o.keys.index(string(bytes.Trim(e.Text, `,":`)))
		if edits[i].Text = o.keys.adds[n]; bare {
			edits[i].Text = o.keys.adds[n][1:]
		}
		bare = false
	}
	return edits
}
