package responses

import (
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// event is one event of a stream, as far as it is looked at. What it holds are the stream's own bytes.
type event struct {
	kind     string
	index    int64 // output_index; -1 when not said
	id       string
	part     int64  // content_index or summary_index
	delta    []byte // of a delta event
	whole    []byte // of a done event: its text, refusal, arguments or input
	item     []byte
	response []byte
	note     []byte // annotation
}

// event takes in one event. Those that tell of progress alone, and those that are not known, say nothing new: what they are
// about comes whole with its item.
func (r *reader) event(name string, data []byte) {
	if jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data) {
		r.Fail(broken("the provider sent an event that is not a JSON object"))
		return
	}
	e := readEvent(data)
	if e.kind == "" {
		e.kind = name
	}
	switch e.kind {
	case "response.created", "response.queued", "response.in_progress":
		r.begin(e.response)
	case "response.completed", "response.incomplete":
		r.finish(e.response)
	case "response.failed", "response.cancelled", "error":
		r.Fail(eventFault(data))
	case "response.output_item.added":
		r.begin(nil)
		r.itemAdded(e.index, e.item)
	case "response.output_item.done":
		r.begin(nil)
		r.itemDone(r.place(e.index, itemID(e.item)), e.index, e.item)
	case "": // an error of the servers before the provider
		if problem := jsonedit.Get(data, "error"); !jsonedit.IsNull(problem) {
			r.Fail(eventFault(data))
		}
	case "response.output_text.annotation.added":
		r.begin(nil)
		if it := r.place(e.index, e.id); it != nil {
			r.note(it, e.note)
		}
	default:
		r.piece(&e)
	}
}

func readEvent(data []byte) event {
	e := event{index: -1}
	for key, v := range jsonedit.Members(data) {
		switch string(key) {
		case "type":
			e.kind = eventName(v)
		case "output_index":
			if n, ok := jsonedit.Int(v); ok && n >= 0 {
				e.index = n
			}
		case "item_id":
			e.id, _ = jsonedit.Unquote(v)
		case "content_index", "summary_index":
			e.part, _ = jsonedit.Int(v)
		case "delta":
			e.delta = v
		case "text", "refusal", "arguments", "input":
			e.whole = v
		case "item":
			e.item = v
		case "response":
			e.response = v
		case "annotation":
			e.note = v
		}
	}
	return e
}

// eventName is the text of v; the names that make up nearly all of a stream are not allocated.
func eventName(v []byte) string {
	switch string(v) {
	case `"response.output_text.delta"`:
		return "response.output_text.delta"
	case `"response.function_call_arguments.delta"`:
		return "response.function_call_arguments.delta"
	case `"response.reasoning_summary_text.delta"`:
		return "response.reasoning_summary_text.delta"
	}
	s, _ := jsonedit.Unquote(v)
	return s
}

// piece takes in an event that has a piece of an item, or the whole of that piece when it is done.
func (r *reader) piece(e *event) {
	what, delta := strings.CutSuffix(strings.TrimPrefix(e.kind, "response."), ".delta")
	if !delta {
		var done bool
		if what, done = strings.CutSuffix(what, ".done"); !done {
			return
		}
	}
	p := piece{lit: e.whole, part: e.part, done: !delta}
	if delta {
		p.lit = e.delta
	}
	kind := ""
	switch what {
	case "output_text", "refusal":
		kind, p.kind, p.refusal = kindMessage, llm.Text, what == "refusal"
	case "reasoning_summary_text", "reasoning_summary":
		kind, p.kind, p.summary = kindReasoning, llm.Thinking, true
	case "reasoning_text", "reasoning":
		kind, p.kind = kindReasoning, llm.Thinking
	case "function_call_arguments":
		kind, p.kind = kindCall, llm.ToolCall
	case "custom_tool_call_input":
		kind, p.kind = kindCustom, llm.ToolCall
	default:
		return
	}
	if jsonedit.IsNull(p.lit) {
		return
	}
	r.begin(nil)
	it := r.place(e.index, e.id)
	if it == nil {
		if it = r.open(e.index, e.id, kind); it == nil {
			return
		}
		it.early = true
	}
	if p.kind == llm.ToolCall {
		r.arguments(it, &p)
		return
	}
	r.say(it, &p)
}
