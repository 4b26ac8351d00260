package chat

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Decode reads what the tool loop must know: the names of the client's own tools, the controls, and the calls that the
// conversation's assistant messages made. The messages themselves stay bytes.
func (Door) Decode(_ context.Context, req *llm.Request) error {
	env, body := indexOf(req), req.Raw.Bytes
	if tools := env.value(body, "tools"); !jsonedit.IsNull(tools) && jsonedit.Kind(tools) != '[' {
		return fault.Invalidf("tools", "tools must be a list")
	}
	req.Tools = readTools(env, body)
	if err := readParams(env, body, &req.Params); err != nil {
		return err
	}
	messages := env.value(body, "messages")
	if jsonedit.Kind(messages) != '[' {
		return fault.Invalidf("messages", "messages must be a list")
	}
	req.Params.PastCalls = nil
	for m := range jsonedit.Elements(messages) {
		for c := range jsonedit.Elements(jsonedit.Get(m, "tool_calls")) {
			if call, ok := readCall(c); ok && call.ID != "" {
				req.Params.PastCalls = append(req.Params.PastCalls, call)
			}
		}
	}
	return nil
}

// DecodeAll reads the conversation too.
func (d Door) DecodeAll(ctx context.Context, req *llm.Request) error { return d.Decode(ctx, req) }

// readTools returns the client's own tools, by name: function and custom tools, and the old functions.
func readTools(env *envelope, body []byte) []llm.Tool {
	tools := []llm.Tool{}
	add := func(lit []byte) {
		if name, ok := jsonedit.Unquote(lit); ok {
			tools = append(tools, llm.Tool{Name: name})
		}
	}
	for t := range jsonedit.Elements(env.value(body, "tools")) {
		add(jsonedit.Get(t, "function", "name"))
		add(jsonedit.Get(t, "custom", "name"))
	}
	for f := range jsonedit.Elements(env.value(body, "functions")) {
		add(jsonedit.Get(f, "name"))
	}
	return tools
}

func readParams(env *envelope, body []byte, p *llm.Params) error {
	var err error
	if p.N, err = integer(env.value(body, "n"), "n", 0); err != nil {
		return err
	}
	if p.MaxCalls, err = integer(env.value(body, "max_tool_calls"), "max_tool_calls", -1); err != nil {
		return err
	}
	if lit := env.value(body, "parallel_tool_calls"); !jsonedit.IsNull(lit) {
		parallel, err := boolean(lit, "parallel_tool_calls")
		if err != nil {
			return err
		}
		p.OneByOne = !parallel
	}
	format, _ := jsonedit.Unquote(jsonedit.Get(env.value(body, "response_format"), "type"))
	p.JSON = format == "json_object" || format == "json_schema"
	p.ForcedTool = forces(env.value(body, "tool_choice"))
	return nil
}

// forces reports whether a tool choice demands a call.
func forces(choice []byte) bool {
	if word, ok := jsonedit.Unquote(choice); ok {
		return word == "required" || word == "any"
	}
	if jsonedit.Kind(choice) != '{' {
		return false
	}
	if kind, _ := jsonedit.Unquote(jsonedit.Get(choice, "type")); kind == "allowed_tools" {
		mode, _ := jsonedit.Unquote(jsonedit.Get(choice, "allowed_tools", "mode"))
		return mode == "required"
	}
	return true
}

func integer(lit []byte, param string, absent int) (int, error) {
	if jsonedit.IsNull(lit) {
		return absent, nil
	}
	n, ok := jsonedit.Int(lit)
	if !ok || n < 0 || n > 1<<20 {
		return 0, fault.Invalidf(param, "%s must be a whole number that is not negative", param)
	}
	return int(n), nil
}

// readEntries returns the tool entries of type mcp.
func readEntries(tools []byte) ([]llm.MCPEntry, error) {
	var out []llm.MCPEntry
	i := -1
	for t := range jsonedit.Elements(tools) {
		i++
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		if kind == "mcp" || bytes.Contains(t, []byte(`"mcp"`)) {
			if err := oneReading(t, fmt.Sprintf("tools[%d]", i)); err != nil {
				return nil, err
			}
		}
		if kind != "mcp" {
			continue
		}
		e, err := readEntry(t, fmt.Sprintf("tools[%d]", i))
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// entryKeys are the members of an entry that the gateway acts on.
var entryKeys = jsonedit.NewKeys("type", "server_url", "server_label", "allowed_tools", "require_approval", "headers", "authorization")

// oneReading refuses a tool that says twice, or in a disguise, what the gateway acts on: another reader could take the other one.
func oneReading(t []byte, param string) error {
	_, err := jsonedit.Scan(t, entryKeys)
	a, ok := errors.AsType[*jsonedit.AmbiguousError](err)
	if !ok {
		return nil // what is no object is told by whoever reads it
	}
	return &fault.Error{
		Kind: fault.Invalid, Op: "chat.readEntries", Code: "ambiguous_json", Param: param + "." + a.Key,
		Message: param + " can be read in two ways: " + a.Msg,
	}
}

// readEntry reads one entry: OpenAI's MCP tool object, as far as a chat request uses it.
func readEntry(t []byte, param string) (llm.MCPEntry, error) {
	e := llm.MCPEntry{Param: param}
	for key, v := range jsonedit.Members(t) {
		var err error
		if jsonedit.IsNull(v) {
			continue
		}
		at := param + "." + string(key)
		switch string(key) {
		case "server_url":
			e.URL, err = text(v, at)
		case "server_label":
			e.Label, err = text(v, at)
		case "allowed_tools":
			err = readAllowed(v, at, &e)
		case "require_approval":
			e.Approval, err = readApproval(v, at)
		case "headers":
			err = readHeaders(v, at, &e)
		case "authorization":
			err = readAuthorization(v, at, &e)
		default: // server_description and what is to come: nothing that the loop needs
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

func text(v []byte, param string) (string, error) {
	s, ok := jsonedit.Unquote(v)
	if !ok {
		return "", fault.Invalidf(param, "%s must be a string", param)
	}
	return s, nil
}

func texts(v []byte, param string) ([]string, error) {
	if jsonedit.Kind(v) != '[' {
		return nil, fault.Invalidf(param, "%s must be a list of strings", param)
	}
	out := []string{}
	for el := range jsonedit.Elements(v) {
		s, err := text(el, fmt.Sprintf("%s[%d]", param, len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// readAllowed reads allowed_tools: a list of names, or {"tool_names","read_only"}. An empty list allows none.
func readAllowed(v []byte, param string, e *llm.MCPEntry) error {
	if jsonedit.Kind(v) == '{' {
		f, err := readFilter(v, param)
		e.Allowed, e.Filtered, e.ReadOnly = f.Names, f.Names != nil, f.ReadOnly
		return err
	}
	if jsonedit.Kind(v) != '[' {
		return fault.Invalidf(param, "%s must be a list of names or an object with tool_names and read_only", param)
	}
	var err error
	e.Allowed, err = texts(v, param)
	e.Filtered = true
	return err
}

func readFilter(v []byte, param string) (llm.Filter, error) {
	f := llm.Filter{Set: true}
	if jsonedit.Kind(v) != '{' {
		return f, fault.Invalidf(param, "%s must be an object with tool_names or read_only", param)
	}
	for key, val := range jsonedit.Members(v) {
		if jsonedit.IsNull(val) {
			continue
		}
		at := param + "." + string(key)
		switch string(key) {
		case "tool_names":
			names, err := texts(val, at)
			if err != nil {
				return f, err
			}
			f.Names = names
		case "read_only":
			b, err := boolean(val, at)
			if err != nil {
				return f, err
			}
			f.ReadOnly = &b
		default:
			return f, fault.Invalidf(at, "%s is not known: a filter has tool_names and read_only", at)
		}
	}
	return f, nil
}

// readApproval reads require_approval. Whatever is not "never" asks.
func readApproval(v []byte, param string) (llm.Approval, error) {
	var a llm.Approval
	if word, ok := jsonedit.Unquote(v); ok {
		a.Never = word == "never"
		return a, nil
	}
	if jsonedit.Kind(v) != '{' {
		return a, fault.Invalidf(param, `%s must be "never", "always" or an object with never and always`, param)
	}
	for key, val := range jsonedit.Members(v) {
		if jsonedit.IsNull(val) {
			continue
		}
		at := param + "." + string(key)
		f, err := readFilter(val, at)
		if err != nil {
			return a, err
		}
		switch string(key) {
		case "never":
			a.RunFor = f
		case "always":
			a.AskFor = f
		default:
			return a, fault.Invalidf(at, "%s is not known: the object form has never and always", at)
		}
	}
	return a, nil
}

func readHeaders(v []byte, param string, e *llm.MCPEntry) error {
	if jsonedit.Kind(v) != '{' {
		return fault.Invalidf(param, "%s must be an object of strings", param)
	}
	if e.Headers == nil {
		e.Headers = map[string]string{}
	}
	for key, val := range jsonedit.Members(v) {
		name, ok := jsonedit.Unquote([]byte(`"` + string(key) + `"`))
		if !ok {
			continue
		}
		s, err := text(val, param+"."+name)
		if err != nil {
			return err
		}
		e.Headers[name] = s
	}
	return nil
}

// readAuthorization takes OpenAI's member for an access token: it is sent as a bearer token.
func readAuthorization(v []byte, param string, e *llm.MCPEntry) error {
	token, err := text(v, param)
	if err != nil {
		return err
	}
	if e.Headers == nil {
		e.Headers = map[string]string{}
	}
	if e.Headers["Authorization"] == "" {
		e.Headers["Authorization"] = "Bearer " + token
	}
	return nil
}
