package converse

import (
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	opRead  = "converse.ReadReply"
	opError = "converse.ReadError"
)

// statuses are the statuses of the API's exceptions, by their names without "Exception" and in lower case. ModelErrorException
// and ModelStreamErrorException have none here: the model broke off, which is not the request's fault
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors).
var statuses = map[string]int{
	"validation":           http.StatusBadRequest,
	"accessdenied":         http.StatusForbidden,
	"resourcenotfound":     http.StatusNotFound,
	"modeltimeout":         http.StatusRequestTimeout,
	"throttling":           http.StatusTooManyRequests,
	"modelnotready":        http.StatusTooManyRequests,
	"servicequotaexceeded": http.StatusBadRequest,
	"internalserver":       http.StatusInternalServerError,
	"serviceunavailable":   http.StatusServiceUnavailable,
}

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused. The body is {"message":…}; the name
// of the exception stands in a header, which a provider's client knows.
func (*Upstream) ReadError(status int, body []byte) error { return wire.Refusal(opError, status, body) }

// exception is an error inside a reply of status 200, as the status that its name stands for. data is {"message":…}, or a text.
func exception(name string, data []byte) *fault.Error {
	e := wire.ReplyFault(opRead, data)
	if name == "" {
		return e
	}
	e.Type = name
	if s := statuses[strings.TrimSuffix(strings.ToLower(name), "exception")]; s != 0 {
		e.Kind, e.Status = fault.Refused, s
	}
	return e
}

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func tooLarge() *fault.Error {
	return broken("the provider's reply has too many or too large content blocks")
}
