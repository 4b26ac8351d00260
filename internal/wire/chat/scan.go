package chat

import (
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// keys are the members of a request that the gateway acts on.
var keys = jsonedit.NewKeys(
	"model", "stream", "stream_options", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "n",
	"response_format", "mock_response", "mock_tool_calls", "functions", "function_call", "store", "max_tokens",
	"max_completion_tokens", "user",
)

// envelope says where the members stand that the gateway acts on. It is the Index of a request's Raw frame.
type envelope struct{ obj jsonedit.Object }

// scan checks that body is one JSON object that can be read in one way only.
func scan(body []byte) (*envelope, error) {
	obj, err := jsonedit.Scan(body, keys)
	if err != nil {
		return nil, scanFault(err)
	}
	return &envelope{obj}, nil
}

func scanFault(err error) error { return wire.ScanFault("chat.scan", err) }

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
