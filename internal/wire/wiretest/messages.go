package wiretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/sse"
)

// MessagesReply is what a reply of the messages wire comes to for a client.
type MessagesReply struct {
	ID, Model string
	Blocks    []string // the content blocks, whole
	Stop      string
	Usage     string // the usage object at the end
	Pings     int
	Error     string // the error event that ended a stream
}

// Text is the text of all text blocks.
func (r *MessagesReply) Text() string {
	var b strings.Builder
	for _, block := range r.Blocks {
		if member(block, "type") == "text" {
			b.WriteString(member(block, "text"))
		}
	}
	return b.String()
}

// Types are the types of the blocks, in order.
func (r *MessagesReply) Types() []string {
	var out []string
	for _, block := range r.Blocks {
		out = append(out, member(block, "type"))
	}
	return out
}

// Messages checks a reply against the rules that clients of the messages wire hold it to, and fails the test where one is
// broken. A stream is one message from message_start to message_stop, or to an error; its blocks are numbered from 0 without
// gaps and come one after the other; an mcp_tool_use block has its whole input from the start and no delta, and each is
// followed by its mcp_tool_result, which has texts only; a reply stops for a tool exactly when the client has one to run.
func Messages(tb testing.TB, contentType string, body []byte) *MessagesReply {
	tb.Helper()
	c := messagesChecker{open: -1, ids: map[string]bool{}}
	if strings.HasPrefix(contentType, "text/event-stream") {
		c.stream(body)
	} else {
		c.plain(body)
	}
	if c.wrong != "" {
		tb.Fatalf("%s, in:\n%s", c.wrong, body)
	}
	return &c.MessagesReply
}

type messagesChecker struct {
	MessagesReply
	wrong   string // the first rule that was broken
	started bool
	ended   bool // the message_delta was there
	over    bool
	open    int // index of the open block, -1 for none
	block   string
	text    strings.Builder
	ids     map[string]bool // of calls: true while a hosted one waits for its result
	calls   int             // of the client
	cut     string          // a call whose input is no object: the reply must have been cut off in it
}

func (c *messagesChecker) fail(format string, args ...any) {
	if c.wrong == "" {
		c.wrong = fmt.Sprintf(format, args...)
	}
}

func (c *messagesChecker) want(ok bool, format string, args ...any) {
	if !ok {
		c.fail(format, args...)
	}
}

// member returns a member of an object, a string without its quotes.
func member(obj string, path ...string) string {
	v := jsonedit.Get([]byte(obj), path...)
	if s, ok := jsonedit.Unquote(v); ok {
		return s
	}
	return string(v)
}

func (c *messagesChecker) stream(body []byte) {
	c.want(!bytes.HasPrefix(body, []byte("id:")) && !bytes.Contains(body, []byte("\nid:")), "a frame has an id")
	events := sse.NewReader(bytes.NewReader(body), 64<<20)
	for c.wrong == "" {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.fail("the stream cannot be read: %v", err)
			return
		}
		data := string(ev.Data)
		c.want(jsonedit.Valid(ev.Data), "data that is no JSON: %s", data)
		c.want(ev.Name == member(data, "type"), "the event %q has data of type %q", ev.Name, member(data, "type"))
		c.want(!c.over, "%s after the end", ev.Name)
		c.take(ev.Name, data)
	}
	c.want(c.over, "the stream has no end")
}

func (c *messagesChecker) take(event, data string) {
	if event == "ping" {
		c.Pings++
		return
	}
	c.want(c.started || event == "message_start", "%s before message_start", event)
	switch event {
	case "message_start":
		c.want(!c.started, "two messages in one stream")
		c.started = true
		c.start(member(data, "message"))
		c.want(member(data, "message", "content") == "[]" && member(data, "message", "stop_reason") == "null", "a message_start with content or a stop_reason: %s", data)
	case "content_block_start", "content_block_delta", "content_block_stop":
		c.blockEvent(event, data)
	case "message_delta":
		c.want(c.open < 0 && !c.ended, "a message_delta inside a block, or a second one")
		c.end(member(data, "delta"), member(data, "usage"))
	case "message_stop":
		c.want(c.ended, "message_stop without message_delta")
		c.over = true
	case "error":
		c.want(member(data, "error", "type") != "" && member(data, "error", "message") != "", "an error without type or message: %s", data)
		c.Error, c.over = data, true
	default:
		c.fail("an event of the unknown type %q", event)
	}
}

// blockEvent takes an event about one block.
func (c *messagesChecker) blockEvent(event, data string) {
	if event == "content_block_start" {
		c.want(c.open < 0 && !c.ended, "a block begins inside another one or after the end: %s", data)
		c.open = len(c.Blocks)
		c.block = member(data, "content_block")
		c.text.Reset()
		c.checkStart()
	}
	c.want(c.open >= 0 && member(data, "index") == fmt.Sprint(c.open), "%s where block %d is open: %s", event, c.open, data)
	switch event {
	case "content_block_delta":
		c.delta(member(data, "delta"))
	case "content_block_stop":
		c.open = -1
		c.whole(c.complete())
	}
}

func (c *messagesChecker) start(message string) {
	c.ID, c.Model = member(message, "id"), member(message, "model")
	c.want(c.ID != "" && c.Model != "", "a message without id or model: %s", message)
	c.want(member(message, "type") == "message" && member(message, "role") == "assistant", "no message of an assistant: %s", message)
	c.counts(member(message, "usage"))
}

func (c *messagesChecker) counts(usage string) {
	for _, key := range []string{"input_tokens", "output_tokens"} {
		_, ok := jsonedit.Int([]byte(member(usage, key)))
		c.want(ok, "usage without %s: %s", key, usage)
	}
}

// checkStart checks how a block of a stream begins.
func (c *messagesChecker) checkStart() {
	switch kind := member(c.block, "type"); kind {
	case "text":
		c.want(member(c.block, "text") == "", "a text block begins with text: %s", c.block)
	case "thinking":
		c.want(member(c.block, "thinking") == "", "a thinking block begins with text: %s", c.block)
	case "tool_use":
		c.want(member(c.block, "input") == "{}", "a tool_use block begins with input: %s", c.block)
	}
}

// deltas are the deltas of the blocks that grow.
var deltas = map[string]map[string]string{
	"text":     {"text_delta": "text", "citations_delta": ""},
	"thinking": {"thinking_delta": "thinking", "signature_delta": ""},
	"tool_use": {"input_json_delta": "partial_json"},
}

func (c *messagesChecker) delta(d string) {
	kind, what := member(c.block, "type"), member(d, "type")
	key, ok := deltas[kind][what]
	c.want(ok, "a %s in a %s block", what, kind)
	if key != "" {
		c.text.WriteString(member(d, key))
	}
}

// complete is the open block with what its deltas add.
func (c *messagesChecker) complete() string {
	switch kind := member(c.block, "type"); kind {
	case "text", "thinking":
		return fmt.Sprintf(`{"type":%q,%q:%s}`, kind, kind, jsonedit.AppendQuote(nil, c.text.String()))
	case "tool_use":
		input := c.text.String()
		if input == "" {
			input = "{}"
		}
		return fmt.Sprintf(`{"type":"tool_use","id":%q,"name":%q,"input":%s}`, member(c.block, "id"), member(c.block, "name"), input)
	}
	return c.block
}

// whole checks a whole block.
func (c *messagesChecker) whole(b string) {
	c.Blocks = append(c.Blocks, b)
	switch kind := member(b, "type"); kind {
	case "text", "thinking", "redacted_thinking", "mcp_tool_listing", "server_tool_use", "compaction":
	case "tool_use", "mcp_tool_use":
		id := member(b, "id")
		_, twice := c.ids[id]
		c.want(id != "" && !twice && member(b, "name") != "", "a call without a name or an id of its own: %s", b)
		input := jsonedit.Get([]byte(b), "input")
		if jsonedit.Kind(input) != '{' || !jsonedit.Valid(input) {
			c.cut = b
		}
		c.ids[id] = kind == "mcp_tool_use"
		if c.ids[id] {
			c.want(strings.HasPrefix(id, "mcptoolu_"), "an mcp_tool_use block with the id %q", id)
			c.want(jsonedit.Get([]byte(b), "server_name") != nil, "an mcp_tool_use block without server_name: %s", b)
		} else {
			c.calls++
		}
	case "mcp_tool_result":
		id := member(b, "tool_use_id")
		c.want(c.ids[id], "a result of no call that waits for it: %s", b)
		c.ids[id] = false
		_, ok := jsonedit.Bool(jsonedit.Get([]byte(b), "is_error"))
		c.want(ok, "a result without is_error: %s", b)
		for part := range jsonedit.Elements(jsonedit.Get([]byte(b), "content")) {
			c.want(member(string(part), "type") == "text", "a result with other content than text: %s", b)
		}
	default:
		c.want(strings.HasSuffix(kind, "_tool_result"), "a block of the unknown type %q", kind)
	}
}

func (c *messagesChecker) end(delta, usage string) {
	c.ended, c.Stop, c.Usage = true, member(delta, "stop_reason"), usage
	c.want(c.cut == "" || c.Stop == "max_tokens", "the input of a call is no object: %s", c.cut)
	c.want(c.Stop != "" && c.Stop != "null", "a message that says no reason for its end: %s", delta)
	c.want((c.Stop == "tool_use") == (c.calls > 0) || c.Stop == "max_tokens", "%d calls of the client's and the stop_reason %s", c.calls, c.Stop)
	for id, waits := range c.ids {
		c.want(!waits, "the call %s has no result", id)
	}
	c.counts(usage)
}

func (c *messagesChecker) plain(body []byte) {
	c.want(jsonedit.Valid(body), "no JSON document")
	message := string(body)
	c.start(message)
	for b := range jsonedit.Elements(jsonedit.Get(body, "content")) {
		c.whole(string(b))
	}
	c.end(message, member(message, "usage"))
}
