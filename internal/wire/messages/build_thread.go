package messages

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

const (
	roleUser      = "user"
	roleAssistant = "assistant"
)

// thread puts a list of messages together. Messages that are made here are joined with a neighbour of the same role, since
// the roles of a conversation alternate; a client's own messages stay apart as they came.
type thread struct {
	out  []byte // the elements of the list
	n    int
	role string // of the last message; "" for none
	raw  []byte // the last message as the client wrote it, or nil
	made []byte // else its blocks
	size int    // and how many there are
	gap  bool   // a message of the client behind the last one was left out
}

// take adds a message as it came.
func (t *thread) take(role string, m []byte) {
	if t.role == role && (t.raw == nil || t.gap) {
		blocks, n := blocksOf(m)
		t.add(role, blocks, n)
		return
	}
	t.flush()
	t.role, t.raw = role, m
}

// add adds n blocks, with commas between them, to the last message if it is of that role, else as a new one.
func (t *thread) add(role string, blocks []byte, n int) {
	if n == 0 {
		return
	}
	switch {
	case t.role != role:
		t.flush()
		t.role = role
	case t.raw != nil:
		own, k := blocksOf(t.raw)
		t.raw, t.made, t.size = nil, append([]byte(nil), own...), k
	}
	t.made = append(comma(t.made, t.size), blocks...)
	t.size += n
}

// flush writes the last message.
func (t *thread) flush() {
	if t.role != "" && (t.raw != nil || t.size > 0) {
		t.out = comma(t.out, t.n)
		t.n++
		if t.raw != nil {
			t.out = append(t.out, t.raw...)
		} else {
			t.out = append(append(append(t.out, `{"role":"`...), t.role...), `","content":[`...)
			t.out = append(append(t.out, t.made...), ']', '}')
		}
	}
	t.role, t.raw, t.made, t.size, t.gap = "", nil, t.made[:0], 0, false
}

// roleOfFirst is the role of the first message, while there is but one or none.
func (t *thread) roleOfFirst() string {
	if t.n == 0 {
		return t.role
	}
	return word(jsonedit.Get(t.out, "role"))
}

// blocksOf returns the content of a message as blocks, and how many there are.
func blocksOf(m []byte) ([]byte, int) {
	content := jsonedit.Get(m, "content")
	if s, ok := jsonedit.Unquote(content); ok {
		if strings.TrimSpace(s) == "" {
			return nil, 0
		}
		return append(append([]byte(`{"type":"text","text":`), content...), '}'), 1
	}
	n := 0
	for range jsonedit.Elements(content) {
		n++
	}
	if n == 0 {
		return nil, 0
	}
	return bytes.TrimSpace(content[1 : len(content)-1]), n
}
