// Package all names the ways to open sessions with MCP servers, what shows servers who asks, and the door for MCP clients.
package all

import (
	"context"
	"net/http"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/front"
	"github.com/fairlead/fairlead/internal/mcp/login"
	"github.com/fairlead/fairlead/internal/mcp/openapi"
	"github.com/fairlead/fairlead/internal/mcp/sign"
	"github.com/fairlead/fairlead/internal/mcp/upstream"
)

// Options are limits and times of all sessions; the zero value has good ones.
type Options = upstream.Options

// OpenAPI is the transport of servers that are HTTP APIs, described by an OpenAPI document.
const OpenAPI = "openapi"

// Dialer returns a function that opens sessions over every transport.
func Dialer(o Options) mcp.Dial {
	servers := upstream.New(o)
	apis := openapi.New(openapi.Options{Log: o.Log, Name: o.Name, Version: o.Version, MaxResult: o.MaxResult})
	return func(ctx context.Context, s mcp.Server, headers http.Header, changed func()) (mcp.Session, error) {
		if s.Transport == OpenAPI {
			return apis.Dial(ctx, s, headers, changed)
		}
		return servers.Dial(ctx, s, headers, changed)
	}
}

// Front is the door for MCP clients.
type Front = front.Door

// FrontOptions are what it needs beside the servers.
type FrontOptions = front.Options

// NewFront returns a door to servers.
func NewFront(servers *mcp.Catalogue, o FrontOptions) *Front { return front.New(servers, o) }

// Logins show servers who asks, by tokens.
type Logins = login.Keeper

// LoginOptions are what they need.
type LoginOptions = login.Options

// NewLogins returns what shows servers who asks.
func NewLogins(o LoginOptions) *Logins { return login.New(o) }

// Authorize returns what shows a server who asks, by tokens or by signatures; see [mcp.Options].
func Authorize(l *Logins) func(*mcp.Server, mcp.Caller) (mcp.Authorizer, string) {
	signers := new(sign.Signers)
	return func(s *mcp.Server, c mcp.Caller) (mcp.Authorizer, string) {
		if s.Auth.Type == "sigv4" {
			return signers.Authorize(s), ""
		}
		return l.Authorize(s, c)
	}
}
