package responses

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// keys are the members of a request that the gateway acts on.
var keys = jsonedit.NewKeys(
	"model", "stream", "stream_options", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls",
	"previous_response_id", "conversation", "background", "store", "text", "include", "reasoning", "max_output_tokens", "truncation",
	"user", "safety_identifier", "service_tier", "prompt", "mock_response", "mock_tool_calls",
)

// envelope says where the members stand that the gateway acts on. It is the Index of a request's Raw frame.
type envelope struct {
	obj  jsonedit.Object
	talk *talk // what Decode found; nil before
}

// scan checks that body is one JSON object that can be read in one way only.
func scan(body []byte) (*envelope, error) {
	obj, err := jsonedit.Scan(body, keys)
	if err != nil {
		return nil, wire.ScanFault("responses.scan", err)
	}
	return &envelope{obj: obj}, nil
}

// indexOf returns the envelope of a request of this wire. One that did not pass [Door.ReadRequest] is scanned here; where
// that fails, nothing is found.
func indexOf(req *llm.Request) *envelope {
	if env, ok := req.Raw.Index.(*envelope); ok && env != nil {
		return env
	}
	env, err := scan(req.Raw.Bytes)
	if err != nil {
		return &envelope{}
	}
	return env
}

// value returns the value of a policy key in body, or nil.
func (e *envelope) value(body []byte, key string) []byte { return e.obj.Value(key).Of(body) }

// readEnvelope reads what the gateway must know of every request.
func readEnvelope(env *envelope, body []byte, req *llm.Request) error {
	model := env.value(body, "model")
	name, ok := jsonedit.Unquote(model)
	switch {
	case model == nil:
		return fault.Invalidf("model", "model is missing: name one of those that GET /v1/models lists")
	case !ok || name == "":
		return fault.Invalidf("model", "model must be a string that is not empty")
	}
	req.Model = name
	var err error
	if req.Stream, err = boolean(env.value(body, "stream"), "stream", false); err != nil {
		return err
	}
	if req.Detached, err = boolean(env.value(body, "background"), "background", false); err != nil {
		return err
	}
	store, err := boolean(env.value(body, "store"), "store", true)
	if err != nil {
		return err
	}
	if req.Detached && !store {
		return fault.Invalidf("background", "background needs store: a reply that nobody waits for must be kept")
	}
	previous := env.value(body, "previous_response_id")
	if _, ok := jsonedit.Unquote(previous); !ok && !jsonedit.IsNull(previous) {
		return fault.Invalidf("previous_response_id", "previous_response_id must be a string")
	}
	if !jsonedit.IsNull(previous) && !jsonedit.IsNull(env.value(body, "conversation")) {
		return fault.Invalidf("conversation", "conversation and previous_response_id exclude each other: name one of them")
	}
	return nil
}

// boolean reads an optional true or false.
func boolean(lit []byte, param string, absent bool) (bool, error) {
	if jsonedit.IsNull(lit) {
		return absent, nil
	}
	v, ok := jsonedit.Bool(lit)
	if !ok {
		return false, fault.Invalidf(param, "%s must be true or false", param)
	}
	return v, nil
}

// readEntries returns the MCP entries that the gateway serves, and whether there are others, which only a provider can.
func readEntries(tools []byte) (entries []llm.MCPEntry, others bool, err error) {
	if !jsonedit.IsNull(tools) && jsonedit.Kind(tools) != '[' {
		return nil, false, fault.Invalidf("tools", "tools must be a list")
	}
	labels := map[string]bool{}
	entries, err = wire.MCPEntries(tools, func(t []byte, param string) (bool, error) {
		mine, err := checkEntry(t, param)
		if err != nil {
			return false, err
		}
		others = others || !mine
		if label, ok := jsonedit.Unquote(jsonedit.Get(t, "server_label")); ok {
			if labels[label] {
				return false, fault.Invalidf(param+".server_label", "server_label %q stands in two tools: each MCP tool needs one of its own", label)
			}
			labels[label] = true
		}
		return mine, nil
	})
	return entries, others, err
}

// checkEntry reports whether the gateway serves an MCP entry. One that names a connector or a tunnel is the provider's own.
// What would be ignored is refused.
func checkEntry(t []byte, param string) (bool, error) {
	ways, mine := 0, true
	for _, key := range []string{"server_url", "connector_id", "tunnel_id"} {
		if !jsonedit.IsNull(jsonedit.Get(t, key)) {
			ways++
			mine = mine && key == "server_url"
		}
	}
	if ways > 1 {
		return false, fault.Invalidf(param, "%s names its server in two ways: give one of server_url, connector_id and tunnel_id", param)
	}
	if !mine {
		return false, nil
	}
	deferred, err := boolean(jsonedit.Get(t, "defer_loading"), param+".defer_loading", false)
	if err != nil {
		return false, err
	}
	if deferred {
		return false, fault.Invalidf(param+".defer_loading", "%s.defer_loading: the gateway offers all tools of a server at once; leave it out", param)
	}
	return true, checkCallers(jsonedit.Get(t, "allowed_callers"), param+".allowed_callers")
}

// checkCallers wants the model itself among those that may call a server's tools: nobody else does, through the gateway.
func checkCallers(callers []byte, param string) error {
	if jsonedit.IsNull(callers) {
		return nil
	}
	if jsonedit.Kind(callers) != '[' {
		return fault.Invalidf(param, "%s must be a list of strings", param)
	}
	for c := range jsonedit.Elements(callers) {
		if jsonedit.Says(c, "direct") {
			return nil
		}
	}
	return fault.Invalidf(param, `%s must hold "direct": the gateway's tools are called by the model itself`, param)
}

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
	if jsonedit.IsNull(calls) {
		return m, nil
	}
	if jsonedit.Kind(calls) != '[' {
		return nil, fault.Invalidf("mock_tool_calls", "mock_tool_calls must be a list of tool calls")
	}
	for c := range jsonedit.Elements(calls) {
		call, ok := readMockCall(c)
		if !ok {
			return nil, fault.Invalidf(at("mock_tool_calls", len(m.Calls)), "a mock tool call needs a name, and arguments as a string: {\"name\",\"arguments\"}, or as chat has it")
		}
		m.Calls = append(m.Calls, call)
	}
	return m, nil
}

// readMockCall reads a function_call item, or a call as the chat wire writes it.
func readMockCall(c []byte) (llm.Call, bool) {
	f := c
	if jsonedit.Kind(jsonedit.Get(c, "function")) == '{' {
		f = jsonedit.Get(c, "function")
	}
	name, ok := jsonedit.Unquote(jsonedit.Get(f, "name"))
	args, _ := jsonedit.Unquote(jsonedit.Get(f, "arguments"))
	id, _ := jsonedit.Unquote(jsonedit.Get(c, "call_id"))
	if id == "" {
		id, _ = jsonedit.Unquote(jsonedit.Get(c, "id"))
	}
	return llm.Call{ID: id, Name: name, Arguments: args}, ok && name != ""
}

// ownMark stands in every id that the gateway makes: "resp_fl_…", "msg_fl_…". No provider's id has it.
const ownMark = "_fl_"

// isOwn reports whether the gateway made an id.
func isOwn(id string) bool {
	i := strings.IndexByte(id, '_')
	return i > 0 && strings.HasPrefix(id[i:], ownMark)
}

// refersToOwn reports whether a request refers to what the gateway keeps or has said: no provider could make sense of it.
// With others, MCP items without the gateway's mark are between client and provider.
func refersToOwn(env *envelope, body []byte, others bool) bool {
	if id, _ := jsonedit.Unquote(env.value(body, "previous_response_id")); isOwn(id) {
		return true
	}
	input := env.value(body, "input")
	if jsonedit.Kind(input) != '[' || !bytes.Contains(input, []byte(ownMark)) && !bytes.Contains(input, []byte(`"mcp_`)) {
		return false
	}
	for it := range jsonedit.Elements(input) {
		for _, key := range []string{"id", "approval_request_id"} {
			if id, _ := jsonedit.Unquote(jsonedit.Get(it, key)); isOwn(id) {
				return true
			}
		}
		if kind, _ := jsonedit.Unquote(jsonedit.Get(it, "type")); strings.HasPrefix(kind, "mcp_") && !others {
			return true
		}
	}
	return false
}

// at names an element of a list in errors: "input[2]".
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }
