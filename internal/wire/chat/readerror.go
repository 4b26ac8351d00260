package chat

import (
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused, as [wire.Refusal] does. That a provider
// could not read its own model's call is no fault of the request: it is of kind Upstream, and another try may do better.
func (*Upstream) ReadError(status int, body []byte) error {
	return illegible(wire.Refusal("chat.ReadError", status, body), body)
}

// toolUseFailed is Groq's code for a call of the model that it could not read. What the model wrote stands beside it
// (https://console.groq.com/docs/tool-use/local-tool-calling).
const toolUseFailed = "tool_use_failed"

// maxGeneration bounds what is told of the model's own words, in bytes.
const maxGeneration = 500

// illegible returns e, or what it means where it tells of a call that could not be read. body holds the error.
func illegible(e *fault.Error, body []byte) *fault.Error {
	if e.Code != toolUseFailed {
		return e
	}
	wrote, _ := jsonedit.Unquote(jsonedit.Get(body, "error", "failed_generation"))
	if wrote == "" {
		wrote, _ = jsonedit.Unquote(jsonedit.Get(body, "failed_generation"))
	}
	out := &fault.Error{Kind: fault.Upstream, Op: e.Op, Code: toolUseFailed, Message: "the model wrote a tool call that its provider could not read: ask again", Err: e}
	if wrote != "" {
		wrote = strings.ToValidUTF8(wrote[:min(len(wrote), maxGeneration)], "")
		out.Message += "; it wrote " + strconv.Quote(wrote)
	}
	return out
}

const opRead = "chat.ReadReply"

// replyFault is an error that a provider put into a reply of status 200.
func replyFault(v []byte) *fault.Error { return illegible(wire.ReplyFault(opRead, v), v) }

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func unfinished() *fault.Error {
	return broken("the provider's reply ended without a finish reason")
}
