package messages

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	opRead  = "messages.ReadReply"
	opError = "messages.ReadError"
)

// statuses are the statuses of the API's types of errors (https://docs.anthropic.com/en/api/errors).
var statuses = map[string]int{
	"invalid_request_error": http.StatusBadRequest,
	"authentication_error":  http.StatusUnauthorized,
	"billing_error":         http.StatusPaymentRequired,
	"permission_error":      http.StatusForbidden,
	"not_found_error":       http.StatusNotFound,
	"request_too_large":     http.StatusRequestEntityTooLarge,
	"rate_limit_error":      http.StatusTooManyRequests,
	"api_error":             http.StatusInternalServerError,
	"timeout_error":         http.StatusGatewayTimeout,
	"overloaded_error":      529,
}

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused. It reads the API's own form,
// `{"type":"error","error":{"type","message"}}`, and those of proxies, as [wire.Refusal] does.
func (*Upstream) ReadError(status int, body []byte) error {
	e := wire.Refusal(opError, status, inner(body))
	e.Code = cmp.Or(e.Code, detail(body))
	return e
}

// replyFault is an error that a provider put into a reply of status 200, as the status that its type stands for.
func replyFault(data []byte) *fault.Error {
	e := wire.ReplyFault(opRead, inner(data))
	e.Code = cmp.Or(detail(data), e.Code)
	if s := statuses[e.Type]; s != 0 {
		e.Kind, e.Status = fault.Refused, s
	}
	return e
}

// inner is the error itself: the type beside it is "error" always and says nothing.
func inner(data []byte) []byte {
	if e := jsonedit.Get(data, "error"); jsonedit.Kind(e) == '{' {
		return e
	}
	return data
}

// detail is the machine word of an error that has one, "thread_not_found" say.
func detail(data []byte) string {
	code := word(jsonedit.Get(data, "error", "details", "error_code"))
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code
}

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func unfinished() *fault.Error { return broken("the provider's reply ended before message_stop") }
