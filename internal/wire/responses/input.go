package responses

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// The kinds of items that are looked at in many places.
const (
	kindMessage   = "message"
	kindReference = "item_reference"
	kindReasoning = "reasoning"
	kindCall      = "function_call"
	kindCustom    = "custom_tool_call"
	kindMCPList   = "mcp_list_tools"
	kindMCPCall   = "mcp_call"
	kindMCPAsk    = "mcp_approval_request"
	kindMCPAnswer = "mcp_approval_response"
)

// maxTalk bounds a conversation with all that it refers to in its place.
const maxTalk = 64 << 20

// talk is the conversation of a request, with what it refers to in its place.
type talk struct {
	body   []byte          // the request as the client sent it
	obj    jsonedit.Object // where its members stand
	tools  []ownTool       // the client's own tools
	said   []said          // all of the conversation, for the model
	own    []said          // what the client said in this request
	listed map[string]bool // labels whose tools are listed in the context already
	moved  bool            // the conversation differs from the client's input
	others bool            // the request has MCP entries that the provider serves
	cross  bool            // it has been checked for targets of other wires
}

// value returns the value of a policy key in the body, or nil.
func (t *talk) value(key string) []byte { return t.obj.Value(key).Of(t.body) }

// said is one item of a conversation.
type said struct {
	raw   []byte
	kind  string
	id    string
	param string // where the client wrote it, "input[3]"; empty for what was said in earlier requests
}

func newSaid(raw []byte, param string) said {
	s := said{raw: raw, param: param}
	var role bool
	for key, v := range jsonedit.Members(raw) {
		switch {
		case jsonedit.KeyIs(key, "type"):
			s.kind, _ = jsonedit.Unquote(v)
		case jsonedit.KeyIs(key, "id"):
			s.id, _ = jsonedit.Unquote(v)
		case jsonedit.KeyIs(key, "role"):
			role = true
		}
	}
	switch {
	case s.kind != "":
	case role:
		s.kind = kindMessage
	case s.id != "":
		s.kind = kindReference
	}
	return s
}

// text returns the text of a member, or "".
func (s *said) text(key string) string {
	v, _ := jsonedit.Unquote(jsonedit.Get(s.raw, key))
	return v
}

// byModel reports whether the model made the item. What the gateway tells beside the model's words does not count.
func (s *said) byModel() bool {
	switch s.kind {
	case kindMessage:
		return s.text("role") == "assistant"
	case kindMCPAsk, kindMCPAnswer, kindMCPList, kindReference, "compaction":
		return false
	}
	return !strings.HasSuffix(s.kind, "_output")
}

// converse reads the conversation of a request. With cross, it is for a target of another wire, which can make nothing of
// what a provider keeps.
func converse(ctx context.Context, req *llm.Request, env *envelope, cross bool) (*talk, error) {
	t := &talk{body: req.Raw.Bytes, obj: env.obj, listed: map[string]bool{}}
	var err error
	if _, t.others, err = readEntries(env.value(t.body, "tools")); err != nil {
		return nil, err
	}
	t.tools = toolTable(env.value(t.body, "tools"))
	if !jsonedit.IsNull(env.value(t.body, "conversation")) {
		return nil, fault.Invalidf("conversation", "conversation names an object that a provider keeps, and this gateway keeps none: send previous_response_id, or the conversation itself as input")
	}
	previous, _ := jsonedit.Unquote(env.value(t.body, "previous_response_id"))
	if err := t.goOn(ctx, req, previous, cross); err != nil {
		return nil, err
	}
	if err := t.input(ctx, req, env.value(t.body, "input"), cross); err != nil {
		return nil, err
	}
	if len(t.said) == 0 && previous == "" && jsonedit.IsNull(env.value(t.body, "prompt")) && jsonedit.IsNull(env.value(t.body, "input")) {
		return nil, fault.Invalidf("input", "input is missing: it is a text or a list of items")
	}
	if err := t.approvals(ctx, req); err != nil {
		return nil, err
	}
	t.lists()
	size := 0
	for i := range t.said {
		if size += len(t.said[i].raw); size > maxTalk {
			return nil, fault.Invalidf("input", "the conversation is larger than %d MiB with all that it refers to", maxTalk>>20)
		}
	}
	return t, nil
}

// goOn puts the conversation that led to an earlier reply first.
func (t *talk) goOn(ctx context.Context, req *llm.Request, previous string, cross bool) error {
	if previous == "" || !isOwn(previous) && !cross {
		return nil
	}
	var chain []llm.Reply
	var ok bool
	if req.Replies != nil && isOwn(previous) {
		var err error
		if chain, ok, err = req.Replies.Chain(ctx, previous); err != nil {
			return err
		}
	}
	if !ok || len(chain) == 0 {
		return &fault.Error{
			Kind: fault.Invalid, Code: "previous_response_not_found", Param: "previous_response_id",
			Message: "Previous response with id '" + previous + "' not found.",
		}
	}
	if status := chain[len(chain)-1].Status; status == statusQueued || status == statusInProgress {
		return fault.Invalidf("previous_response_id", "the response '%s' is not finished yet: its status is %s", previous, status)
	}
	t.moved = true
	for i := range chain {
		for _, list := range [][]byte{chain[i].Input, chain[i].Items} {
			for it := range jsonedit.Elements(list) {
				t.said = append(t.said, newSaid(it, ""))
			}
		}
	}
	return nil
}

// input adds what the client says in this request.
func (t *talk) input(ctx context.Context, req *llm.Request, input []byte, cross bool) error {
	switch jsonedit.Kind(input) {
	case '"':
		s := said{kind: kindMessage, param: "input"}
		s.raw = append(append([]byte(`{"type":"message","role":"user","content":`), jsonedit.Get(input)...), '}')
		t.own = append(t.own, s)
	case '[':
		ids := map[string]bool{}
		for i := range t.said {
			ids[t.said[i].id] = true
		}
		for it := range jsonedit.Elements(input) {
			s, err := t.item(ctx, req, it, at("input", len(t.own)), cross)
			if err != nil {
				return err
			}
			if s.id != "" && ids[s.id] {
				return fault.Invalidf("input", "Duplicate item found with id %s. Remove duplicate items from your input and try again.", s.id)
			}
			ids[s.id] = true
			t.own = append(t.own, s)
		}
	default:
		if !jsonedit.IsNull(input) {
			return fault.Invalidf("input", "input must be a text or a list of items")
		}
	}
	t.said = append(t.said, t.own...)
	return nil
}

// item reads one item of the input. A reference to an item that the gateway has kept becomes that item, and so does a call of
// the gateway's that comes back without what came of it, as @openai/agents sends it.
func (t *talk) item(ctx context.Context, req *llm.Request, it []byte, param string, cross bool) (said, error) {
	if jsonedit.Kind(it) != '{' {
		return said{}, fault.Invalidf(param, "%s must be an item, an object", param)
	}
	s := newSaid(it, param)
	own := isOwn(s.id)
	switch {
	case s.kind == "":
		return s, fault.Invalidf(param+".type", "%s.type is missing", param)
	case s.kind == kindReference && (own || cross), s.kind == kindMCPCall && own && bare(it):
	default:
		return s, nil
	}
	var kept []byte
	var ok bool
	if req.Replies != nil && own {
		var err error
		if kept, ok, err = req.Replies.Item(ctx, s.id); err != nil {
			return s, err
		}
	}
	switch {
	case ok:
		t.moved = true
		return newSaid(bytes.Clone(kept), param), nil
	case s.kind == kindMCPCall:
		return s, nil
	}
	return s, fault.Invalidf(param+".id", "Item with id '%s' not found.", s.id)
}

// bare reports whether an mcp_call does not say what came of the call.
func bare(it []byte) bool {
	return jsonedit.IsNull(jsonedit.Get(it, "output")) && jsonedit.IsNull(jsonedit.Get(it, "error"))
}

// lists takes out the lists of tools, and remembers whose they are: no second list is shown.
func (t *talk) lists() {
	t.said = slices.DeleteFunc(t.said, func(s said) bool {
		if s.kind != kindMCPList || t.others && !isOwn(s.id) {
			return false
		}
		t.moved = true
		if jsonedit.IsNull(jsonedit.Get(s.raw, "error")) {
			t.listed[s.text("server_label")] = true
		}
		return true
	})
}

// providers reports whether an item is between the client and a provider that serves MCP servers itself.
func (t *talk) providers(id string) bool { return t.others && !isOwn(id) }

// edited returns the client's body with the conversation in place of its input, for a target of this wire. A body in which
// nothing of the gateway's stands comes back as it is.
func (t *talk) edited(env *envelope) ([]byte, bool) {
	var edits []jsonedit.Edit
	if t.moved || slices.ContainsFunc(t.said, func(s said) bool { return isOwn(s.id) }) {
		edits = env.obj.Set(edits, t.body, "input", t.appendInput([]byte{'['}))
	}
	if id, _ := jsonedit.Unquote(env.value(t.body, "previous_response_id")); isOwn(id) {
		edits = env.obj.Delete(edits, t.body, "previous_response_id")
	}
	if env.obj.Value("background").Found() {
		edits = env.obj.Delete(edits, t.body, "background") // it is the gateway that goes on alone
	}
	if len(edits) == 0 {
		return t.body, false
	}
	return jsonedit.Apply(nil, t.body, edits), true
}

// appendInput appends the items as a provider takes them: without ids that only the gateway knows, and without reasoning that
// another wire's model has shown as text.
func (t *talk) appendInput(dst []byte) []byte {
	n := 0
	for i := range t.said {
		s := &t.said[i]
		own := isOwn(s.id)
		switch {
		case own && s.kind == kindReasoning:
			continue
		case own && s.kind != kindMCPCall:
			dst = appendWithout(comma(dst, n), s.raw, "id")
		default:
			dst = append(comma(dst, n), s.raw...)
		}
		n++
	}
	return append(dst, ']')
}

// appendWithout appends an object without one of its members.
func appendWithout(dst, obj []byte, name string) []byte {
	dst = append(dst, '{')
	n := 0
	for key, v := range jsonedit.Members(obj) {
		if jsonedit.KeyIs(key, name) {
			continue
		}
		dst = append(append(append(comma(dst, n), '"'), key...), `":`...)
		dst = append(dst, v...)
		n++
	}
	return append(dst, '}')
}
