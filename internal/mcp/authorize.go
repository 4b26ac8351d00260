package mcp

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/secret"
)

// Auth is how the gateway shows one server who asks, where the config says so.
type Auth struct {
	Type         string // oauth | client_credentials | token_exchange
	ClientID     string
	ClientSecret secret.String
	PrivateKey   secret.String // in PEM, instead of the secret
	Scopes       []string
	Issuer       string // the authorization server; "": the one that the server names
	TokenURL     string // where tokens are, for an authorization server without metadata
	Audience     string // token_exchange: for whom the token is to be
}

// Own reports whether it is the gateway itself that asks, for all callers alike.
func (a *Auth) Own() bool { return a.Type == "client_credentials" }

// Caller is for whom a server is asked.
type Caller struct {
	Principal string
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

// LoggedIn says that a principal can use a server from now on: what is remembered of failures before is forgotten, and clients
// are told that lists may have changed.
func (c *Catalogue) LoggedIn(principal, server string) {
	if p := c.pool(server); p != nil {
		p.mu.Lock()
		for _, s := range p.slots {
			if s.caller.Principal != principal {
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
