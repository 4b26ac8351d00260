package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// DecodeAll is Decode, and reads the conversation, the tools and all Params too: for a target of another wire.
//
// What such a target cannot be told and what changes the answer stands in Params.Left: logit_bias, n above 1, audio
// output, prediction, web_search_options, tools and parts of a type that only some chat providers know, and every member
// that is not known at all. Left out without a word is what only the bookkeeping of a provider reads: metadata, store,
// stream_options, prompt_cache_retention, cache_control, and the name of a speaker.
//
// A custom tool becomes a function with one argument, "input"; the door turns calls of it back. So do the functions that
// came before tools, and their calls.
func (d Door) DecodeAll(ctx context.Context, req *llm.Request) error {
	if err := d.Decode(ctx, req); err != nil {
		return err
	}
	env, body := indexOf(req), req.Raw.Bytes
	r := reader{p: &req.Params, looped: len(req.MCP) > 0}
	req.Params.Left = nil
	if err := r.params(body); err != nil {
		return err
	}
	if err := r.tools(env.value(body, "tools"), env.value(body, "functions")); err != nil {
		return err
	}
	if err := r.choice(env.value(body, "tool_choice"), env.value(body, "function_call")); err != nil {
		return err
	}
	if err := r.messages(env.value(body, "messages")); err != nil {
		return err
	}
	req.Tools, req.Messages = r.offered, r.said
	req.Params.PastCalls = nil
	for i := range req.Messages {
		req.Params.PastCalls = append(req.Params.PastCalls, req.Messages[i].Calls...)
	}
	return nil
}

// reader reads a whole request into the words of llm.
type reader struct {
	p       *llm.Params
	looped  bool // the request names servers of the gateway
	offered []llm.Tool
	said    []llm.Message
	names   map[string]string // the names of calls by their ids
	legacy  string            // the id of the last call in the form that came before tools
}

// left tells of something that no other wire has a word for.
func (r *reader) left(name string) {
	if len(r.p.Left) < maxLeft && !slices.Contains(r.p.Left, name) {
		r.p.Left = append(r.p.Left, name)
	}
}

// maxLeft bounds what is told to the client about what it may not send.
const maxLeft = 32

func (r *reader) messages(list []byte) error {
	r.said = []llm.Message{}
	r.names = map[string]string{}
	for m := range jsonedit.Elements(list) {
		at := fmt.Sprintf("messages[%d]", len(r.said))
		if jsonedit.Kind(m) != '{' {
			return fault.Invalidf(at, "%s must be an object", at)
		}
		msg, err := r.message(m, at)
		if err != nil {
			return err
		}
		r.said = append(r.said, msg)
	}
	return nil
}

func (r *reader) message(m []byte, at string) (llm.Message, error) {
	role, _ := jsonedit.Unquote(jsonedit.Get(m, "role"))
	switch role {
	case "system", "developer":
		c, err := r.content(m, at)
		return llm.Message{Role: llm.System, Text: joinTexts(c, "\n")}, err
	case "user":
		c, err := r.content(m, at)
		if len(c) == 1 && c[0].Kind == "text" || len(c) == 0 {
			return llm.Message{Role: llm.User, Text: joinTexts(c, "")}, err
		}
		return llm.Message{Role: llm.User, Parts: c}, err
	case "assistant":
		return r.assistant(m, at)
	case "tool", "function":
		return r.result(m, at, role)
	}
	return llm.Message{}, fault.Invalidf(at+".role", "%s.role must be system, developer, user, assistant or tool", at)
}

func (r *reader) assistant(m []byte, at string) (llm.Message, error) {
	c, err := r.content(m, at)
	if err != nil {
		return llm.Message{}, err
	}
	msg := llm.Message{Role: llm.Assistant, Text: joinTexts(c, "")}
	for key, v := range jsonedit.Members(m) {
		switch string(key) {
		case "refusal":
			said, _ := jsonedit.Unquote(v)
			msg.Text += said
		case "reasoning_content", "reasoning":
			if msg.Think == "" {
				msg.Think, _ = jsonedit.Unquote(v)
			}
		case "audio", "prefix":
			if !jsonedit.IsNull(v) && string(v) != "false" {
				r.left(string(key))
			}
		case "tool_calls":
			err = r.calls(v, at+".tool_calls", &msg)
		case "function_call":
			err = r.legacyCall(v, at+".function_call", &msg)
		}
		if err != nil {
			return msg, err
		}
	}
	return msg, nil
}

func (r *reader) calls(list []byte, at string, msg *llm.Message) error {
	if jsonedit.IsNull(list) {
		return nil
	}
	if jsonedit.Kind(list) != '[' {
		return fault.Invalidf(at, "%s must be a list of tool calls", at)
	}
	for v := range jsonedit.Elements(list) {
		call, ok := readCall(v)
		if name, custom := jsonedit.Unquote(jsonedit.Get(v, "custom", "name")); !ok && custom {
			input, _ := jsonedit.Unquote(jsonedit.Get(v, "custom", "input"))
			call.Name, call.Arguments, ok = name, asArguments(input), true
		}
		if here := fmt.Sprintf("%s[%d]", at, len(msg.Calls)); !ok || call.ID == "" {
			return fault.Invalidf(here, "%s must be a tool call with an id and function.name", here)
		}
		r.names[call.ID] = call.Name
		msg.Calls = append(msg.Calls, call)
	}
	return nil
}

// legacyCall reads a call in the form that came before tools. It has no id.
func (r *reader) legacyCall(v []byte, at string, msg *llm.Message) error {
	if jsonedit.IsNull(v) {
		return nil
	}
	name, ok := jsonedit.Unquote(jsonedit.Get(v, "name"))
	if !ok {
		return fault.Invalidf(at, "%s must be an object with name and arguments", at)
	}
	args, _ := jsonedit.Unquote(jsonedit.Get(v, "arguments"))
	r.legacy = fmt.Sprintf("call_%d", len(r.said))
	r.names[r.legacy] = name
	msg.Calls = append(msg.Calls, llm.Call{ID: r.legacy, Name: name, Arguments: args})
	return nil
}

// result reads what came of a call.
func (r *reader) result(m []byte, at, role string) (llm.Message, error) {
	id, ok := jsonedit.Unquote(jsonedit.Get(m, "tool_call_id"))
	if role == "function" {
		id, ok = r.legacy, r.legacy != ""
	}
	if !ok {
		return llm.Message{}, fault.Invalidf(at+".tool_call_id", "%s must name the call that it answers, in tool_call_id", at)
	}
	c, err := r.content(m, at)
	if err != nil {
		return llm.Message{}, err
	}
	res := &llm.Result{CallID: id, Name: r.names[id], Text: joinTexts(c, "\n")}
	if slices.ContainsFunc(c, func(p llm.Part) bool { return p.Kind != "text" }) {
		res.Parts = c
	}
	return llm.Message{Role: llm.ToolRole, Result: res}, nil
}

// content reads the content of a message: nothing, one text, or parts.
func (r *reader) content(m []byte, at string) ([]llm.Part, error) {
	v := jsonedit.Get(m, "content")
	if jsonedit.IsNull(v) {
		return nil, nil
	}
	if s, ok := jsonedit.Unquote(v); ok {
		return []llm.Part{{Kind: "text", Text: s}}, nil
	}
	at += ".content"
	if jsonedit.Kind(v) != '[' {
		return nil, fault.Invalidf(at, "%s must be a string or a list of parts", at)
	}
	var out []llm.Part
	n := 0
	for p := range jsonedit.Elements(v) {
		part, ok, err := r.part(p, fmt.Sprintf("%s[%d]", at, n))
		if err != nil {
			return nil, err
		}
		if n++; ok {
			out = append(out, part)
		}
	}
	return out, nil
}

// part reads one part of a content; false for one that is left.
func (r *reader) part(v []byte, at string) (llm.Part, bool, error) {
	kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type"))
	switch kind {
	case "text", "refusal":
		s, ok := jsonedit.Unquote(jsonedit.Get(v, kind))
		if !ok {
			return llm.Part{}, false, fault.Invalidf(at+"."+kind, "%s.%s must be a string", at, kind)
		}
		return llm.Part{Kind: "text", Text: s}, true, nil
	case "image_url":
		return image(v, at)
	case "input_audio":
		data, ok := jsonedit.Unquote(jsonedit.Get(v, "input_audio", "data"))
		if !ok {
			return llm.Part{}, false, fault.Invalidf(at+".input_audio", "%s.input_audio must have data", at)
		}
		format, _ := jsonedit.Unquote(jsonedit.Get(v, "input_audio", "format"))
		return llm.Part{Kind: "audio", MediaType: audioType(format), Data: data}, true, nil
	case "file":
		return r.file(v, at)
	case "":
		return llm.Part{}, false, fault.Invalidf(at+".type", "%s must be a part with a type", at)
	}
	r.left(kind)
	return llm.Part{}, false, nil
}

func image(v []byte, at string) (llm.Part, bool, error) {
	url, ok := jsonedit.Unquote(jsonedit.Get(v, "image_url", "url"))
	if !ok { // some clients send the address itself
		url, ok = jsonedit.Unquote(jsonedit.Get(v, "image_url"))
	}
	if !ok || url == "" {
		return llm.Part{}, false, fault.Invalidf(at+".image_url.url", "%s.image_url must have an url", at)
	}
	p := llm.Part{Kind: "image"}
	p.Detail, _ = jsonedit.Unquote(jsonedit.Get(v, "image_url", "detail"))
	if p.MediaType, p.Data, ok = dataURL(url); !ok {
		p.URI = url
	}
	return p, true, nil
}

// file reads a file's bytes. One that was uploaded to a provider is not there for another.
func (r *reader) file(v []byte, at string) (llm.Part, bool, error) {
	data, ok := jsonedit.Unquote(jsonedit.Get(v, "file", "file_data"))
	if !ok {
		if jsonedit.Get(v, "file", "file_id") == nil {
			return llm.Part{}, false, fault.Invalidf(at+".file", "%s.file must have file_data or file_id", at)
		}
		r.left("file_id")
		return llm.Part{}, false, nil
	}
	p := llm.Part{Kind: "file"}
	p.Name, _ = jsonedit.Unquote(jsonedit.Get(v, "file", "filename"))
	if p.MediaType, p.Data, ok = dataURL(data); !ok {
		p.MediaType, p.Data = "", data
	}
	return p, true, nil
}

// dataURL takes a base64 data: URL apart.
func dataURL(url string) (mediaType, data string, ok bool) {
	if len(url) < 5 || !strings.EqualFold(url[:5], "data:") {
		return "", "", false
	}
	head, data, ok := strings.Cut(url[5:], ",")
	if !ok || !strings.HasSuffix(head, ";base64") {
		return "", "", false
	}
	mediaType, _, _ = strings.Cut(strings.TrimSuffix(head, ";base64"), ";")
	return mediaType, data, true
}

// audioType is the media type of one of the wire's audio formats.
func audioType(format string) string {
	switch format {
	case "", "wav":
		return "audio/wav"
	case "mp3":
		return "audio/mpeg"
	}
	return "audio/" + format
}

// joinTexts is the text of the parts that have one, and a line for each of the others.
func joinTexts(parts []llm.Part, sep string) string {
	var b strings.Builder
	for i := range parts {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(partText(&parts[i]))
	}
	return b.String()
}

// partText is a part as text: what cannot be shown is described.
func partText(p *llm.Part) string {
	switch {
	case p.Kind == "text" || p.Text != "":
		return p.Text
	case p.URI != "":
		return "[" + p.Kind + ": " + p.URI + "]"
	case p.Name != "":
		return "[" + p.Kind + ": " + p.Name + "]"
	case p.MediaType != "":
		return "[" + p.Kind + ": " + p.MediaType + "]"
	}
	return "[" + p.Kind + "]"
}
