package messages

import (
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// plain collects a message into one object.
type plain struct {
	head      []byte
	content   []byte
	n         int // blocks
	kind      string
	members   []byte
	text      strings.Builder
	signature strings.Builder
	citations []byte
	body      []byte // the whole message, once it has ended
}

var _ sink = (*plain)(nil)

func (p *plain) start(members, _ []byte) { p.head = append(p.head, members...) }

func (p *plain) open(kind string, members []byte) {
	p.kind, p.members, p.citations = kind, append(p.members[:0], members...), p.citations[:0]
	p.text.Reset()
	p.signature.Reset()
}

func (p *plain) piece(s string) { p.text.WriteString(s) }

func (p *plain) delta(raw []byte) {
	switch kindOf(raw) {
	case "signature_delta":
		p.signature.WriteString(word(jsonedit.Get(raw, "signature")))
	case "citations_delta":
		if v := jsonedit.Get(raw, "citation"); v != nil {
			p.citations = append(comma(p.citations, len(p.citations)), v...)
		}
	}
}

func (p *plain) close() {
	b := jsonedit.AppendQuote([]byte(`{"type":`), p.kind)
	switch p.kind {
	case "tool_use":
		b = append(append(append(b, ','), p.members...), `,"input":`...)
		b = appendShown(b, p.text.String())
	case "thinking":
		b = jsonedit.AppendQuote(append(b, `,"thinking":`...), p.text.String())
		b = jsonedit.AppendQuote(append(b, `,"signature":`...), p.signature.String())
	default:
		b = jsonedit.AppendQuote(append(b, `,"text":`...), p.text.String())
		if len(p.citations) > 0 {
			b = append(append(append(b, `,"citations":[`...), p.citations...), ']')
		}
	}
	p.whole(append(b, '}'))
}

func (p *plain) whole(block []byte) {
	p.content = append(comma(p.content, p.n), block...)
	p.n++
}

func (p *plain) end(e *ending) {
	b := append(append([]byte{'{'}, p.head...), `,"content":[`...)
	b = append(append(b, p.content...), `],`...)
	b = append(b, e.closing...)
	if len(e.beside) > 0 {
		b = append(append(b, ','), e.beside...)
	}
	p.body = append(append(append(b, `,"usage":`...), e.usage...), '}')
}
