package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Phase says how far a request got.
type Phase string

// The phases. The end of a body before its time is io.ErrUnexpectedEOF itself.
const (
	Dial  Phase = "connect"       // no connection; nothing was sent
	Write Phase = "send"          // the request may have arrived in part
	Head  Phase = "reply's head"  // the request was sent
	Body  Phase = "reply's body"  // the reply has begun
	Check Phase = "request check" // the request cannot be sent as it is; nothing was
)

// Error is what went wrong, and when. Its text may name the address that was dialled.
type Error struct {
	Phase Phase
	Err   error
}

// Error says the phase and the cause.
func (e *Error) Error() string { return "http: " + string(e.Phase) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the time for this phase was over, be it the transport's limit or the context's deadline.
func (e *Error) Timeout() bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.Err)
	return errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, os.ErrDeadlineExceeded) || ok && t.Timeout()
}

// ended is the error of a request whose context has ended: errors.Is finds the cause and the context's own error.
type ended struct{ cause, err error }

func (e *ended) Error() string   { return e.cause.Error() }
func (e *ended) Unwrap() []error { return []error{e.cause, e.err} }

// failed wraps err, unless the end of ctx is what brought it about.
func failed(ctx context.Context, p Phase, err error) error {
	if ctx.Err() != nil {
		err = &ended{context.Cause(ctx), ctx.Err()}
	}
	return &Error{p, err}
}

// What strangers can get wrong. The texts repeat nothing of the reply.
var (
	errFirstLine     = errors.New("malformed first line")
	errHeader        = errors.New("malformed header")
	errHeadSize      = errors.New("head too large")
	errLength        = errors.New("bad Content-Length")
	errLengthAndTE   = errors.New("both Content-Length and Transfer-Encoding")
	errEncoding      = errors.New("unsupported Transfer-Encoding")
	errSwitch        = errors.New("unexpected 101 Switching Protocols")
	errInformational = errors.New("too many 1xx replies")
	errChunk         = errors.New("malformed chunked encoding")
	errTrailer       = errors.New("malformed or too large trailer")
	errNoReply       = errors.New("connection closed before a reply")
	errVersion       = errors.New("unsupported version of HTTP")
	errTarget        = errors.New("malformed request target")
	errHost          = errors.New("missing, doubled or malformed Host")
	errExpect        = errors.New("unsupported Expect")
	errHeadTime      = errors.New("the head did not arrive in time")
	errBodyShort     = errors.New("body shorter than its Content-Length")
	errBodyLong      = errors.New("body longer than its Content-Length")
)

// hungUp reports whether err means that the peer closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errNoReply) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}
