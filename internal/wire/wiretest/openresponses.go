package wiretest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// OpenResponsesBody says where a response object breaks the rules of the Open Responses specification
// (https://www.openresponses.org) or those that clients of OpenAI's Responses API rely on; one line for each break.
func OpenResponsesBody(body []byte) []string {
	var c responsesCheck
	var r map[string]any
	if err := json.Unmarshal(body, &r); err != nil {
		return []string{"the response is not a JSON object: " + err.Error()}
	}
	c.response("response", r)
	return c.wrong
}

// OpenResponsesStream does the same for an event stream: one lifecycle, numbered events of known types, each item opened and
// closed, contiguous indices, an end that repeats what the events have told, [DONE] last.
func OpenResponsesStream(stream []byte) []string {
	c := responsesCheck{items: map[int]*responsesItem{}}
	frames := bytes.Split(bytes.TrimSuffix(stream, []byte("\n\n")), []byte("\n\n"))
	for i, frame := range frames {
		if bytes.HasPrefix(frame, []byte(":")) {
			continue // a comment
		}
		if string(frame) == "data: [DONE]" {
			c.must(i == len(frames)-1, "[DONE] is not last")
			c.doneMark = true
			continue
		}
		name, data, ok := strings.Cut(string(frame), "\n")
		name, named := strings.CutPrefix(name, "event: ")
		data, hasData := strings.CutPrefix(data, "data: ")
		var ev map[string]any
		if !ok || !named || !hasData || strings.Contains(data, "\n") || json.Unmarshal([]byte(data), &ev) != nil {
			c.must(false, "a frame is not one event line and one data line with a JSON object: %q", frame)
			continue
		}
		c.must(ev["type"] == name, "the event %q has the type %v", name, ev["type"])
		c.event(name, ev)
	}
	c.must(c.doneMark, "the stream does not end with [DONE]")
	c.must(c.ended != "", "the stream has no completed, incomplete or failed event")
	return c.wrong
}

// responsesEvents are the events that clients know. Others make OpenAI's own SDK give up.
var responsesEvents = strings.Fields(`
	error response.created response.queued response.in_progress response.completed response.incomplete response.failed
	response.output_item.added response.output_item.done response.content_part.added response.content_part.done
	response.output_text.delta response.output_text.done response.output_text.annotation.added response.refusal.delta response.refusal.done
	response.reasoning_summary_part.added response.reasoning_summary_part.done response.reasoning_summary_text.delta
	response.reasoning_summary_text.done response.function_call_arguments.delta response.function_call_arguments.done
	response.custom_tool_call_input.delta response.custom_tool_call_input.done
	response.mcp_list_tools.in_progress response.mcp_list_tools.completed response.mcp_list_tools.failed
	response.mcp_call.in_progress response.mcp_call.completed response.mcp_call.failed
	response.mcp_call_arguments.delta response.mcp_call_arguments.done`)

// responsesFields are the members that a response must have, null where it has nothing to say.
var responsesFields = strings.Fields(`
	id object created_at completed_at status incomplete_details model previous_response_id instructions output error tools tool_choice
	truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature reasoning usage
	max_output_tokens max_tool_calls store background service_tier metadata safety_identifier prompt_cache_key`)

type responsesCheck struct {
	wrong    []string
	next     float64
	id       any
	items    map[int]*responsesItem
	erred    bool
	ended    string
	doneMark bool
}

type responsesItem struct {
	id, kind any
	text     map[string]string // by event and part, what deltas have told
	done     any
}

func (c *responsesCheck) must(ok bool, format string, args ...any) {
	if !ok {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

func (c *responsesCheck) event(name string, ev map[string]any) {
	c.must(slices.Contains(responsesEvents, name), "clients do not know the event %s", name)
	c.must(ev["sequence_number"] == c.next, "%s has the sequence number %v, not %v", name, ev["sequence_number"], c.next)
	c.must(c.ended == "" && !c.doneMark, "%s comes after the end", name)
	c.must((c.next == 0) == (name == "response.created"), "event %v is %s", c.next, name)
	c.must(!c.erred || name == "response.failed", "%s comes after an error", name)
	c.next++
	if r, ok := ev["response"].(map[string]any); ok {
		c.whole(name, r)
		return
	}
	switch name {
	case "error":
		c.erred = true
		c.failure(ev)
	case "response.output_item.added", "response.output_item.done":
		c.item(name, ev)
	default:
		c.piece(name, ev)
	}
}

// whole checks an event with the whole response.
func (c *responsesCheck) whole(name string, r map[string]any) {
	if c.id == nil {
		c.id = r["id"]
	}
	c.must(r["id"] == c.id, "%s has the id %v, not %v", name, r["id"], c.id)
	c.response(name, r)
	word := strings.TrimPrefix(name, "response.")
	if slices.Contains([]string{"created", "queued", "in_progress"}, word) {
		c.must(len(list(r["output"])) == 0 && r["usage"] == nil, "%s has output or usage already", name)
		c.must(r["status"] == word || word == "created", "%s has the status %v", name, r["status"])
		return
	}
	c.ended = word
	c.must(r["status"] == word || word == "failed" && r["status"] == "cancelled", "%s has the status %v", name, r["status"])
	var told []any
	for i := range len(c.items) {
		it := c.items[i]
		call := it.kind == "function_call" || it.kind == "custom_tool_call"
		c.must(it.done != nil || call && word == "failed", "item %d, a %v, was not closed", i, it.kind)
		if it.done != nil {
			told = append(told, it.done)
		}
	}
	c.must(reflect.DeepEqual(told, list(r["output"])) || len(told)+len(list(r["output"])) == 0, "%s: the output is not what the items were: %v and %v", name, r["output"], told)
}

// failure checks an error event, which carries its error in both forms.
func (c *responsesCheck) failure(ev map[string]any) {
	nested, _ := ev["error"].(map[string]any)
	for _, key := range []string{"code", "message", "param"} {
		v, ok := ev[key]
		inner, both := nested[key]
		c.must(ok && both && v == inner, "the error event has the %s %v and %v", key, v, inner)
	}
	c.must(nested["type"] != nil, "the nested error has no type")
}

func (c *responsesCheck) item(name string, ev map[string]any) {
	index, _ := ev["output_index"].(float64)
	item, _ := ev["item"].(map[string]any)
	it := c.items[int(index)]
	if name == "response.output_item.added" {
		c.must(it == nil && int(index) == len(c.items) && ev["output_index"] != nil, "item %v opens at the output_index %v, with %d before it", item["id"], ev["output_index"], len(c.items))
		c.items[len(c.items)] = &responsesItem{id: item["id"], kind: item["type"], text: map[string]string{}}
		return
	}
	if it == nil || it.done != nil || it.id != item["id"] || it.kind != item["type"] {
		c.must(false, "the item %v at %v is closed, which is not open there", item["id"], index)
		return
	}
	it.done = item
	c.must(item["status"] != "in_progress", "the item %v is closed in progress", item["id"])
	c.outputItem(fmt.Sprintf("item %v", index), item)
}

// piece checks an event about an open item, and that a done event repeats what its deltas told.
func (c *responsesCheck) piece(name string, ev map[string]any) {
	index, _ := ev["output_index"].(float64)
	it := c.items[int(index)]
	if it == nil || it.done != nil || ev["output_index"] == nil || it.id != ev["item_id"] {
		c.must(false, "%s is about the item %v at %v, which is not open", name, ev["item_id"], ev["output_index"])
		return
	}
	base, delta := strings.CutSuffix(name, ".delta")
	key := fmt.Sprint(base, ev["content_index"], ev["summary_index"])
	if delta {
		s, ok := ev["delta"].(string)
		c.must(ok, "%s has no delta", name)
		it.text[key] += s
		return
	}
	if base, done := strings.CutSuffix(name, ".done"); done && !strings.HasSuffix(base, "_part") {
		key = fmt.Sprint(base, ev["content_index"], ev["summary_index"])
		for _, member := range []string{"text", "arguments", "input", "refusal"} {
			if s, ok := ev[member].(string); ok {
				empty := it.text[key] == "" && (s == "{}" || s == "")
				c.must(s == it.text[key] || empty, "%s has %q, but its deltas %q", name, s, it.text[key])
				return
			}
		}
		c.must(false, "%s does not repeat the whole", name)
	}
}

// response checks a response object.
func (c *responsesCheck) response(where string, r map[string]any) {
	for _, f := range responsesFields {
		_, ok := r[f]
		c.must(ok, "%s has no %s", where, f)
	}
	c.must(r["object"] == "response", "%s: object is %v", where, r["object"])
	c.must((r["completed_at"] != nil) == (r["status"] == "completed"), "%s: status %v, completed_at %v", where, r["status"], r["completed_at"])
	c.must((r["error"] != nil) == (r["status"] == "failed"), "%s: status %v, error %v", where, r["status"], r["error"])
	c.must((r["incomplete_details"] != nil) == (r["status"] == "incomplete"), "%s: status %v, incomplete_details %v", where, r["status"], r["incomplete_details"])
	for _, key := range []string{"id", "model", "truncation", "service_tier", "status"} {
		s, ok := r[key].(string)
		c.must(ok && s != "", "%s: %s is %v", where, key, r[key])
	}
	for _, key := range []string{"temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs", "created_at"} {
		_, ok := r[key].(float64)
		c.must(ok, "%s: %s is %v, not a number", where, key, r[key])
	}
	for _, key := range []string{"text", "reasoning", "metadata"} {
		_, ok := r[key].(map[string]any)
		c.must(ok, "%s: %s is %v, not an object", where, key, r[key])
	}
	if u, ok := r["usage"].(map[string]any); ok {
		in, _ := u["input_tokens_details"].(map[string]any)
		out, _ := u["output_tokens_details"].(map[string]any)
		c.must(in["cached_tokens"] != nil && out["reasoning_tokens"] != nil && u["input_tokens"] != nil && u["output_tokens"] != nil && u["total_tokens"] != nil, "%s: usage %v", where, u)
	}
	for i, t := range list(r["tools"]) {
		c.tool(fmt.Sprintf("%s: tools[%d]", where, i), t)
	}
	for i, it := range list(r["output"]) {
		item, _ := it.(map[string]any)
		c.outputItem(fmt.Sprintf("%s: output[%d]", where, i), item)
	}
}

// tool checks a tool that the response shows again. Nothing secret stands in it.
func (c *responsesCheck) tool(where string, v any) {
	t, _ := v.(map[string]any)
	switch t["type"] {
	case "function":
		for _, key := range []string{"name", "description", "parameters", "strict"} {
			_, ok := t[key]
			c.must(ok, "%s has no %s", where, key)
		}
	case "mcp":
		_, secret := t["authorization"]
		url, _ := t["server_url"].(string)
		c.must(!secret && t["headers"] == nil && !strings.Contains(url, "?"), "%s shows credentials", where)
	}
}

// outputItem checks an item that is complete.
func (c *responsesCheck) outputItem(where string, it map[string]any) {
	id, _ := it["id"].(string)
	kind, _ := it["type"].(string)
	_, status := it["status"].(string)
	c.must(id != "" && kind != "", "%s has the id %v and the type %v", where, it["id"], it["type"])
	c.must(status || kind == "mcp_approval_request" || kind == "reasoning", "%s, a %s, has no status", where, kind)
	switch kind {
	case "mcp_call":
		_, object := it["error"].(map[string]any)
		_, output := it["output"].(string)
		c.must(object || it["error"] == nil, "%s: error is neither an object nor null", where)
		c.must(output == (it["status"] == "completed"), "%s: status %v, output %v", where, it["status"], it["output"])
	case "mcp_list_tools":
		for _, t := range append(list(it["tools"]), it) {
			tool, _ := t.(map[string]any)
			for _, key := range []string{"description", "annotations", "error"} {
				v, ok := tool[key]
				c.must(!ok || v != nil, "%s: %s is null", where, key)
			}
		}
	case "message":
		c.must(it["role"] == "assistant", "%s has the role %v", where, it["role"])
		for _, p := range list(it["content"]) {
			p, _ := p.(map[string]any)
			_, notes := p["annotations"].([]any)
			c.must(notes || p["type"] != "output_text", "%s: a text without annotations", where)
		}
	case "function_call":
		for _, key := range []string{"call_id", "name", "arguments"} {
			_, ok := it[key].(string)
			c.must(ok, "%s has no %s", where, key)
		}
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
