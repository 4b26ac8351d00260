// Package sign shows MCP servers who asks by AWS's signatures (Signature Version 4), as Amazon Bedrock AgentCore and API Gateway want
// them. Each request is signed over the bytes that are sent, for all callers alike: it is the gateway that asks.
//
// Source: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-mcp.html.
package sign

import (
	"errors"
	"net/http"
	"sync"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/sigv4"
)

// Signers sign for servers. The zero value is ready, and its methods may be called side by side.
type Signers struct {
	mu   sync.Mutex
	all  map[*mcp.Auth]*signer
	find func(region string) (sigv4.Found, error) // for tests; nil: as AWS's own SDKs do
}

// maxSigners bounds what is remembered of configs that do not hold any more.
const maxSigners = 1024

// Authorize returns what signs the requests to a server whose auth is sigv4; see [mcp.Options]. It is the same one as long as the
// server's config is, so that credentials that expire are looked for as seldom as can be.
func (s *Signers) Authorize(server *mcp.Server) mcp.Authorizer {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.all[server.Auth]
	if g == nil {
		if s.all == nil || len(s.all) >= maxSigners {
			s.all = map[*mcp.Auth]*signer{}
		}
		g = &signer{auth: server.Auth, find: s.find}
		if g.find == nil {
			g.find = sigv4.Find
		}
		s.all[server.Auth] = g
	}
	return g
}

// signer signs for one server.
type signer struct {
	auth *mcp.Auth
	find func(region string) (sigv4.Found, error)

	mu sync.Mutex
	v4 *sigv4.Signer
}

var _ mcp.Authorizer = (*signer)(nil)

// Authorize signs a request.
func (g *signer) Authorize(req *http.Request, body []byte) error {
	v4, err := g.signer()
	if err == nil {
		err = v4.Sign(req, body)
	}
	if e, ok := errors.AsType[*sigv4.CredentialsError](err); ok {
		return &mcp.Unavailable{Message: e.Error() + " to sign requests to it with", Err: e.Err}
	}
	return err
}

// Refused takes a refusal as it is: another signature would say the same.
func (g *signer) Refused(*http.Request, *http.Response) (bool, error) { return false, nil }

// signer looks for the credentials until there are some.
func (g *signer) signer() (*sigv4.Signer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.v4 != nil {
		return g.v4, nil
	}
	var c sigv4.Credentials
	if g.auth.AccessKey != "" {
		c = sigv4.Keys(g.auth.AccessKey, g.auth.SecretKey, g.auth.SessionToken)
	} else {
		found, err := g.find(g.auth.Region)
		if err != nil {
			return nil, &sigv4.CredentialsError{Err: err}
		}
		c = found.Credentials
	}
	g.v4 = sigv4.New(g.auth.Region, g.auth.Service, c)
	return g.v4, nil
}
