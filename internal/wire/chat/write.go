package chat

import (
	"bytes"
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

const defaultKeepAlive = 15 * time.Second

// WriteReply writes the reply: opaque bytes as they come, or one completion or one stream made of all the turns' events.
func (d Door) WriteReply(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error {
	switch {
	case req.Opaque:
		return wire.WriteOpaque(w, reply, breakOff)
	case req.Stream:
		return d.writeStream(w, req, reply)
	}
	return d.writePlain(w, req, reply)
}

// breakOff ends a stream that has begun and cannot be finished.
func breakOff(e *fault.Error) []byte {
	return append(wire.AppendOpenAIError([]byte("data: "), e), "\n\ndata: [DONE]\n\n"...)
}

// record is what a reply tells about its tools: the vendor fields of a chat reply.
type record struct {
	tools   []llm.Tool
	errors  []llm.ServerError
	calls   []llm.Call
	results []llm.Result
	held    []llm.Held
	foreign []string // ids of calls that carry members of another wire
}

func (r *record) note(n *llm.Notice) {
	if n.Tools != nil {
		r.tools = n.Tools
	}
	r.errors = append(r.errors, n.Errors...)
	if n.Held != nil {
		r.held = append(r.held, *n.Held)
	}
	if n.Started != nil {
		c := *n.Started
		if slices.Contains(r.foreign, c.ID) {
			c.Extra = nil
		}
		r.calls = append(r.calls, c)
	}
}

// sieve takes from a call's event what only another wire has a word for.
func (r *record) sieve(ev *llm.Event) {
	if len(ev.Call.Extra) > 0 && ev.Extra.Wire != Name {
		ev.Call.Extra = nil
		r.foreign = append(r.foreign, strings.Clone(ev.Call.ID))
	}
}

// appendListed appends the members that are known at the start, each with a comma before it but the first.
func (r *record) appendListed(dst []byte) []byte {
	at := len(dst)
	if len(r.tools) > 0 {
		dst = append(slices.Grow(dst, toolsSize(r.tools)+32), `"mcp_list_tools":[`...)
		for i := range r.tools {
			dst = appendTool(comma(dst, i), &r.tools[i])
		}
		dst = append(dst, ']')
	}
	if len(r.errors) > 0 {
		dst = comma(dst, len(dst)-at)
		dst = append(dst, `"mcp_errors":[`...)
		for i, e := range r.errors {
			dst = append(comma(dst, i), `{"server":`...)
			dst = jsonedit.AppendQuote(dst, e.Server)
			dst = append(dst, `,"error":`...)
			dst = append(jsonedit.AppendQuote(dst, e.Error), '}')
		}
		dst = append(dst, ']')
	}
	return dst
}

// appendDone appends the members that are known at the end.
func (r *record) appendDone(dst []byte) []byte {
	at := len(dst)
	if len(r.calls) > 0 {
		dst = append(dst, `"mcp_tool_calls":[`...)
		for i := range r.calls {
			dst = appendCall(comma(dst, i), &r.calls[i])
		}
		dst = append(dst, ']')
	}
	if len(r.results) > 0 {
		dst = comma(dst, len(dst)-at)
		dst = append(dst, `"mcp_call_results":[`...)
		for i := range r.results {
			dst = appendResult(comma(dst, i), &r.results[i])
		}
		dst = append(dst, ']')
	}
	if len(r.held) > 0 {
		dst = append(comma(dst, len(dst)-at), `"mcp_approvals":[`...)
		for i := range r.held {
			dst = appendHeld(comma(dst, i), &r.held[i])
		}
		dst = append(dst, ']')
	}
	return dst
}

func comma(dst []byte, n int) []byte {
	if n > 0 {
		return append(dst, ',')
	}
	return dst
}

func appendCall(dst []byte, c *llm.Call) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonedit.AppendQuote(dst, c.ID)
	if isCustom(c) {
		dst = append(dst, `,"type":"custom","custom":{"name":`...)
		dst = jsonedit.AppendQuote(dst, c.Name)
		dst = append(dst, `,"input":`...)
		return append(jsonedit.AppendQuote(dst, c.Arguments), `}}`...)
	}
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = jsonedit.AppendQuote(dst, c.Name)
	dst = append(dst, `,"arguments":`...)
	dst = jsonedit.AppendQuote(dst, cmp.Or(c.Arguments, "{}")) // clients parse it
	dst = append(dst, '}')
	if len(c.Extra) > 0 {
		dst = append(append(dst, ','), c.Extra...)
	}
	return append(dst, '}')
}

// appendHeld appends why a call is the client's to decide about.
func appendHeld(dst []byte, h *llm.Held) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"tool_call_id":`...), h.ID)
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), h.Name)
	dst = jsonedit.AppendQuote(append(dst, `,"display_name":`...), h.Tool)
	dst = jsonedit.AppendQuote(append(dst, `,"server":`...), h.Server)
	return append(jsonedit.AppendQuote(append(dst, `,"reason":`...), h.Reason), '}')
}

func appendResult(dst []byte, r *llm.Result) []byte {
	dst = append(dst, `{"tool_call_id":`...)
	dst = jsonedit.AppendQuote(dst, r.CallID)
	dst = append(dst, `,"name":`...)
	dst = jsonedit.AppendQuote(dst, r.Name)
	dst = append(dst, `,"display_name":`...)
	dst = jsonedit.AppendQuote(dst, r.Tool)
	dst = append(dst, `,"server":`...)
	dst = jsonedit.AppendQuote(dst, r.Server)
	dst = append(dst, `,"result":`...)
	dst = jsonedit.AppendQuote(dst, r.Text)
	dst = append(dst, `,"is_error":`...)
	dst = appendBool(dst, r.IsError)
	dst = append(dst, `,"round":`...)
	dst = appendInt(dst, int64(r.Round))
	dst = append(dst, `,"duration_ms":`...)
	return append(appendInt(dst, r.Duration), '}')
}

// total sums the usage objects of a reply's turns. Turns of another wire are counted in the chat wire's words.
type total struct {
	sum  []byte
	bill wire.Bill
}

func (t *total) add(u *llm.Usage) {
	t.bill.Add(u)
	if u == nil || !u.Known {
		return
	}
	raw := u.Raw.Bytes
	if u.Raw.Wire != Name || len(raw) == 0 {
		raw = appendUsage(nil, u)
	}
	if t.sum == nil {
		t.sum = bytes.Clone(raw)
		return
	}
	t.sum = jsonedit.AddNumbers(make([]byte, 0, len(t.sum)+len(raw)), t.sum, raw)
}

// append appends the sum with what it has cost.
func (t *total) append(dst []byte) []byte { return t.bill.AppendTo(dst, t.sum) }

// appendUsage appends u in the chat wire's words.
func appendUsage(dst []byte, u *llm.Usage) []byte {
	in, out := u.Inputs(), u.Outputs()
	dst = appendInt(append(dst, `{"prompt_tokens":`...), in)
	dst = appendInt(append(dst, `,"completion_tokens":`...), out)
	dst = appendInt(append(dst, `,"total_tokens":`...), in+out)
	dst = appendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), u.CacheRead)
	if u.AudioInput > 0 {
		dst = appendInt(append(dst, `,"audio_tokens":`...), u.AudioInput)
	}
	dst = appendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), u.Reasoning)
	if u.AudioOutput > 0 {
		dst = appendInt(append(dst, `,"audio_tokens":`...), u.AudioOutput)
	}
	return append(dst, `}}`...)
}
