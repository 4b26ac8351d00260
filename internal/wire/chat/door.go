package chat

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Door is the half of the chat wire that faces clients.
type Door struct {
	// KeepAlive is the longest silence of a stream that has begun; then a comment is sent. 0: 15 s.
	KeepAlive time.Duration
}

var _ wire.Door = Door{}

// Name is the wire's name.
func (Door) Name() string { return Name }

// Routes are the paths of chat completions.
func (Door) Routes() []wire.Route {
	return []wire.Route{
		{Method: http.MethodPost, Path: "/v1/chat/completions"},
		{Method: http.MethodPost, Path: "/chat/completions"},
	}
}

// ReadRequest reads the envelope: model, stream, mocks, and the tool entries that name MCP servers.
func (Door) ReadRequest(_ http.Header, body []byte) (*llm.Request, error) {
	env, err := scan(body)
	if err != nil {
		return nil, err
	}
	req := &llm.Request{Raw: llm.Frame{Wire: Name, Bytes: body, Index: env}}
	req.Params.MaxCalls = -1
	model := env.value(body, "model")
	name, ok := jsonedit.Unquote(model)
	switch {
	case model == nil:
		return nil, fault.Invalidf("model", "model is missing: name one of those that GET /v1/models lists")
	case !ok || name == "":
		return nil, fault.Invalidf("model", "model must be a string that is not empty")
	}
	req.Model = name
	if req.Stream, err = boolean(env.value(body, "stream"), "stream"); err != nil {
		return nil, err
	}
	if req.MCP, err = wire.MCPEntries(env.value(body, "tools"), nil); err != nil {
		return nil, err
	}
	req.Mock, err = readMock(env, body)
	return req, err
}

// boolean reads an optional true or false.
func boolean(lit []byte, param string) (bool, error) {
	if jsonedit.IsNull(lit) {
		return false, nil
	}
	v, ok := jsonedit.Bool(lit)
	if !ok {
		return false, fault.Invalidf(param, "%s must be true or false", param)
	}
	return v, nil
}

func readMock(env *envelope, body []byte) (*llm.Mock, error) {
	text, calls := env.value(body, "mock_response"), env.value(body, "mock_tool_calls")
	if jsonedit.IsNull(text) && jsonedit.IsNull(calls) {
		return nil, nil
	}
	m := &llm.Mock{}
	if !jsonedit.IsNull(text) {
		s, ok := jsonedit.Unquote(text)
		if !ok {
			return nil, fault.Invalidf("mock_response", "mock_response must be a string")
		}
		m.Text = s
	}
	if jsonedit.IsNull(calls) {
		return m, nil
	}
	if jsonedit.Kind(calls) != '[' {
		return nil, fault.Invalidf("mock_tool_calls", "mock_tool_calls must be a list of tool calls")
	}
	for c := range jsonedit.Elements(calls) {
		call, ok := readCall(c)
		if !ok {
			return nil, fault.Invalidf("mock_tool_calls["+strconv.Itoa(len(m.Calls))+"]", "a mock tool call needs function.name, and function.arguments as a string")
		}
		m.Calls = append(m.Calls, call)
	}
	return m, nil
}

// readCall reads a complete call, `{"id","type":"function","function":{"name","arguments"}}`.
func readCall(c []byte) (llm.Call, bool) {
	name, ok := jsonedit.Unquote(jsonedit.Get(c, "function", "name"))
	id, _ := jsonedit.Unquote(jsonedit.Get(c, "id"))
	args, _ := jsonedit.Unquote(jsonedit.Get(c, "function", "arguments"))
	return llm.Call{ID: id, Name: name, Arguments: args}, ok
}

// WriteError answers with err in the wire's form, `{"error":{"message","type","param","code"}}`.
func (Door) WriteError(w http.ResponseWriter, err error) { wire.WriteOpenAIError(w, err) }

func appendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonedit.AppendQuote(dst, s)
}
