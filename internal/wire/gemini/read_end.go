package gemini

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	opRead  = "gemini.ReadReply"
	opError = "gemini.ReadError"
)

// stopOf is our word for a finishReason (https://ai.google.dev/api/generate-content#FinishReason). Those that say nothing
// that a client could act on are an end like any other.
func stopOf(reason string) string {
	switch reason {
	case "MAX_TOKENS":
		return llm.StopLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
		"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return llm.StopFilter
	}
	return llm.StopDone
}

// failed reports whether a finishReason says that the model has made something that is of no use: another try may go better.
func failed(reason string) bool {
	switch reason {
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE":
		return true
	}
	return false
}

// unusable is the error of a reply that ended so.
func unusable(reason, why string) *fault.Error {
	message := "the model has made a call that is of no use (" + reason + "): ask again"
	if why != "" {
		message += "; the provider says: " + why
	}
	e := wire.ReplyFault(opRead, jsonedit.AppendQuote(nil, message))
	e.Code = strings.ToLower(reason)
	return e
}

// readUsage reads a usageMetadata object, or returns nil. Raw of the result is raw itself.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	var cachedAudio int64
	for key, v := range jsonedit.Members(raw) {
		n, _ := jsonedit.Int(v)
		n = max(n, 0)
		switch string(key) {
		case "promptTokenCount":
			u.Input = n
		case "promptTokensDetails":
			u.AudioInput = audio(v)
		case "cachedContentTokenCount":
			u.CacheRead = n
		case "cacheTokensDetails":
			cachedAudio = audio(v)
		case "toolUsePromptTokenCount":
			u.ToolInput = n
		case "candidatesTokenCount":
			u.Output = n
		case "candidatesTokensDetails":
			u.AudioOutput = audio(v)
		case "thoughtsTokenCount":
			u.Reasoning = n
		}
	}
	u.CacheRead = min(u.CacheRead, u.Input)
	u.Input -= u.CacheRead
	u.AudioInput = min(max(u.AudioInput-cachedAudio, 0), u.Input)
	u.Input -= u.AudioInput
	u.AudioOutput = min(u.AudioOutput, u.Output)
	u.Output -= u.AudioOutput
	return u
}

// audio counts the tokens of audio in a list of counts by modality.
func audio(details []byte) (n int64) {
	for d := range jsonedit.Elements(details) {
		if k, _ := jsonedit.Int(jsonedit.Get(d, "tokenCount")); word(jsonedit.Get(d, "modality")) == "AUDIO" {
			n += max(k, 0)
		}
	}
	return n
}

// statuses are the HTTP statuses of the codes of Google's APIs (https://google.aip.dev/193, google.rpc.Code).
var statuses = map[string]int{
	"INVALID_ARGUMENT": http.StatusBadRequest, "FAILED_PRECONDITION": http.StatusBadRequest, "OUT_OF_RANGE": http.StatusBadRequest,
	"UNAUTHENTICATED": http.StatusUnauthorized, "PERMISSION_DENIED": http.StatusForbidden, "NOT_FOUND": http.StatusNotFound,
	"ABORTED": http.StatusConflict, "ALREADY_EXISTS": http.StatusConflict, "RESOURCE_EXHAUSTED": http.StatusTooManyRequests,
	"CANCELLED": 499, "DATA_LOSS": http.StatusInternalServerError, "UNKNOWN": http.StatusInternalServerError,
	"INTERNAL": http.StatusInternalServerError, "UNIMPLEMENTED": http.StatusNotImplemented, "UNAVAILABLE": http.StatusServiceUnavailable,
	"DEADLINE_EXCEEDED": http.StatusGatewayTimeout,
}

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused. It reads Google's own form,
// `{"error":{"code","message","status","details"}}`, which a stream without events puts into a list, and those of proxies, as
// [wire.Refusal] does. The wait that RetryInfo names counts as a Retry-After.
func (*Upstream) ReadError(status int, body []byte) error {
	e := wire.Refusal(opError, status, body)
	google(e, body)
	return e
}

// replyFault is an error that a provider put into a reply of status 200.
func replyFault(data []byte) *fault.Error {
	e := wire.ReplyFault(opRead, data)
	if s := statuses[google(e, data)]; s != 0 && e.Status == 0 {
		e.Kind, e.Status = fault.Refused, s
	}
	return e
}

// google reads what only Google's errors have, and returns the code in words.
func google(e *fault.Error, data []byte) (status string) {
	if jsonedit.Kind(data) == '[' {
		for v := range jsonedit.Elements(data) {
			data = v
			break
		}
	}
	inner := jsonedit.Get(data, "error")
	if jsonedit.Kind(inner) != '{' {
		return ""
	}
	if status = word(jsonedit.Get(inner, "status")); status != "" {
		if statuses[status] == 0 {
			status = ""
		}
		e.Type, e.Code = "", strings.ToLower(status) // the doors have words of their own for classes of errors
	}
	for d := range jsonedit.Elements(jsonedit.Get(inner, "details")) {
		switch kind := word(jsonedit.Get(d, "@type")); {
		case strings.HasSuffix(kind, "/google.rpc.RetryInfo"):
			e.RetryAfter = cmp.Or(e.RetryAfter, seconds(word(jsonedit.Get(d, "retryDelay"))))
		case strings.HasSuffix(kind, "/google.rpc.ErrorInfo"):
			if reason := word(jsonedit.Get(d, "reason")); slices.Contains(reasons, reason) {
				e.Code = strings.ToLower(reason)
			}
		}
	}
	return status
}

// seconds is a duration of protocol buffers, "12.5s", in whole seconds as Retry-After has them, upwards; "" for anything else.
func seconds(d string) string {
	t, err := time.ParseDuration(d)
	if err != nil || t < 0 || !strings.HasSuffix(d, "s") {
		return ""
	}
	return strconv.FormatInt(int64(math.Ceil(t.Seconds())), 10)
}

// reasons are the reasons of ErrorInfo that tell more than the code beside them.
var reasons = []string{"API_KEY_INVALID", "RATE_LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "SERVICE_DISABLED", "CONSUMER_INVALID", "BILLING_DISABLED"}

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }
