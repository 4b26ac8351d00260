package messages

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Door is the half of the messages wire that faces clients.
type Door struct {
	// KeepAlive is the longest silence of a stream that has begun; then a ping is sent. 0: 15 s.
	KeepAlive time.Duration

	newID func() string // nil: newID
}

var (
	_ wire.Door    = Door{}
	_ wire.Counter = Door{}
)

// Name is the wire's name.
func (Door) Name() string { return Name }

// Routes are the paths of messages.
func (Door) Routes() []wire.Route {
	return []wire.Route{
		{Method: http.MethodPost, Path: "/v1/messages"},
		{Method: http.MethodPost, Path: "/messages"},
	}
}

// CountRoute is where a client asks how large a request is.
func (Door) CountRoute() (wire.Route, string) {
	return wire.Route{Method: http.MethodPost, Path: "/v1/messages/count_tokens"}, countOp
}

const countOp = "/count_tokens"

// ReadRequest reads the envelope: model, stream, mocks, and what names MCP servers. Any anthropic-version is taken.
func (Door) ReadRequest(h http.Header, body []byte) (*llm.Request, error) {
	env, err := scan(body)
	if err != nil {
		return nil, err
	}
	req := &llm.Request{Raw: llm.Frame{Wire: Name, Bytes: body, Index: env}}
	req.Params.MaxCalls = -1
	if req.Model, err = readModel(env.value(body, "model")); err != nil {
		return nil, err
	}
	if req.Stream, err = boolean(env.value(body, "stream"), "stream"); err != nil {
		return nil, err
	}
	if !jsonedit.IsNull(env.value(body, "thread")) {
		return nil, noThreads()
	}
	if req.Mock, err = readMock(env, body); err != nil {
		return nil, err
	}
	form, err := readBetas(h)
	if err != nil {
		return nil, err
	}
	if req.MCP, err = readServers(env, body, form); err != nil {
		return nil, err
	}
	env.listing = form == listingBeta
	req.Headers = forwardHeaders(h, len(req.MCP) > 0)
	return req, nil
}

func readModel(lit []byte) (string, error) {
	name, ok := jsonedit.Unquote(lit)
	switch {
	case lit == nil:
		return "", fault.Invalidf("model", "model is missing: name one of those that GET /v1/models lists")
	case !ok || name == "":
		return "", fault.Invalidf("model", "model must be a string that is not empty")
	}
	return name, nil
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

// noThreads refuses a request for a conversation that the provider keeps. The SDKs' tool runner sends all of it again without
// thread when it is told so in these words.
func noThreads() error {
	return &fault.Error{
		Kind: fault.Invalid, Op: "messages.ReadRequest", Code: "thread_unsupported_request", Param: "thread",
		Message: "thread is not supported here: send the whole conversation in messages, without thread",
		Details: []byte(`{"error_code":"thread_unsupported_request","unsupported":["thread"]}`),
	}
}

// The forms in which a client asks for the MCP connector.
var connectorForms = []string{"mcp-client-2025-04-04", "mcp-client-2025-11-20", listingBeta}

// readBetas returns the newest form of the MCP connector that the anthropic-beta headers name, or "".
func readBetas(h http.Header) (string, error) {
	newest := ""
	for _, value := range h.Values(betaHeader) {
		for b := range strings.SplitSeq(value, ",") {
			b = strings.TrimSpace(b)
			if !strings.HasPrefix(b, connectorBeta) {
				continue
			}
			if !slices.Contains(connectorForms, b) {
				return "", fault.Invalidf("anthropic-beta", "anthropic-beta asks for a form of the MCP connector that is not known here; known are %s", strings.Join(connectorForms, ", "))
			}
			newest = max(newest, b)
		}
	}
	return newest, nil
}

// readMock reads an answer that the request brings along: mock_response is its text, mock_tool_calls are tool_use blocks.
func readMock(env *envelope, body []byte) (*llm.Mock, error) {
	text, calls := env.value(body, "mock_response"), env.value(body, "mock_tool_calls")
	if jsonedit.IsNull(text) && jsonedit.IsNull(calls) {
		return nil, nil
	}
	m := &llm.Mock{}
	var ok bool
	if m.Text, ok = jsonedit.Unquote(text); !ok && !jsonedit.IsNull(text) {
		return nil, fault.Invalidf("mock_response", "mock_response must be a string")
	}
	if !jsonedit.IsNull(calls) && jsonedit.Kind(calls) != '[' {
		return nil, fault.Invalidf("mock_tool_calls", "mock_tool_calls must be a list of tool_use blocks")
	}
	for c := range jsonedit.Elements(calls) {
		call, ok := readCall(c)
		if !ok {
			param := at("mock_tool_calls", len(m.Calls))
			return nil, fault.Invalidf(param, "%s must be a tool_use block with name, and input as an object", param)
		}
		m.Calls = append(m.Calls, call)
	}
	return m, nil
}

// readCall reads a tool_use block. Its input stays as it was written.
func readCall(b []byte) (llm.Call, bool) {
	name, ok := jsonedit.Unquote(jsonedit.Get(b, "name"))
	id, _ := jsonedit.Unquote(jsonedit.Get(b, "id"))
	input := jsonedit.Get(b, "input")
	if jsonedit.IsNull(input) {
		input = []byte("{}")
	}
	return llm.Call{ID: id, Name: name, Arguments: string(input)}, ok && name != "" && jsonedit.Kind(input) == '{'
}
