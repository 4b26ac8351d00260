package responses

import (
	"bytes"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

const opRead = "responses.ReadReply"

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func unfinished() *fault.Error {
	return broken("the provider's reply ended before it was complete")
}

// eventFault is the error that an event tells: "error", flat as the SDKs' types have it or nested as OpenAI sends it, or
// "response.failed", where it stands in the response. Of a part of an event it reads what is there.
func eventFault(data []byte) *fault.Error {
	for _, path := range [...][]string{{"error"}, {"response", "error"}} {
		if v := jsonedit.Get(data, path...); !jsonedit.IsNull(v) {
			return wire.ReplyFault(opRead, v)
		}
	}
	if jsonedit.Get(data, "response") != nil || bytes.HasPrefix(data, []byte(`{"response"`)) {
		return wire.ReplyFault(opRead, nil)
	}
	e := wire.ReplyFault(opRead, data)
	if e.Type == "error" { // the type of the event, not of the error
		e.Type = ""
	}
	return e
}
