package responses

import (
	"bytes"
	"cmp"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// output is one item of a reply, from the moment that it is opened.
type output struct {
	index   int // output_index
	id      string
	kind    string
	raw     []byte // the item, once it is done
	phase   []byte // message: a literal, nil for none
	parts   []part // message: its content; reasoning: its summary
	place   string // message: where its last part stands, as a member
	call    llm.Call
	members []byte // of a call: what no other field says, each with a comma before it
	wrapped bool   // a custom tool that is offered as a function: its input stands in the arguments
	label   string // mcp_*: server_label
	name    string // mcp_*: the tool as the client is shown it
	asked   string // mcp_call: the question that the client has answered
	reason  string // mcp_approval_request: why it is asked, where a rule of the gateway's says so; a member of our own
	args    []byte // of a call, so far
}

// part is one part of a message's content or of a reasoning's summary.
type part struct {
	text        []byte
	refusal     bool
	annotations [][]byte
}

// appendLine appends a JSON value so that it fits into one line of an event stream.
func appendLine(dst, v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return append(dst, v...)
	}
	return jsonedit.Compact(dst, v)
}

// appendItem appends the item with a status.
func (o *output) appendItem(dst []byte, status string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), o.id)
	dst = jsonedit.AppendQuote(append(dst, `,"type":`...), o.kind)
	dst = jsonedit.AppendQuote(append(dst, `,"status":`...), status)
	switch o.kind {
	case kindMessage:
		return o.appendMessage(dst)
	case kindReasoning:
		return o.appendReasoning(dst)
	}
	dst = jsonedit.AppendQuote(append(dst, `,"call_id":`...), o.call.ID)
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), o.call.Name)
	if o.kind == kindCustom {
		dst = append(dst, `,"input":`...)
	} else {
		dst = append(dst, `,"arguments":`...)
	}
	dst = jsonedit.AppendQuote(dst, string(o.args))
	return append(append(dst, o.members...), '}')
}

func (o *output) appendMessage(dst []byte) []byte {
	dst = append(dst, `,"role":"assistant"`...)
	if o.phase != nil {
		dst = append(append(dst, `,"phase":`...), o.phase...)
	}
	dst = append(dst, `,"content":[`...)
	for i := range o.parts {
		dst = o.parts[i].appendTo(comma(dst, i))
	}
	return append(dst, `]}`...)
}

func (p *part) appendTo(dst []byte) []byte {
	if p.refusal {
		dst = append(dst, `{"type":"refusal","refusal":`...)
		return append(jsonedit.AppendQuote(dst, string(p.text)), '}')
	}
	dst = append(dst, `{"type":"output_text","annotations":[`...)
	dst = append(dst, bytes.Join(p.annotations, []byte{','})...)
	dst = append(dst, `],"logprobs":[],"text":`...)
	return append(jsonedit.AppendQuote(dst, string(p.text)), '}')
}

func (o *output) appendReasoning(dst []byte) []byte {
	dst = append(dst, `,"summary":[`...)
	for i := range o.parts {
		dst = o.parts[i].appendSummary(comma(dst, i))
	}
	return append(dst, `]}`...)
}

func (p *part) appendSummary(dst []byte) []byte {
	dst = append(dst, `{"type":"summary_text","text":`...)
	return append(jsonedit.AppendQuote(dst, string(p.text)), '}')
}

// appendMCPCall appends an mcp_call item. res is nil while the call runs; a failed one has no output but an error.
func (o *output) appendMCPCall(dst []byte, status string, res *llm.Result) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), o.id)
	dst = jsonedit.AppendQuote(append(dst, `,"type":"mcp_call","status":`...), status)
	dst = appendTextOrNull(append(dst, `,"approval_request_id":`...), o.asked)
	dst = jsonedit.AppendQuote(append(dst, `,"arguments":`...), string(o.args))
	switch {
	case res == nil:
		dst = append(dst, `,"error":null,"output":null`...)
	case res.IsError:
		dst = append(appendToolError(append(dst, `,"error":`...), res.Text), `,"output":null`...)
	default:
		dst = jsonedit.AppendQuote(append(dst, `,"error":null,"output":`...), res.Text)
	}
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), o.name)
	dst = jsonedit.AppendQuote(append(dst, `,"server_label":`...), o.label)
	return append(dst, '}')
}

// appendAsk appends an mcp_approval_request item. It has no status: it is complete as it is.
func (o *output) appendAsk(dst []byte) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), o.id)
	dst = jsonedit.AppendQuote(append(dst, `,"type":"mcp_approval_request","arguments":`...), string(o.args))
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), o.name)
	dst = jsonedit.AppendQuote(append(dst, `,"server_label":`...), o.label)
	if o.reason != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"reason":`...), o.reason)
	}
	return append(dst, '}')
}

// listing is what an mcp_list_tools item says of one label.
type listing struct {
	label string
	tools []llm.Tool
	why   string // why there are none, or not all
}

// appendList appends an mcp_list_tools item. Members without a value are left out: clients refuse null in their place.
func (o *output) appendList(dst []byte, status string, l *listing, names map[string]string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), o.id)
	dst = jsonedit.AppendQuote(append(dst, `,"type":"mcp_list_tools","status":`...), status)
	dst = jsonedit.AppendQuote(append(dst, `,"server_label":`...), o.label)
	dst = append(dst, `,"tools":[`...)
	if l == nil {
		return append(dst, `]}`...)
	}
	for i := range l.tools {
		t := &l.tools[i]
		dst = jsonedit.AppendQuote(append(comma(dst, i), `{"name":`...), cmp.Or(names[t.Name], t.Tool, t.Name))
		if t.Description != "" {
			dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
		}
		dst = append(dst, `,"input_schema":`...)
		if jsonedit.Kind(t.Schema) == '{' {
			dst = appendLine(dst, t.Schema)
		} else {
			dst = append(dst, `{"type":"object"}`...)
		}
		dst = appendBool(append(dst, `,"annotations":{"read_only":`...), t.ReadOnly)
		dst = append(dst, `}}`...)
	}
	dst = append(dst, ']')
	if l.why != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"error":`...), l.why)
	}
	return append(dst, '}')
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

func appendTextOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonedit.AppendQuote(dst, s)
}

// shownNames says under which name the client is shown each offered tool: the server's own, unless two tools of a label
// have the same.
func shownNames(tools []llm.Tool) map[string]string {
	type place struct{ label, tool string }
	count := map[place]int{}
	for i := range tools {
		count[place{tools[i].Label, tools[i].Tool}]++
	}
	names := make(map[string]string, len(tools))
	for i := range tools {
		t := &tools[i]
		if names[t.Name] = t.Tool; t.Tool == "" || count[place{t.Label, t.Tool}] > 1 {
			names[t.Name] = t.Name
		}
	}
	return names
}
