package responses

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// includeReasoning asks for the reasoning in a form that can be sent back, as an element of include.
const includeReasoning = `"reasoning.encrypted_content"`

// thinks reports whether encrypted reasoning may be asked of a model. OpenAI's models that do not reason refuse the request;
// everybody else ignores it, so that a model whose name says nothing is asked.
func thinks(model string) bool {
	name := model[strings.LastIndexByte(model, '/')+1:]
	for _, p := range []string{"gpt-4", "gpt-3.5", "chatgpt-", "gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	return true
}

// encoder appends messages as items.
type encoder struct {
	req    *llm.Request
	n      int               // items so far
	custom map[string]bool   // the calls of custom tools, whose results are items of another type
	ids    map[string]string // of calls, to what the last ones with them are called here
	taken  map[string]bool
}

// next appends the comma before the next item.
func (e *encoder) next(dst []byte) []byte {
	e.n++
	return comma(dst, e.n-1)
}

func (e *encoder) messages(dst []byte, ms []llm.Message) []byte {
	for i := range ms {
		dst = e.message(dst, &ms[i])
	}
	return dst
}

func (e *encoder) message(dst []byte, m *llm.Message) []byte {
	switch {
	case m.Role == llm.Assistant:
		return e.assistant(dst, m)
	case m.Role == llm.ToolRole && m.Result != nil:
		return e.result(dst, m.Result)
	}
	dst = append(e.next(dst), `{"type":"message","role":`...)
	dst = jsonedit.AppendQuote(dst, string(m.Role))
	dst = append(dst, `,"content":`...)
	if len(m.Parts) > 0 {
		dst = appendParts(dst, m.Parts, true)
	} else {
		dst = jsonedit.AppendQuote(dst, m.Text)
	}
	return append(dst, '}')
}

// assistant appends a turn of the model: its items as they came where this wire has made them, else its text and its calls.
// Reasoning of another wire stays out, since no provider takes it from others.
func (e *encoder) assistant(dst []byte, m *llm.Message) []byte {
	if m.Wire == Name && len(m.Extra) > 0 {
		if items := jsonedit.Get(append(append([]byte{'{'}, m.Extra...), '}'), "output"); jsonedit.Kind(items) == '[' {
			return e.replay(dst, m, items)
		}
	}
	if text := plainText(m); text != "" || len(m.Calls) == 0 {
		dst = append(e.next(dst), `{"type":"message","role":"assistant","content":[{"type":"output_text","text":`...)
		dst = append(jsonedit.AppendQuote(dst, text), `}]}`...)
	}
	for i := range m.Calls {
		dst = e.call(dst, &m.Calls[i], m.Wire == Name)
	}
	return dst
}

// replay appends the items of a turn byte for byte. Only the id of a call is another where the loop has renamed it. Calls
// that the items do not have are put behind them; items of calls that the turn does not have, and items that mean nothing to
// a provider that keeps nothing, are left out.
func (e *encoder) replay(dst []byte, m *llm.Message, items []byte) []byte {
	used := make([]bool, len(m.Calls))
	for it := range jsonedit.Elements(items) {
		kind, _ := jsonedit.Unquote(jsonedit.Get(it, "type"))
		if kind != kindCall && kind != kindCustom {
			if kind != kindReasoning || replays(it) {
				dst = append(e.next(dst), it...)
			}
			continue
		}
		id, _ := jsonedit.Unquote(jsonedit.Get(it, "call_id"))
		at := madeBy(m.Calls, used, it, id)
		if at < 0 {
			continue
		}
		used[at] = true
		c := &m.Calls[at]
		e.note(c.ID, kind == kindCustom)
		if own := e.newCall(c.ID); own == id {
			dst = append(e.next(dst), it...)
		} else {
			dst = appendWithID(e.next(dst), it, own)
		}
	}
	for i := range m.Calls {
		if !used[i] {
			dst = e.call(dst, &m.Calls[i], true)
		}
	}
	return dst
}

// replays reports whether a reasoning item can be sent back: encrypted, or open as some models show it.
func replays(item []byte) bool {
	if s, _ := jsonedit.Unquote(jsonedit.Get(item, "encrypted_content")); s != "" {
		return true
	}
	for range jsonedit.Elements(jsonedit.Get(item, "content")) {
		return true
	}
	return false
}

// madeBy returns the index of the call that an item made, or -1. The loop renames an id that an earlier turn has by a number
// behind it.
func madeBy(calls []llm.Call, used []bool, item []byte, id string) int {
	name, _ := jsonedit.Unquote(jsonedit.Get(item, "name"))
	for i := range calls {
		if c := &calls[i]; !used[i] && c.ID == id {
			return i
		}
	}
	for i := range calls {
		if c := &calls[i]; !used[i] && c.Name == name && (id == "" || strings.HasPrefix(c.ID, id+"_")) {
			return i
		}
	}
	return -1
}

// appendWithID appends a call item under another call id.
func appendWithID(dst, item []byte, id string) []byte {
	dst = append(dst, '{')
	n := 0
	for key, v := range jsonedit.Members(item) {
		if jsonedit.KeyIs(key, "call_id") {
			continue
		}
		dst = append(append(append(comma(dst, n), '"'), key...), '"', ':')
		dst = append(dst, v...)
		n++
	}
	dst = jsonedit.AppendQuote(append(comma(dst, n), `"call_id":`...), id)
	return append(dst, '}')
}

// note remembers which calls are those of custom tools.
func (e *encoder) note(id string, custom bool) {
	if !custom {
		return
	}
	if e.custom == nil {
		e.custom = map[string]bool{}
	}
	e.custom[id] = true
}

// callID is a call's id as the wire takes it, 64 characters at most. The same one always becomes the same.
func callID(id string) string { return wire.ShortID(id) }

// newCall gives a call the id that it has here. One that an earlier call has is changed: some providers count from 0 in each
// reply, and here a result belongs to the one call of its id.
func (e *encoder) newCall(id string) string {
	if e.ids == nil {
		e.ids, e.taken = map[string]string{}, map[string]bool{}
	}
	own := callID(id)
	for n := 2; e.taken[own]; n++ {
		own = callID(id + "_" + strconv.Itoa(n))
	}
	e.ids[id], e.taken[own] = own, true
	return own
}

// call appends a call. Its arguments are always a JSON object, except for a custom tool's, which are text.
func (e *encoder) call(dst []byte, c *llm.Call, extra bool) []byte {
	custom := strings.HasPrefix(string(c.Extra), customMark)
	e.note(c.ID, custom)
	kind, member, args := kindCall, `,"arguments":`, c.Arguments
	if custom {
		kind, member = kindCustom, `,"input":`
	} else if b := []byte(args); jsonedit.Kind(b) != '{' || !jsonedit.Valid(b) {
		args = "{}"
	}
	dst = jsonedit.AppendQuote(append(e.next(dst), `{"type":`...), kind)
	dst = jsonedit.AppendQuote(append(dst, `,"call_id":`...), e.newCall(c.ID))
	dst = jsonedit.AppendQuote(append(dst, `,"name":`...), e.req.NameOf(c))
	dst = jsonedit.AppendQuote(append(dst, member...), args)
	if more := strings.TrimPrefix(strings.TrimPrefix(string(c.Extra), customMark), ","); extra && more != "" {
		dst = append(append(dst, ','), more...)
	}
	return append(dst, '}')
}

// result appends what came of a call, with its media where it has some that the wire takes.
func (e *encoder) result(dst []byte, r *llm.Result) []byte {
	kind := "function_call_output"
	if e.custom[r.CallID] {
		kind = "custom_tool_call_output"
	}
	dst = jsonedit.AppendQuote(append(e.next(dst), `{"type":`...), kind)
	dst = jsonedit.AppendQuote(append(dst, `,"call_id":`...), cmp.Or(e.ids[r.CallID], callID(r.CallID)))
	dst = append(dst, `,"output":`...)
	if hasMedia(r.Parts) {
		dst = appendParts(dst, r.Parts, false)
	} else {
		dst = jsonedit.AppendQuote(dst, r.Text)
	}
	return append(dst, '}')
}

// plainText is the text of a message.
func plainText(m *llm.Message) string {
	if len(m.Parts) == 0 {
		return m.Text
	}
	var b strings.Builder
	b.WriteString(m.Text)
	for i := range m.Parts {
		b.WriteString(m.Parts[i].Text)
	}
	return b.String()
}

func hasMedia(parts []llm.Part) bool {
	return slices.ContainsFunc(parts, func(p llm.Part) bool { return p.Kind == "image" || p.Kind == "file" })
}

// appendParts appends content that is not one text. What the wire has no part for is told as text; audio has one in what the
// user says, and none in results.
func appendParts(dst []byte, parts []llm.Part, audio bool) []byte {
	dst = append(dst, '[')
	for i := range parts {
		dst = appendPart(comma(dst, i), &parts[i], audio)
	}
	return append(dst, ']')
}

func appendPart(dst []byte, p *llm.Part, audio bool) []byte {
	switch {
	case p.Kind == "image" && (p.Data != "" || p.URI != ""):
		dst = append(dst, `{"type":"input_image","image_url":`...)
		dst = jsonedit.AppendQuote(dst, dataURL(p, "image/png"))
		if p.Detail != "" {
			dst = jsonedit.AppendQuote(append(dst, `,"detail":`...), p.Detail)
		}
		return append(dst, '}')
	case p.Kind == "file" && p.Data != "":
		dst = append(dst, `{"type":"input_file","filename":`...)
		dst = jsonedit.AppendQuote(dst, cmp.Or(p.Name, "file"))
		dst = append(dst, `,"file_data":`...)
		return append(jsonedit.AppendQuote(dst, dataURL(p, "application/pdf")), '}')
	case p.Kind == "file" && p.URI != "":
		dst = append(dst, `{"type":"input_file","file_url":`...)
		return append(jsonedit.AppendQuote(dst, p.URI), '}')
	case p.Kind == "audio" && p.Data != "" && audio:
		dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
		dst = jsonedit.AppendQuote(dst, p.Data)
		dst = append(dst, `,"format":`...)
		return append(jsonedit.AppendQuote(dst, wire.AudioFormat(p.MediaType)), `}}`...)
	}
	dst = append(dst, `{"type":"input_text","text":`...)
	return append(jsonedit.AppendQuote(dst, cmp.Or(p.Text, p.URI, p.Kind+" "+p.MediaType)), '}')
}

// dataURL is where a part's data are: with it, or elsewhere.
func dataURL(p *llm.Part, standard string) string {
	if p.Data == "" {
		return p.URI
	}
	return "data:" + cmp.Or(p.MediaType, standard) + ";base64," + p.Data
}

// appendTools appends function tools behind the n that the list has.
func appendTools(dst []byte, tools []llm.Tool, n int) []byte {
	size := 0
	for i := range tools {
		size += 96 + len(tools[i].Name) + len(tools[i].Description) + len(tools[i].Schema)
	}
	dst = slices.Grow(dst, size)
	for i := range tools {
		dst = appendTool(comma(dst, n+i), &tools[i])
	}
	return dst
}

func appendTool(dst []byte, t *llm.Tool) []byte {
	if t.Forms == nil {
		return appendFunction(dst, t)
	}
	key := llm.Form{Wire: Name, Name: t.Name}
	form := t.Forms.Get(key)
	if form == nil {
		form = t.Forms.Keep(key, appendFunction(nil, t))
	}
	return append(dst, form...)
}

// appendFunction appends a function tool. The wire takes a schema for strict unless it is told otherwise, which few schemas of
// servers are.
func appendFunction(dst []byte, t *llm.Tool) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"type":"function","name":`...), t.Name)
	if t.Description != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.Description)
	}
	dst = append(dst, `,"parameters":`...)
	if len(t.Schema) == 0 {
		dst = append(dst, `{"type":"object","properties":{}}`...)
	} else {
		dst = append(dst, t.Schema...)
	}
	dst = strconv.AppendBool(append(dst, `,"strict":`...), t.Strict != nil && *t.Strict)
	return append(dst, '}')
}
