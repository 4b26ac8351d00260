package messages

import (
	"bytes"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// conversation reads messages into those of llm. One message of this API becomes several where it holds what came of calls.
type conversation struct {
	out   []llm.Message
	left  []string
	names map[string]string // of the tools that were called, by call
	tools toolList          // those that the conversation brings along
}

// readSystem reads the member system: a text, or blocks of text.
func (c *conversation) readSystem(v []byte) error {
	if jsonedit.IsNull(v) {
		return nil
	}
	return c.system(v, "system")
}

func (c *conversation) system(content []byte, param string) error {
	if bytes.Contains(content, []byte(additionBlock)) {
		if err := c.additions(content, param); err != nil {
			return err
		}
	}
	parts, err := c.parts(content, param)
	if err != nil {
		return err
	}
	var all []string
	for i := range parts {
		if parts[i].Kind != "text" {
			return fault.Invalidf(param, "%s must be a text or blocks of text", param)
		}
		if parts[i].Text != "" {
			all = append(all, parts[i].Text)
		}
	}
	if len(all) > 0 {
		c.out = append(c.out, llm.Message{Role: llm.System, Text: strings.Join(all, "\n\n")})
	}
	return nil
}

// additionBlock is a block of a system message that offers a tool from there on.
const additionBlock = "tool_addition"

// additions reads the tools that a system message defines. One that it refers to is offered already.
func (c *conversation) additions(content []byte, param string) error {
	i := -1
	for b := range jsonedit.Elements(content) {
		i++
		tool := jsonedit.Get(b, "tool")
		if kindOf(b) != additionBlock || kindOf(tool) != "tool_definition" {
			continue
		}
		if err := c.tools.take(jsonedit.Get(tool, "definition"), at(param, i)+".tool.definition"); err != nil {
			return err
		}
	}
	return nil
}

// read reads one message.
func (c *conversation) read(m []byte, param string) error {
	role, _ := jsonedit.Unquote(jsonedit.Get(m, "role"))
	content := jsonedit.Get(m, "content")
	if k := jsonedit.Kind(content); k != '"' && k != '[' {
		return fault.Invalidf(param+".content", "%s.content must be a text or a list of blocks", param)
	}
	switch role {
	case "user":
		return c.user(content, param+".content")
	case "assistant":
		return c.assistant(content, param+".content")
	case "system":
		return c.system(content, param+".content")
	}
	return fault.Invalidf(param+".role", "%s.role must be user, assistant or system", param)
}

// user reads what the client says: first what came of its calls, then the rest.
func (c *conversation) user(content []byte, param string) error {
	i := 0
	var rest []llm.Part
	if jsonedit.Kind(content) == '"' {
		text, _ := jsonedit.Unquote(content)
		rest = append(rest, llm.Part{Kind: "text", Text: text})
	}
	for b := range jsonedit.Elements(content) {
		where := at(param, i)
		i++
		if kindOf(b) == "tool_result" {
			res, err := c.result(b, where)
			if err != nil {
				return err
			}
			res.Name = c.names[res.CallID]
			c.out = append(c.out, llm.Message{Role: llm.ToolRole, Result: res})
			continue
		}
		parts, err := c.part(b, where)
		if err != nil {
			return err
		}
		rest = append(rest, parts...)
	}
	switch {
	case len(rest) == 1 && rest[0].Kind == "text":
		c.out = append(c.out, llm.Message{Role: llm.User, Text: rest[0].Text})
	case len(rest) > 0:
		c.out = append(c.out, llm.Message{Role: llm.User, Parts: rest})
	}
	return nil
}

func kindOf(block []byte) string {
	kind, _ := jsonedit.Unquote(jsonedit.Get(block, "type"))
	return kind
}

// result reads a tool_result or mcp_tool_result block.
func (c *conversation) result(b []byte, param string) (*llm.Result, error) {
	id, err := needText(jsonedit.Get(b, "tool_use_id"), param+".tool_use_id")
	if err != nil {
		return nil, err
	}
	res := &llm.Result{CallID: id}
	if res.IsError, err = boolean(jsonedit.Get(b, "is_error"), param+".is_error"); err != nil {
		return nil, err
	}
	content := jsonedit.Get(b, "content")
	if jsonedit.IsNull(content) {
		return res, nil
	}
	parts, err := c.parts(content, param+".content")
	if err != nil {
		return nil, err
	}
	var lines []string
	media := false
	for i := range parts {
		if parts[i].Kind == "text" {
			lines = append(lines, parts[i].Text)
			continue
		}
		media = true
		lines = append(lines, placeholder(&parts[i]))
	}
	res.Text = strings.Join(lines, "\n")
	if media {
		res.Parts = parts
	}
	return res, nil
}

// placeholder stands in a result's text for what is no text.
func placeholder(p *llm.Part) string {
	if p.MediaType == "" {
		return "[" + p.Kind + "]"
	}
	return "[" + p.Kind + ": " + p.MediaType + "]"
}

// parts reads a text, or a list of blocks.
func (c *conversation) parts(content []byte, param string) ([]llm.Part, error) {
	if text, ok := jsonedit.Unquote(content); ok {
		return []llm.Part{{Kind: "text", Text: text}}, nil
	}
	if jsonedit.Kind(content) != '[' {
		return nil, fault.Invalidf(param, "%s must be a text or a list of blocks", param)
	}
	var out []llm.Part
	i := 0
	for b := range jsonedit.Elements(content) {
		parts, err := c.part(b, at(param, i))
		if err != nil {
			return nil, err
		}
		out = append(out, parts...)
		i++
	}
	return out, nil
}

// part reads a block of content. Blocks without a word elsewhere are told in left.
func (c *conversation) part(b []byte, param string) ([]llm.Part, error) {
	switch kind := kindOf(b); kind {
	case "text":
		text, ok := jsonedit.Unquote(jsonedit.Get(b, "text"))
		if !ok {
			return nil, fault.Invalidf(param+".text", "%s.text must be a string", param)
		}
		return []llm.Part{{Kind: "text", Text: text}}, nil
	case "image":
		return c.source(b, param, llm.Part{Kind: "image"})
	case "document":
		p := llm.Part{Kind: "file"}
		p.Name, _ = jsonedit.Unquote(jsonedit.Get(b, "title"))
		return c.source(b, param, p)
	case "search_result":
		return c.searchResult(b, param)
	case "tool_reference": // a tool search of the client's own found it, and it is offered already
		name, _ := jsonedit.Unquote(jsonedit.Get(b, "tool_name"))
		return []llm.Part{{Kind: "text", Text: "Tool found: " + name}}, nil
	case additionBlock:
		return nil, nil
	case "":
		return nil, fault.Invalidf(param+".type", "%s.type must name the type of a block", param)
	default:
		c.left = append(c.left, param+" ("+kind+")")
		return nil, nil
	}
}

// source reads where a block's data are.
func (c *conversation) source(b []byte, param string, p llm.Part) ([]llm.Part, error) {
	src := jsonedit.Get(b, "source")
	param += ".source"
	var err error
	switch kind := kindOf(src); kind {
	case "base64":
		if p.MediaType, err = needText(jsonedit.Get(src, "media_type"), param+".media_type"); err != nil {
			return nil, err
		}
		if p.Data, err = needText(jsonedit.Get(src, "data"), param+".data"); err != nil {
			return nil, err
		}
	case "url":
		if p.URI, err = needText(jsonedit.Get(src, "url"), param+".url"); err != nil {
			return nil, err
		}
	case "text":
		text, ok := jsonedit.Unquote(jsonedit.Get(src, "data"))
		if !ok {
			return nil, fault.Invalidf(param+".data", "%s.data must be a string", param)
		}
		return []llm.Part{{Kind: "text", Text: titled(p.Name, text)}}, nil
	case "content":
		return c.parts(jsonedit.Get(src, "content"), param+".content")
	case "":
		return nil, fault.Invalidf(param+".type", "%s.type must say where the data are", param)
	default: // file: it is at the provider
		c.left = append(c.left, param+" ("+kind+")")
		return nil, nil
	}
	return []llm.Part{p}, nil
}

func titled(title, text string) string {
	if title == "" {
		return text
	}
	return title + "\n\n" + text
}

// searchResult reads a block with what a search of the client's own has found.
func (c *conversation) searchResult(b []byte, param string) ([]llm.Part, error) {
	title, _ := jsonedit.Unquote(jsonedit.Get(b, "title"))
	source, _ := jsonedit.Unquote(jsonedit.Get(b, "source"))
	parts, err := c.parts(jsonedit.Get(b, "content"), param+".content")
	if err != nil {
		return nil, err
	}
	head := llm.Part{Kind: "text", Text: strings.TrimSpace(title + "\n" + source)}
	return append([]llm.Part{head}, parts...), nil
}
