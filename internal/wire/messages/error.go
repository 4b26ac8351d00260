package messages

import (
	"net/http"
	"slices"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// WriteError answers with err in the wire's form, {"type":"error","error":{"type","message"},"request_id"}. The API's own
// errors have a member details for programs; param and code stand beside it.
func (Door) WriteError(w http.ResponseWriter, err error) {
	e := fault.From(err)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.RetryAfter != "" {
		h.Set("Retry-After", e.RetryAfter)
	}
	if e.Final {
		h.Set("X-Should-Retry", "false")
	}
	if e.Kind == fault.Unauthenticated {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(e.HTTPStatus())
	_, _ = w.Write(append(appendError(nil, e, h), '\n'))
}

// appendError appends the error object. h are the headers of the answer, which know the request's id.
func appendError(dst []byte, e *fault.Error, h http.Header) []byte {
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonedit.AppendQuote(dst, errorType(e))
	dst = jsonedit.AppendQuote(append(dst, `,"message":`...), e.Message)
	if len(e.Details) > 0 {
		dst = append(append(dst, `,"details":`...), e.Details...)
	}
	if e.Param != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"param":`...), e.Param)
	}
	if e.Code != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"code":`...), e.Code)
	}
	dst = append(dst, '}')
	if id := h.Get("X-Fairlead-Call-Id"); id != "" {
		dst = jsonedit.AppendQuote(append(dst, `,"request_id":`...), id)
	}
	return append(dst, '}')
}

// errorTypes are the API's words for classes of errors.
var errorTypes = []string{
	"invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error", "request_too_large",
	"rate_limit_error", "timeout_error", "overloaded_error", "api_error",
}

// errorType is the API's word for the class of an error: the provider's own, where it is one of this API, else that of the
// status.
func errorType(e *fault.Error) string {
	if slices.Contains(errorTypes, e.Type) {
		return e.Type
	}
	switch status := e.HTTPStatus(); status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case statusOverloaded:
		return "overloaded_error"
	case http.StatusFailedDependency:
		return "api_error"
	default:
		if status < http.StatusInternalServerError {
			return "invalid_request_error"
		}
		return "api_error"
	}
}

// statusOverloaded is the API's own status for a service that has too much to do.
const statusOverloaded = 529
