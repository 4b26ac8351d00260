package wire

import (
	"net/http"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// WriteOpenAIError answers with err in the form of OpenAI's APIs, `{"error":{"message","type","param","code"}}`.
func WriteOpenAIError(w http.ResponseWriter, err error) {
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
	_, _ = w.Write(append(AppendOpenAIError(nil, e), '\n'))
}

// AppendOpenAIError appends the object that WriteOpenAIError writes.
func AppendOpenAIError(dst []byte, e *fault.Error) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonedit.AppendQuote(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = jsonedit.AppendQuote(dst, OpenAIErrorType(e))
	dst = append(dst, `,"param":`...)
	dst = quoteOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = quoteOrNull(dst, e.Code)
	return append(dst, `}}`...)
}

func quoteOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonedit.AppendQuote(dst, s)
}

// OpenAIErrorType is the word that OpenAI's APIs use for the class of an error; the provider's own where there is one.
func OpenAIErrorType(e *fault.Error) string {
	if e.Type != "" {
		return e.Type
	}
	switch status := e.HTTPStatus(); {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status == http.StatusGatewayTimeout:
		return "timeout_error"
	case status == http.StatusFailedDependency:
		return "external_connector_error"
	case status < http.StatusInternalServerError:
		return "invalid_request_error"
	}
	return "server_error"
}
