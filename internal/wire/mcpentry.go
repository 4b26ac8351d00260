package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// MCPEntries reads the entries of type mcp in a list of tools: OpenAI's MCP tool object, which clients send in all dialects.
// Tools of other types are passed over. With ours set, it is asked about each entry first, and may leave it to the provider
// or refuse it; param says where the entry stands, "tools[0]".
func MCPEntries(tools []byte, ours func(entry []byte, param string) (bool, error)) ([]llm.MCPEntry, error) {
	var out []llm.MCPEntry
	i := -1
	for t := range jsonedit.Elements(tools) {
		i++
		isMCP := jsonedit.Says(jsonedit.Get(t, "type"), "mcp")
		if !isMCP && !bytes.Contains(t, []byte(`"mcp"`)) {
			continue
		}
		param := "tools[" + strconv.Itoa(i) + "]"
		if err := oneReading(t, param); err != nil {
			return nil, err
		}
		if !isMCP {
			continue
		}
		if ours != nil {
			if mine, err := ours(t, param); err != nil {
				return nil, err
			} else if !mine {
				continue
			}
		}
		e, err := MCPEntry(t, param)
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
		Kind: fault.Invalid, Op: "wire.MCPEntries", Code: "ambiguous_json", Param: param + "." + a.Key,
		Message: param + " can be read in two ways: " + a.Msg,
	}
}

// MCPEntry reads one entry of type mcp, as far as the loop uses it.
func MCPEntry(t []byte, param string) (llm.MCPEntry, error) {
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
			b, ok := jsonedit.Bool(val)
			if !ok {
				return f, fault.Invalidf(at, "%s must be true or false", at)
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
