package chat

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// encoder appends messages and tools as a provider with the quirks q takes them.
type encoder struct {
	q   *wire.Quirks
	req *llm.Request
	ids idMap
}

func (u *Upstream) encoder(req *llm.Request) *encoder {
	return &encoder{q: &u.q, req: req, ids: idMap{n: u.q.CallIDLen}}
}

// messages appends ms with commas between them, and one before the first unless bare.
func (e *encoder) messages(dst []byte, ms []llm.Message, bare bool) []byte {
	for i := range ms {
		if i > 0 || !bare {
			dst = append(dst, ',')
		}
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
	dst = append(dst, `{"role":`...)
	dst = jsonedit.AppendQuote(dst, string(m.Role))
	dst = append(dst, `,"content":`...)
	if len(m.Parts) > 0 {
		dst = appendParts(dst, m.Parts)
	} else {
		dst = jsonedit.AppendQuote(dst, m.Text)
	}
	return append(dst, '}')
}

// assistant appends a turn of the model. Its arguments are always a JSON object, since many providers parse them.
func (e *encoder) assistant(dst []byte, m *llm.Message) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	text := m.Text
	if len(m.Parts) > 0 {
		var b strings.Builder
		for i := range m.Parts {
			b.WriteString(m.Parts[i].Text)
		}
		text += b.String()
	}
	if text == "" && len(m.Calls) > 0 && !e.q.ContentRequired {
		dst = append(dst, "null"...)
	} else {
		dst = jsonedit.AppendQuote(dst, text)
	}
	if len(m.Calls) > 0 {
		dst = append(dst, `,"tool_calls":[`...)
		for i := range m.Calls {
			dst = e.call(comma(dst, i), &m.Calls[i], m.Wire == Name)
		}
		dst = append(dst, ']')
	}
	if m.Wire == Name {
		dst = e.replay(dst, m.Extra)
	} else if m.Think != "" {
		dst = e.think(dst, m.Think)
	}
	return append(dst, '}')
}

// think appends the reasoning that a client of another wire sent back, where the provider is known to want it.
func (e *encoder) think(dst []byte, text string) []byte {
	for _, key := range []string{"reasoning_content", "reasoning"} {
		if slices.Contains(e.q.Replay, key) {
			return jsonedit.AppendQuote(append(append(append(dst, `,"`...), key...), `":`...), text)
		}
	}
	return dst
}

// replay appends those members of a turn that the provider wants back.
func (e *encoder) replay(dst, members []byte) []byte {
	if len(members) == 0 {
		return dst
	}
	for key, v := range jsonedit.Members(braced(members)) {
		if !jsonedit.IsNull(v) && e.replays(string(key)) {
			dst = append(append(append(dst, ',', '"'), key...), '"', ':')
			dst = append(dst, v...)
		}
	}
	return dst
}

// replays reports whether a member of a turn goes back. Where the table says nothing it is the reasoning and what is signed.
func (e *encoder) replays(key string) bool {
	if e.q.Replay != nil {
		return slices.Contains(e.q.Replay, key)
	}
	switch key {
	case "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "extra_content":
		return true
	}
	return strings.Contains(key, "signature")
}

func (e *encoder) call(dst []byte, c *llm.Call, extra bool) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonedit.AppendQuote(dst, e.ids.get(c.ID))
	if extra && isCustom(c) {
		dst = append(dst, `,"type":"custom","custom":{"name":`...)
		dst = jsonedit.AppendQuote(dst, e.req.NameOf(c))
		dst = append(dst, `,"input":`...)
		return append(jsonedit.AppendQuote(dst, c.Arguments), `}}`...)
	}
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = jsonedit.AppendQuote(dst, e.req.NameOf(c))
	dst = append(dst, `,"arguments":`...)
	if args := []byte(c.Arguments); jsonedit.Kind(args) == '{' && jsonedit.Valid(args) {
		dst = jsonedit.AppendQuote(dst, c.Arguments)
	} else {
		dst = append(dst, `"{}"`...)
	}
	dst = append(dst, '}')
	if extra && len(c.Extra) > 0 {
		dst = append(append(dst, ','), c.Extra...)
	}
	return append(dst, '}')
}

// isCustom reports whether c calls a custom tool, whose input is text and not JSON.
func isCustom(c *llm.Call) bool { return strings.HasPrefix(string(c.Extra), customMark) }

// customMark is the Extra of a call of a custom tool.
const customMark = `"type":"custom"`

func (e *encoder) result(dst []byte, r *llm.Result) []byte {
	dst = append(dst, `{"role":"tool","tool_call_id":`...)
	dst = jsonedit.AppendQuote(dst, e.ids.get(r.CallID))
	dst = append(dst, `,"content":`...)
	if e.q.MediaInResults && hasMedia(r.Parts) {
		dst = appendParts(dst, r.Parts)
	} else {
		dst = jsonedit.AppendQuote(dst, r.Text)
	}
	return append(dst, '}')
}

func hasMedia(parts []llm.Part) bool {
	return slices.ContainsFunc(parts, func(p llm.Part) bool { return p.Kind == "image" || p.Kind == "audio" })
}

// appendParts appends content that is not one text. What the wire has no part for is told as text.
func appendParts(dst []byte, parts []llm.Part) []byte {
	dst = append(dst, '[')
	for i := range parts {
		dst = appendPart(comma(dst, i), &parts[i])
	}
	return append(dst, ']')
}

func appendPart(dst []byte, p *llm.Part) []byte {
	switch {
	case p.Kind == "image" && (p.Data != "" || p.URI != ""):
		dst = append(dst, `{"type":"image_url","image_url":{"url":`...)
		url := p.URI
		if p.Data != "" {
			url = "data:" + cmp.Or(p.MediaType, "image/png") + ";base64," + p.Data
		}
		dst = jsonedit.AppendQuote(dst, url)
		if p.Detail != "" {
			dst = jsonedit.AppendQuote(append(dst, `,"detail":`...), p.Detail)
		}
		return append(dst, `}}`...)
	case p.Kind == "file" && p.Data != "":
		dst = append(dst, `{"type":"file","file":{"filename":`...)
		dst = jsonedit.AppendQuote(dst, cmp.Or(p.Name, "file"))
		dst = append(dst, `,"file_data":`...)
		data := p.Data
		if p.MediaType != "" {
			data = "data:" + p.MediaType + ";base64," + data
		}
		return append(jsonedit.AppendQuote(dst, data), `}}`...)
	case p.Kind == "audio" && p.Data != "":
		dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
		dst = jsonedit.AppendQuote(dst, p.Data)
		dst = append(dst, `,"format":`...)
		return append(jsonedit.AppendQuote(dst, wire.AudioFormat(p.MediaType)), `}}`...)
	}
	dst = append(dst, `{"type":"text","text":`...)
	return append(jsonedit.AppendQuote(dst, cmp.Or(p.Text, p.URI, partText(p))), '}')
}

// tools appends function tools with commas between them.
func (e *encoder) tools(dst []byte, tools []llm.Tool) []byte {
	dst = slices.Grow(dst, toolsSize(tools))
	for i := range tools {
		dst = e.tool(comma(dst, i), &tools[i])
	}
	return dst
}

func (e *encoder) tool(dst []byte, t *llm.Tool) []byte {
	if !e.q.StrictSchema {
		return appendTool(dst, t)
	}
	key := llm.Form{Wire: Name + " strict", Name: t.Name}
	form := t.Forms.Get(key)
	if form == nil {
		strict := *t
		strict.Schema = appendStrict(nil, schemaOf(t))
		form = t.Forms.Keep(key, appendFunction(nil, &strict))
	}
	return append(dst, form...)
}

// toolsSize is about how many bytes tools take.
func toolsSize(tools []llm.Tool) int {
	n := 0
	for i := range tools {
		n += 96 + len(tools[i].Name) + len(tools[i].Description) + len(tools[i].Schema)
	}
	return n
}

// appendTool appends a function tool as it is offered.
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

func appendFunction(dst []byte, t *llm.Tool) []byte {
	dst = append(dst, `{"type":"function","function":{"name":`...)
	dst = jsonedit.AppendQuote(dst, t.Name)
	dst = append(dst, `,"description":`...)
	dst = jsonedit.AppendQuote(dst, t.Description)
	dst = append(dst, `,"parameters":`...)
	dst = append(dst, schemaOf(t)...)
	if t.Strict != nil {
		dst = appendBool(append(dst, `,"strict":`...), *t.Strict)
	}
	return append(dst, `}}`...)
}

// schemaOf is the schema of a tool's arguments; a tool without one takes none.
func schemaOf(t *llm.Tool) []byte {
	if len(t.Schema) == 0 {
		return []byte(`{"type":"object","properties":{}}`)
	}
	return t.Schema
}
