package upstream

import (
	"errors"
	"io"
	"net/http"

	"github.com/fairlead/fairlead/internal/mcp"
)

// authorized sends a request that shows who asks. Where the server wants to see something else, it is shown that, once.
func (t *web) authorized(req *http.Request) (*http.Response, error) {
	for try := 0; ; try++ {
		shown, err := t.shown(req)
		if err != nil {
			return nil, &authError{err}
		}
		resp, err := t.try(shown)
		if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden || try > 0 {
			return resp, err
		}
		again, err := t.auth.Refused(shown, resp)
		if !again && err == nil {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, envelope))
		_ = resp.Body.Close()
		if err != nil {
			return nil, &authError{err}
		}
	}
}

// shown is a request with what shows who asks. req stays as it is.
func (t *web) shown(req *http.Request) (*http.Request, error) {
	out := req.Clone(req.Context())
	var body []byte
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(r); err != nil {
			return nil, err
		}
		if out.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return out, t.auth.Authorize(out, body)
}

// authError says that a request could not be authorized. It wraps what callers see.
type authError struct{ err error }

func (e *authError) Error() string { return e.err.Error() }
func (e *authError) Unwrap() error { return e.err }

// unauthorized reports whether a session was not opened for want of a credential, which another way to open it would want too.
func unauthorized(err error) bool {
	_, ok := errors.AsType[*authError](err)
	return ok || mcp.Login(err) != nil
}
