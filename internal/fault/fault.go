// Package fault says what went wrong, in one type. The Kind decides the HTTP status and whether another try is allowed;
// only the door (status), route (another try) and meter (label) ask for it.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind classes an Error.
type Kind int

// The kinds.
const (
	Internal         Kind = iota // 500: a defect of ours
	Invalid                      // 400: the client's request
	Unauthenticated              // 401
	Forbidden                    // 403
	NotFound                     // 404
	MethodNotAllowed             // 405
	TooLarge                     // 413
	Media                        // 415
	Dependency                   // 424: servers that the request needs
	Credentials                  // 424: what the gateway itself has to show to a provider; the same request fails again until that is put right
	Refused                      // the provider answered with an error: its status
	Upstream                     // 502: cannot connect, broken reply
	Timeout                      // 504: one of the timeouts towards the provider
	Unavailable                  // 503: the gateway is not ready
	Canceled                     // 499: the client has left; nobody's failure
)

var statuses = map[Kind]int{
	Internal: 500, Invalid: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404, MethodNotAllowed: 405, TooLarge: 413, Media: 415,
	Dependency: 424, Credentials: 424, Upstream: 502, Timeout: 504, Unavailable: 503, Canceled: 499,
}

// Error is the one error type that crosses packages.
type Error struct {
	Kind       Kind
	Op         string // where, for the log: "provider.Generate"
	Provider   string // for the log and for labels
	Message    string // for the client: what happened, where, what to do; no secret, no internal address
	Code       string // machine word, SURFACE §5
	Type       string // the provider's word for the class of error; empty: the door's own
	Param      string // the field at fault
	Details    []byte // a JSON object with more of what a program may want to know, for doors whose dialect has a place for it
	Status     int    // Refused: the provider's status
	RetryAfter string // the provider's header, as it came
	Final      bool   // a tool has run: nobody may send the request again by itself
	Told       bool   // the reply's own bytes have told the client already
	Err        error  // the cause, for the log
}

// Said is a provider's refusal in its own words, as the cause of an Error, for those who pass it on. No secret is in it.
type Said struct {
	ContentType string
	Body        []byte
}

// Error says that there are words.
func (s *Said) Error() string { return "the provider has said why" }

// Error says op, message and cause: for logs, not for clients.
func (e *Error) Error() string {
	s := e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is the status that a door answers with.
func (e *Error) HTTPStatus() int {
	if e.Final {
		return http.StatusFailedDependency
	}
	if e.Kind == Refused && e.Status >= 400 {
		return e.Status
	}
	if s := statuses[e.Kind]; s != 0 {
		return s
	}
	return http.StatusInternalServerError
}

// From returns err as an *Error. What is none becomes Internal with a text that shows nothing of err.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal_error", Message: "the gateway failed; the log has the details under this call id", Err: err}
}

// KindOf returns the kind of err; Internal for errors of other types.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Invalidf is a 400 with code invalid_value that names the field.
func Invalidf(param, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Code: "invalid_value", Param: param, Message: fmt.Sprintf(format, args...)}
}

// AfterTools returns err marked Final: a tool has run, and nobody may repeat the request by itself.
func AfterTools(err error) error {
	e := *From(err)
	e.Final = true
	return &e
}
