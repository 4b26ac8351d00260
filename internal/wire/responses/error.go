package responses

import (
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

// appendErrorEvent appends the data of an error event of its own.
func appendErrorEvent(dst []byte, sequence int64, e *fault.Error) []byte {
	dst = appendInt(append(dst, `{"type":"error","sequence_number":`...), sequence)
	return append(appendErrorMembers(dst, e), '}')
}

// appendErrorMembers appends the error twice, each member with a comma before it: flat, as the types of OpenAI's SDKs have it,
// and nested, as OpenAI's API sends it. Every client knows one of the two, and none minds the other.
func appendErrorMembers(dst []byte, e *fault.Error) []byte {
	members := func(dst []byte) []byte {
		dst = appendTextOrNull(append(dst, `"code":`...), e.Code)
		dst = jsonedit.AppendQuote(append(dst, `,"message":`...), e.Message)
		return appendTextOrNull(append(dst, `,"param":`...), e.Param)
	}
	dst = members(append(dst, ','))
	dst = jsonedit.AppendQuote(append(dst, `,"error":{"type":`...), wire.OpenAIErrorType(e))
	return append(members(append(dst, ',')), '}')
}
