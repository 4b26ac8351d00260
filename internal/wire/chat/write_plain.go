package chat

import (
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// plain collects a reply into one completion.
type plain struct {
	req   *llm.Request
	forms forms
	head  llm.Head
	text  joined
	calls []llm.Call
	rec   record
	total total
	extra llm.Extra // members as JSON objects without braces
	think strings.Builder
}

func (Door) writePlain(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	p := &plain{req: req, forms: formsOf(req), text: joined{lastOnly: req.Params.JSON}}
	for ev, err := range reply {
		if err != nil {
			return err
		}
		p.take(&ev)
		if ev.Kind == llm.End {
			body := p.completion(nil, p.forms.stop(ev.Stop, len(p.calls)))
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body)
			return nil
		}
	}
	return errUnfinished()
}

func (p *plain) take(ev *llm.Event) {
	switch ev.Kind {
	case llm.Start:
		if p.head.ID == "" {
			p.head = *ev.Head
		}
	case llm.Text:
		p.text.add(ev.Text)
	case llm.Thinking:
		if ev.Extra.Wire != Name {
			p.think.WriteString(ev.Text)
		}
	case llm.ToolCall:
		p.rec.sieve(ev)
		if !ev.Ours {
			p.call(ev)
		}
	case llm.Note:
		p.rec.note(ev.Note)
	case llm.ToolResult:
		p.rec.results = append(p.rec.results, *ev.Result)
	case llm.TurnEnd:
		p.text.turn()
		p.total.add(ev.Usage)
	case llm.End:
		p.total.add(ev.Usage)
	default:
	}
	if ev.Extra.Wire == Name {
		p.extra.Top = addMembers(p.extra.Top, ev.Extra.Top)
		p.extra.Choice = mergeMembers(p.extra.Choice, ev.Extra.Choice)
		p.extra.Delta = mergeMembers(p.extra.Delta, ev.Extra.Delta)
	}
}

func (p *plain) call(ev *llm.Event) {
	for ev.Index >= len(p.calls) {
		p.calls = append(p.calls, llm.Call{})
	}
	c := &p.calls[ev.Index]
	if c.ID == "" {
		c.ID, c.Name = strings.Clone(ev.Call.ID), strings.Clone(ev.Call.Name)
	}
	c.Arguments += ev.Call.Arguments
	c.Extra = append(c.Extra, ev.Call.Extra...)
}

// mergeMembers joins two lists of members as pieces of one reply join.
func mergeMembers(a, b []byte) []byte {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return append([]byte(nil), b...)
	}
	m := jsonedit.MergeDelta(nil, braced(a), braced(b))
	return m[1 : len(m)-1]
}

// addMembers appends those members of b that a does not have.
func addMembers(a, b []byte) []byte {
	for key, v := range jsonedit.Members(braced(b)) {
		if jsonedit.Get(braced(a), string(key)) != nil {
			continue
		}
		a = append(append(append(comma(a, len(a)), '"'), key...), `":`...)
		a = append(a, v...)
	}
	return a
}

func braced(members []byte) []byte {
	out := make([]byte, 0, len(members)+2)
	return append(append(append(out, '{'), members...), '}')
}

// completion appends the chat.completion object.
func (p *plain) completion(dst []byte, stop string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonedit.AppendQuote(dst, p.head.ID)
	dst = append(dst, `,"object":"chat.completion","created":`...)
	dst = appendInt(dst, p.head.Created)
	dst = append(dst, `,"model":`...)
	dst = jsonedit.AppendQuote(dst, p.head.Model)
	dst = append(dst, `,"choices":[{"index":0,"message":`...)
	dst = p.message(dst)
	dst = appendMembers(dst, p.extra.Choice)
	dst = append(dst, `,"finish_reason":`...)
	dst = jsonedit.AppendQuote(dst, stop)
	dst = append(dst, `}]`...)
	if p.total.sum != nil {
		dst = p.total.append(append(dst, `,"usage":`...))
	}
	dst = appendMembers(dst, p.extra.Top)
	return append(dst, '}')
}

func (p *plain) message(dst []byte) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	if s := p.text.String(); s != "" || len(p.calls) == 0 {
		dst = jsonedit.AppendQuote(dst, s)
	} else {
		dst = append(dst, "null"...)
	}
	if p.think.Len() > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = jsonedit.AppendQuote(dst, p.think.String())
	}
	dst = appendMembers(dst, p.extra.Delta)
	dst = p.toolCalls(dst)
	if p.req.Show != llm.ShowHidden {
		listed := p.rec.appendListed(nil)
		done := p.rec.appendDone(nil)
		if len(listed)+len(done) > 0 {
			dst = append(dst, `,"provider_specific_fields":{`...)
			dst = append(dst, listed...)
			dst = append(comma(dst, min(len(listed), len(done))), done...)
			dst = append(dst, '}')
		}
	}
	return append(dst, '}')
}

// toolCalls appends the client's calls.
func (p *plain) toolCalls(dst []byte) []byte {
	switch {
	case len(p.calls) == 0:
		return dst
	case p.forms.legacy:
		dst = jsonedit.AppendQuote(append(dst, `,"function_call":{"name":`...), p.calls[0].Name)
		return append(jsonedit.AppendQuote(append(dst, `,"arguments":`...), p.calls[0].Arguments), '}')
	}
	dst = append(dst, `,"tool_calls":[`...)
	for i := range p.calls {
		p.forms.whole(&p.calls[i])
		dst = appendCall(comma(dst, i), &p.calls[i])
	}
	return append(dst, ']')
}

// appendMembers appends members after others.
func appendMembers(dst, members []byte) []byte {
	if len(members) == 0 {
		return dst
	}
	return append(append(dst, ','), members...)
}

// joined is the text of several turns as one text: a blank line between two, unless the first ends in white space. With
// lastOnly it is the text of the last turn.
type joined struct {
	lastOnly bool
	passing  bool // the pieces are passed on, and String has nothing of them
	text     strings.Builder
	open     bool // there is text, and it does not end in white space
	between  bool // the next piece begins a later turn
}

// add takes a piece and returns it as it stands in the whole.
func (j *joined) add(piece string) string {
	if piece == "" {
		return ""
	}
	if j.between {
		j.between = false
		piece = "\n\n" + piece
	}
	j.open = strings.IndexByte(" \t\r\n", piece[len(piece)-1]) < 0
	if !j.passing {
		j.text.WriteString(piece)
	}
	return piece
}

func (j *joined) turn() {
	if j.lastOnly {
		j.text.Reset()
		return
	}
	j.between = j.open
}

func (j *joined) String() string { return j.text.String() }
