// Package oauth is the client's half of OAuth 2.1 as MCP asks for it: how a protected server says where tokens for it come from,
// what an authorization server can do, how a client is registered there, and the requests for codes and tokens.
//
// It keeps nothing and trusts nobody: every address that it is told is checked before it is used, every answer is bounded, and
// what does not hold to the letter of the specifications is refused. Tokens are secret.String.
//
// The rules are those of https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization and the RFCs that it names.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// Client asks servers about tokens. It is safe for many goroutines.
type Client struct {
	HTTP *http.Client
	// Trusts reports whether the operator has named a host. Such a host may be asked without TLS; nil: none may.
	Trusts func(host string) bool
}

// Unusable says why something that a server has said cannot be used. It names no address and can be shown to everybody.
type Unusable struct{ Message string }

// Error is the message.
func (e *Unusable) Error() string { return e.Message }

func unusable(message string) error { return &Unusable{Message: message} }

// Refusal is the error that an authorization server has answered with (RFC 6749 §5.2).
type Refusal struct {
	Code   string // "invalid_grant"
	Status int
}

// Error names the code, which is one word. What else the server says may hold what it was sent, and is not kept.
func (e *Refusal) Error() string { return "the authorization server refused: " + e.Code }

// RefusedFor reports whether an authorization server has refused with one of some codes.
func RefusedFor(err error, codes ...string) bool {
	e, ok := errors.AsType[*Refusal](err)
	return ok && slices.Contains(codes, e.Code)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 10

// Address checks an address that somebody has said: https, or http to a host that the operator has named; no user, no fragment.
func (c *Client) Address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return nil, unusable("an address that it names is not an address of the web")
	case u.Scheme != "https" && (u.Scheme != "http" || !c.trusts(u.Hostname())):
		return nil, unusable("an address that it names does not begin with https://")
	case u.User != nil || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, unusable("an address that it names has a user or a fragment in it")
	}
	return u, nil
}

func (c *Client) trusts(host string) bool { return c.Trusts != nil && c.Trusts(strings.ToLower(host)) }

// errMissing says that there is nothing at an address.
var errMissing = errors.New("there is no such document")

// get reads a JSON document. errMissing is for addresses at which there is none.
func (c *Client) get(ctx context.Context, address string, to any) error {
	if _, err := c.Address(address); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return unusable("an address that it names is not an address of the web")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return withoutAddress(err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode/100 == 4 || resp.StatusCode/100 == 3:
		return errMissing
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer was %d", resp.StatusCode)
	}
	return decode(resp, to)
}

// decode reads the JSON object of an answer.
func decode(resp *http.Response, to any) error {
	if m, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); m != "application/json" && !strings.HasSuffix(m, "+json") {
		return unusable("its metadata is not JSON")
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return withoutAddress(err)
	case len(b) > maxAnswer:
		return unusable("its metadata is too long")
	}
	if err := json.Unmarshal(b, to); err != nil {
		return unusable("its metadata cannot be read in one way only")
	}
	return nil
}

// withoutAddress takes the address out of an error of HTTP: the query may hold secrets.
func withoutAddress(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
