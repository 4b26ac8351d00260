package chat

import (
	"slices"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// vendorField is the member under which a reply tells what its tools did. Clients send it back with the conversation;
// providers either refuse it or bill it.
const vendorField = "provider_specific_fields"

// rewriter copies the client's messages to out, and changes those that the provider would refuse or that stand for hidden
// turns.
type rewriter struct {
	enc      *encoder
	restored []llm.Kept
	told     []bool
	strip    bool // take the gateway's own fields out of the model's turns
	out      []byte
	n        int
	changed  bool
}

func (r *rewriter) message(m []byte) {
	r.out = comma(r.out, r.n)
	r.n++
	role, _ := jsonedit.Unquote(jsonedit.Get(m, "role"))
	switch role {
	case "assistant":
		r.assistant(m)
	case "tool":
		r.tool(m)
	default:
		r.out = append(r.out, m...)
	}
}

func (r *rewriter) assistant(m []byte) {
	calls := jsonedit.Get(m, "tool_calls")
	if k := r.keptFor(calls); k != nil {
		r.out = r.enc.messages(r.out, k.Messages, true)
		r.changed = true
		return
	}
	start := len(r.out)
	r.out = append(r.out, '{')
	n, content, changed := 0, false, false
	for key, v := range jsonedit.Members(m) {
		content = content || jsonedit.KeyIs(key, "content")
		fresh, keep := r.member(key, v)
		changed = changed || !keep || string(fresh) != string(v)
		if keep {
			r.out = append(append(append(comma(r.out, n), '"'), key...), '"', ':')
			r.out = append(r.out, fresh...)
			n++
		}
	}
	if r.enc.q.ContentRequired && !content {
		changed = true
		r.out = append(comma(r.out, n), `"content":""`...)
	}
	r.out = append(r.out, '}')
	if !changed {
		r.out = append(r.out[:start], m...)
	}
	r.changed = r.changed || changed
}

// member returns the value of a member of the model's turn as it is sent, and false if it is left out.
func (r *rewriter) member(key, v []byte) ([]byte, bool) {
	switch {
	case r.strip && jsonedit.KeyIs(key, vendorField):
		return withoutOurs(v)
	case r.enc.q.ContentRequired && jsonedit.KeyIs(key, "content") && jsonedit.IsNull(v):
		return []byte(`""`), true
	case r.enc.ids.n > 0 && jsonedit.KeyIs(key, "tool_calls"):
		return r.calls(v), true
	}
	return v, true
}

// keptFor returns the hidden turns that belong to a turn with these calls, the first time that they are asked for.
func (r *rewriter) keptFor(calls []byte) *llm.Kept {
	if len(r.restored) == 0 {
		return nil
	}
	if r.told == nil {
		r.told = make([]bool, len(r.restored))
	}
	for c := range jsonedit.Elements(calls) {
		id, ok := jsonedit.Unquote(jsonedit.Get(c, "id"))
		if !ok {
			continue
		}
		for i := range r.restored {
			if !r.told[i] && len(r.restored[i].Messages) > 0 && slices.Contains(r.restored[i].IDs, id) {
				r.told[i] = true
				return &r.restored[i]
			}
		}
	}
	return nil
}

func (r *rewriter) tool(m []byte) {
	if r.enc.ids.n == 0 {
		r.out = append(r.out, m...)
		return
	}
	out, changed := r.withID(nil, m, "tool_call_id")
	r.out = append(r.out, out...)
	r.changed = r.changed || changed
}

// calls returns a list of calls with the provider's form of their ids.
func (r *rewriter) calls(list []byte) []byte {
	if jsonedit.Kind(list) != '[' {
		return list
	}
	out, n, changed := []byte{'['}, 0, false
	for c := range jsonedit.Elements(list) {
		var other bool
		out, other = r.withID(comma(out, n), c, "id")
		changed = changed || other
		n++
	}
	if !changed {
		return list
	}
	return append(out, ']')
}

// withID appends the object with the provider's form of the id under name.
func (r *rewriter) withID(dst, obj []byte, name string) ([]byte, bool) {
	id, ok := jsonedit.Unquote(jsonedit.Get(obj, name))
	if !ok || r.enc.ids.get(id) == id {
		return append(dst, obj...), false
	}
	dst = append(dst, '{')
	n := 0
	for key, v := range jsonedit.Members(obj) {
		dst = append(append(append(comma(dst, n), '"'), key...), '"', ':')
		if n++; jsonedit.KeyIs(key, name) {
			dst = jsonedit.AppendQuote(dst, r.enc.ids.get(id))
		} else {
			dst = append(dst, v...)
		}
	}
	return append(dst, '}'), true
}

// withoutOurs returns the vendor fields without those of the gateway, and false if none is left.
func withoutOurs(fields []byte) ([]byte, bool) {
	if jsonedit.Kind(fields) != '{' {
		return fields, true
	}
	out, n := []byte{'{'}, 0
	for key, v := range jsonedit.Members(fields) {
		switch string(key) {
		case "mcp_list_tools", "mcp_tool_calls", "mcp_call_results", "mcp_errors":
			continue
		}
		out = append(append(append(comma(out, n), '"'), key...), '"', ':')
		out = append(out, v...)
		n++
	}
	return append(out, '}'), n > 0
}
