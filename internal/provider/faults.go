package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/h1"
)

const (
	op           = "provider.Generate"
	codeUpstream = "upstream_error"
	codeTimeout  = "upstream_timeout"
)

// CodeCredentials is the code of errors that say that the gateway's own credentials for a provider are not there, do not hold, or
// cannot be asked for now.
const CodeCredentials = "upstream_credentials"

// fault is an error that names the provider. what goes on after its name.
func (c *Client) fault(kind fault.Kind, code, what string, cause error) *fault.Error {
	return c.own(&fault.Error{Kind: kind, Op: op, Code: code, Message: "provider " + c.name + " " + what, Err: cause})
}

// own returns f as an error of this provider, without the secrets that its texts may repeat.
func (c *Client) own(f *fault.Error) *fault.Error {
	e := *f
	if e.Provider == "" {
		e.Provider = c.name
	}
	if e.Op == "" {
		e.Op = op
	}
	if c.scrub == nil {
		return &e
	}
	e.Message, e.Code, e.Type, e.Param = c.scrub.Replace(e.Message), c.scrub.Replace(e.Code), c.scrub.Replace(e.Type), c.scrub.Replace(e.Param)
	if e.Err != nil {
		if text := e.Err.Error(); c.scrub.Replace(text) != text {
			e.Err = errors.New(c.scrub.Replace(text))
		}
	}
	return &e
}

// failure is err as an error of this provider; what says what went wrong when err itself does not.
func (c *Client) failure(err error, what string) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return c.own(f)
	}
	return c.fault(fault.Upstream, codeUpstream, what, err)
}

// ended is the error of a request that the caller or the watch ended; nil when neither did.
func (c *Client) ended(ctx context.Context, w *watchdog) *fault.Error {
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		if f, ok := errors.AsType[*fault.Error](cause); ok {
			return c.own(f)
		}
		if errors.Is(cause, context.DeadlineExceeded) {
			return c.fault(fault.Timeout, codeTimeout, "was not done when the time for the whole request was over", cause)
		}
		return c.fault(fault.Canceled, "canceled", "was not waited for: the client has left", cause)
	}
	if late, ok := errors.AsType[*late](context.Cause(w.ctx)); ok {
		return c.fault(fault.Timeout, codeTimeout, late.what(), late)
	}
	return nil
}

// broken is the error of a request that got no reply.
func (c *Client) broken(ctx context.Context, w *watchdog, err error) *fault.Error {
	if f := c.ended(ctx, w); f != nil {
		return f
	}
	if f, ok := errors.AsType[*fault.Error](err); ok { // a transport that refuses an address
		return c.own(f)
	}
	dial := isDial(err)
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() && (dial || !isOp(err)) {
		return c.fault(fault.Timeout, codeTimeout, (&late{"connect", c.timeouts.Connect}).what(), err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return c.fault(fault.Upstream, codeUpstream, "cannot be reached: its certificate is not trusted", err)
	}
	if dial {
		return c.fault(fault.Upstream, codeUpstream, "cannot be reached", err)
	}
	return c.fault(fault.Upstream, codeUpstream, "broke off before its reply began", err)
}

// mistakes are what in the config to look at, by the status of a refusal that its words alone would have a client look for in its
// own request.
var mistakes = map[int]string{
	http.StatusUnauthorized: `it does not take the gateway's credentials: look at the model's "api_key" and "base_url"`,
	http.StatusForbidden:    `look at what the gateway's credentials for it may do`,
	http.StatusNotFound:     `look at the model's "model" and "base_url", and at "region" where it has one`,
}

// point has a refusal say who has refused and what to look at, unless the driver has said it already.
func (c *Client) point(f *fault.Error) {
	if what := mistakes[f.Status]; what != "" && f.Kind == fault.Refused && !strings.Contains(f.Message, "provider "+c.name) {
		f.Message = strings.TrimRight(f.Message, ". ") + " (provider " + c.name + ": " + what + ")"
	}
}

// unsigned is the error of a request for which there are no credentials.
func (c *Client) unsigned(ctx context.Context, w *watchdog, err error) *fault.Error {
	if f := c.ended(ctx, w); f != nil {
		return f
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return c.own(f)
	}
	return c.fault(fault.Credentials, CodeCredentials, "cannot be asked: the gateway has no credentials for it that hold", err)
}

// isOp reports whether err came from a connection, or from making one.
func isOp(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// isDial reports whether err means that there was no connection at all.
func isDial(err error) bool {
	if e, ok := errors.AsType[*h1.Error](err); ok {
		return e.Phase == h1.Dial
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Op == "dial"
	}
	_, dns := errors.AsType[*net.DNSError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err) // no TLS there
	return dns || plain
}

// badReply is the error of a reply that could not be read to its end. What the body said counts for more than what the
// wire made of it.
func (c *Client) badReply(ctx context.Context, r *reader, err error) *fault.Error {
	if f := c.ended(ctx, r.watch); f != nil {
		return f
	}
	switch {
	case r.err == nil || errors.Is(r.err, io.EOF):
		return c.failure(err, "sent a reply that cannot be read")
	case errors.Is(r.err, errTooLarge):
		return c.fault(fault.Upstream, codeUpstream, "sent a reply that is larger than the gateway takes", r.err)
	}
	return c.fault(fault.Upstream, codeUpstream, "broke off in the middle of its reply", r.err)
}

// late is the limit that was passed.
type late struct {
	phase string
	limit time.Duration
}

func (l *late) Error() string { return "timeout: " + l.phase }

func (l *late) what() string {
	within := ""
	if l.limit > 0 {
		within = " within " + l.limit.String()
	}
	switch l.phase {
	case "connect":
		return "did not accept a connection" + within + " (timeouts.connect)"
	case "first_byte":
		return "sent no byte of its reply" + within + " (timeouts.first_byte)"
	}
	return "sent nothing more of its reply" + within + " (timeouts.between_events)"
}
