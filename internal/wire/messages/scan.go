package messages

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// keys are the members of a request that the gateway acts on.
var keys = jsonedit.NewKeys(
	"model", "stream", "messages", "system", "tools", "tool_choice", "mcp_servers", "max_tokens", "thinking", "output_config",
	"output_format", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier", "container",
	"context_management", "thread", "mock_response", "mock_tool_calls", "speed", "cache_control", "betas", "effort",
)

// envelope says where the members stand that the gateway acts on. It is the Index of a request's Raw frame.
type envelope struct {
	obj     jsonedit.Object
	listing bool            // the client knows mcp_tool_listing blocks
	pinned  map[string]bool // servers whose tools the request lists itself
}

// scan checks that body is one JSON object that can be read in one way only.
func scan(body []byte) (*envelope, error) {
	obj, err := jsonedit.Scan(body, keys)
	if err != nil {
		return nil, wire.ScanFault("messages.scan", err)
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
