package chat

import (
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/wire"
)

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused, as [wire.Refusal] does.
func (*Upstream) ReadError(status int, body []byte) error {
	return wire.Refusal("chat.ReadError", status, body)
}

const opRead = "chat.ReadReply"

// replyFault is an error that a provider put into a reply of status 200.
func replyFault(v []byte) *fault.Error { return wire.ReplyFault(opRead, v) }

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func unfinished() *fault.Error {
	return broken("the provider's reply ended without a finish reason")
}
