package mcp

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/secret"
)

// Auth is how the gateway shows one server who asks, where the config says so.
type Auth struct {
	Type         string // oauth | client_credentials | token_exchange | sigv4
	ClientID     string
	ClientSecret secret.String
	PrivateKey   secret.String // in PEM, instead of the secret
	Scopes       []string
	Issuer       string // the authorization server; "": the one that the server names
	TokenURL     string // where tokens are, for an authorization server without metadata
	Audience     string // token_exchange: for whom the token is to be

	Region, Service string        // sigv4: what requests are signed for
	AccessKey       string        // sigv4: whose key it is; "": the credentials that AWS's own SDKs find
	SecretKey       secret.String // sigv4
	SessionToken    secret.String // sigv4: of a key that expires
}

// Own reports whether it is the gateway itself that asks, for all callers alike.
func (a *Auth) Own() bool { return a.Type == "client_credentials" || a.Type == "sigv4" }

// Caller is for whom a server is asked.
type Caller struct {
	Principal string
	Who       string        // what people call the principal
	Token     secret.String // that the caller came with, where it is an authorization server's; never sent to a server
}

// Authorizer shows one server who asks, for the requests of one session. Its methods may be called side by side.
type Authorizer interface {
	// Authorize adds to a request what the server is to see, or changes nothing where there is nothing to show yet. body is
	// the request's. The error may be a *LoginError.
	Authorize(req *http.Request, body []byte) error
	// Refused takes in the server's answer of status 401 or 403 to such a request. It reports whether the request is to be
	// sent once more, anew authorized; else the error says why not, and may be a *LoginError. Without both, the answer is as
	// good as any other. It leaves the body alone.
	Refused(req *http.Request, resp *http.Response) (again bool, err error)
}

// AuthError says that a request could not be authorized, so that it was not sent or not heard. It wraps what callers see.
type AuthError struct{ Err error }

// Error is the message.
func (e *AuthError) Error() string { return e.Err.Error() }

// Unwrap returns what callers see.
func (e *AuthError) Unwrap() error { return e.Err }

// maxRefused bounds what is read of an answer that is not heard.
const maxRefused = 64 << 10

// Show sends a request by do, with what a shows. Where the server wants to see something else, the request is sent once more with
// that. A request with a body needs GetBody.
func Show(a Authorizer, req *http.Request, do func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	for try := 0; ; try++ {
		shown, err := dressed(a, req)
		if err != nil {
			return nil, &AuthError{err}
		}
		resp, err := do(shown)
		if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden || try > 0 {
			return resp, err
		}
		again, err := a.Refused(shown, resp)
		if !again && err == nil {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxRefused))
		_ = resp.Body.Close()
		if err != nil {
			return nil, &AuthError{err}
		}
	}
}

// dressed is a request with what shows who asks. req stays as it is.
func dressed(a Authorizer, req *http.Request) (*http.Request, error) {
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
	return out, a.Authorize(out, body)
}

// LoginError says that a user must log in to a server before it can be asked.
type LoginError struct {
	Server string
	URL    string // where that is, for the one who asked; it is not for logs
}

// Error names no URL.
func (e *LoginError) Error() string { return "a user must log in to it first" }

// Text is what people are told.
func (e *LoginError) Text() string {
	return "you must log in to it first: open " + e.URL + " in a browser (the link is good for ten minutes), then try again"
}

// serverError says in one place why a server could not be listed.
func serverError(server string, err error) llm.ServerError {
	e := llm.ServerError{Server: server, Error: SafeMessage(err)}
	if login := Login(err); login != nil {
		e.Login = login.URL
	}
	return e
}

// Login returns where a user must log in before something with this name can be seen, and to which server; "" if that is not
// what stands in the way.
func (v *View) Login(name string) (server, url string) {
	for _, e := range v.failed {
		i := slices.IndexFunc(v.picks, func(k *pick) bool { return k.pool.server.Name == e.Server })
		if e.Login == "" || i < 0 {
			continue
		}
		if s := &v.picks[i].pool.server; v.bare || s.Prefix == "" || strings.HasPrefix(name, s.Prefix+"-") || strings.HasPrefix(name, mark(s, false)) {
			return e.Server, e.Login
		}
	}
	return "", ""
}

// Login returns the login that an error asks for, or nil.
func Login(err error) *LoginError {
	e, _ := errors.AsType[*LoginError](err)
	return e
}

// who is for whom a session is: the headers that its caller brings, the caller, and the client that the server may ask.
type who struct {
	headers http.Header
	caller  Caller
	client  *Client
}

// authorizer returns what shows a server who asks, and what tells its sessions apart. Callers that bring an Authorization of
// their own are shown by that. nil: nothing is to be shown.
func (p *pool) authorizer(w *who) (a Authorizer, key string) {
	if p.server.Auth == nil || p.c.o.Authorize == nil || w.headers.Get("Authorization") != "" {
		return nil, ""
	}
	return p.c.o.Authorize(&p.server, w.caller)
}

// level is how loudly a failure is told of: that a user has not logged in is nobody's fault.
func level(err error) slog.Level {
	if Login(err) != nil {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// LoggedIn says that a principal has logged in to a server, maybe as somebody else than before: its sessions there that nobody uses
// are closed, what is remembered of failures is forgotten, and clients are told that lists may have changed.
func (c *Catalogue) LoggedIn(principal, server string) {
	if p := c.pool(server); p != nil {
		p.mu.Lock()
		for _, s := range p.slots {
			if s.caller.Principal != principal {
				continue
			}
			if s.active == 0 {
				p.drop(s)
				continue
			}
			s.mu.Lock()
			s.openFail, s.listFail, s.wide.fail, s.dirty, s.wide.dirty = failure{}, failure{}, failure{}, true, true
			s.mu.Unlock()
		}
		p.mu.Unlock()
	}
	c.news.tell()
}
