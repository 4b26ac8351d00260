package mcp

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// convert turns a tools/call result into what a model reads. limit bounds the text, and separately the media, in bytes. shorten
// returns what is shown of the whole text, and a notice if that is not all.
func convert(raw []byte, limit int, shorten func(text string) (head, notice string)) llm.Result {
	if jsonedit.Kind(raw) != '{' {
		return llm.Result{Text: "Error: the server's answer is not a tool result", IsError: true}
	}
	isError, _ := jsonedit.Bool(jsonedit.Get(raw, "isError"))
	if jsonedit.Says(jsonedit.Get(raw, "resultType"), "input_required") {
		return llm.Result{Text: "Error: the tool asks for input from a user, which cannot be given here", IsError: true}
	}
	c := converter{limit: limit, media: limit}
	for el := range jsonedit.Elements(jsonedit.Get(raw, "content")) {
		c.block(el)
	}
	if v := jsonedit.Get(raw, "structuredContent"); !c.said && !jsonedit.IsNull(v) {
		c.lead(string(jsonedit.Compact(nil, v)))
	}
	return c.result(isError, shorten)
}

// converter collects the blocks of one result.
type converter struct {
	limit int
	media int // bytes of media that may still be kept
	lines []string
	parts []llm.Part
	said  bool // there is text of the tool's own
	rich  bool // there is a part that is not text
}

// lead puts text before everything else.
func (c *converter) lead(text string) {
	c.lines = append([]string{text}, c.lines...)
	c.parts = append([]llm.Part{{Kind: "text", Text: text}}, c.parts...)
}

func (c *converter) text(text string) {
	if text == "" {
		return
	}
	c.said = true
	c.note(text)
}

// note adds a line that is text for every wire.
func (c *converter) note(line string) {
	c.lines = append(c.lines, line)
	c.parts = append(c.parts, llm.Part{Kind: "text", Text: line})
}

// block adds one content block.
func (c *converter) block(el []byte) {
	switch kind := str(el, "type"); kind {
	case "text":
		c.text(str(el, "text"))
	case "image", "audio":
		c.binary(kind, str(el, "mimeType"), str(el, "data"), "")
	case "resource":
		c.resource(jsonedit.Get(el, "resource"))
	case "resource_link":
		c.note(line("resource link", str(el, "uri"), str(el, "name"), str(el, "mimeType"), str(el, "description")))
	default:
		c.note(line("content of the kind "+quote(kind)+" that cannot be shown", str(el, "uri"), str(el, "mimeType")))
	}
}

// resource adds an embedded resource: its text, or what its bytes are.
func (c *converter) resource(res []byte) {
	uri, mime := str(res, "uri"), str(res, "mimeType")
	if text, ok := jsonedit.Unquote(jsonedit.Get(res, "text")); ok {
		if text == "" {
			c.note(line("empty resource", uri, mime))
		}
		c.text(text)
		return
	}
	kind, _, _ := strings.Cut(mime, "/")
	if kind != "image" && kind != "audio" {
		kind = "resource"
	}
	c.binary(kind, mime, str(res, "blob"), uri)
}

// binary adds bytes in base64: as a line of text, and as a part for wires that take media.
func (c *converter) binary(kind, mime, data, uri string) {
	about := line(kind, uri, mime, fmt.Sprintf("%d bytes", decodedLen(data)))
	if kind == "resource" || len(data) == 0 || len(data) > c.media {
		c.note(about)
		return
	}
	c.media -= len(data)
	c.rich = true
	c.lines = append(c.lines, about)
	c.parts = append(c.parts, llm.Part{Kind: kind, MediaType: mime, Data: data, URI: uri})
}

func (c *converter) result(isError bool, shorten func(text string) (head, notice string)) llm.Result {
	if len(c.lines) == 0 {
		c.note("(no output)")
	}
	text := strings.Join(c.lines, "\n")
	mark := isError && !strings.HasPrefix(text, "Error: ")
	if mark {
		text = "Error: " + text
	}
	head, notice := shorten(text)
	res := llm.Result{Text: noted(head, notice), IsError: isError}
	if !c.rich {
		return res
	}
	left := len(head)
	for _, p := range c.parts {
		if p.Kind == "text" {
			n := whole(p.Text, left)
			if left -= n; n == 0 {
				continue
			}
			p.Text = p.Text[:n]
		}
		res.Parts = append(res.Parts, p)
	}
	if notice != "" {
		res.Parts = append(res.Parts, llm.Part{Kind: "text", Text: notice})
	}
	if mark {
		res.Parts = append([]llm.Part{{Kind: "text", Text: "Error:"}}, res.Parts...)
	}
	return res
}

// cut bounds a text. It is cut between characters, and a last line says how much of it is there.
func cut(text string, limit int) string {
	return noted((*spill)(nil).shorten(context.Background(), nil, "", text, limit))
}

// noted is a text with a last line that says what is not there.
func noted(head, notice string) string {
	if notice == "" {
		return head
	}
	return head + "\n" + notice
}

// line describes what cannot be shown: [kind fact, fact].
func line(kind string, facts ...string) string {
	var known []string
	for _, f := range facts {
		if f != "" {
			known = append(known, f)
		}
	}
	if known == nil {
		return "[" + kind + "]"
	}
	return "[" + kind + ": " + strings.Join(known, ", ") + "]"
}

// decodedLen is how many bytes a base64 text stands for.
func decodedLen(data string) int {
	return len(strings.TrimRight(data, "=")) * 3 / 4
}

func str(obj []byte, key string) string {
	s, _ := jsonedit.Unquote(bytes.TrimSpace(jsonedit.Get(obj, key)))
	return s
}
