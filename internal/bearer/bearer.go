// Package bearer verifies access tokens that others issue: it reads those that are signed (RFC 9068) and asks the issuer about
// those that are not meant to be read (RFC 7662).
//
// What is asked for over the network is bounded, and is remembered for a while: an issuer's keys, what it says of a token.
// Addresses that the config names may lead anywhere. Those that an issuer's own metadata names lead to where the issuer is, or
// to the public internet.
package bearer

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead/fairlead/internal/secret"
)

// Options say who issues tokens, and how they are verified.
type Options struct {
	Issuer        string         // as its tokens and its metadata name it, to the letter
	JWKS          string         // where its keys are; empty: its metadata says it
	Introspection *Introspection // instead of keys: it is asked about each token
}

// Introspection is where an issuer is asked about tokens, and as whom.
type Introspection struct {
	URL      string
	ClientID string
	Secret   secret.String
}

// Issuer verifies the tokens of one issuer. It may be used by many requests at once.
type Issuer struct {
	o    Options
	web  *web
	keys *keySet
	asks chan struct{} // a place for each question that is under way
}

// maxAsks bounds the questions to one issuer that are under way.
const maxAsks = 16

// New returns an Issuer. Nothing is fetched before a token is verified.
func New(o Options) *Issuer {
	i := &Issuer{o: o, web: newWeb(o), asks: make(chan struct{}, maxAsks)}
	i.keys = &keySet{fetch: i.fetchKeys}
	return i
}

// Asks reports whether the issuer is asked about tokens, so that they need not be readable.
func (i *Issuer) Asks() bool { return i.o.Introspection != nil }

// InvalidError says why a token is not good. Its text may be shown to clients.
type InvalidError struct {
	Reason string
	Err    error // for the log
}

// Error says the reason alone.
func (e *InvalidError) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(reason string) error { return &InvalidError{Reason: reason} }

// IsInvalid reports whether an error is about the token, and not about the issuer, who could not be asked.
func IsInvalid(err error) bool {
	_, ok := errors.AsType[*InvalidError](err)
	return ok
}

// maxToken bounds a token: one with many groups in it has a few KiB.
const maxToken = 16 << 10

// Verify returns what a token says, if it is the issuer's, is meant to be shown to a resource and holds at this time. For
// whom it is meant, the caller must look at: Claims.Audience. Other errors than those that IsInvalid knows say that
// the issuer could not be asked.
func (i *Issuer) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > maxToken {
		return nil, invalid("the token is longer than 16 KiB")
	}
	verify := i.read
	if i.Asks() {
		verify = i.ask
	}
	c, err := verify(ctx, token)
	if err == nil {
		err = i.check(c, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// skew is by how much the clocks of an issuer and of this machine may differ.
const skew = 30 * time.Second

// check holds a token to what all tokens must keep, signed or not.
func (i *Issuer) check(c *Claims, now time.Time) error {
	switch {
	case c.Issuer != i.o.Issuer && (c.Issuer != "" || !i.Asks()):
		return invalid("the token is of another issuer")
	case c.Expires.IsZero() && !i.Asks():
		return invalid("the token does not say when it expires")
	case !c.Expires.IsZero() && !now.Before(c.Expires.Add(skew)):
		return invalid("the token has expired")
	case now.Add(skew).Before(c.NotBefore), now.Add(skew).Before(c.IssuedAt):
		return invalid("the token is not good yet")
	case c.Subject == "" && c.Client == "":
		return invalid("the token names no subject")
	case c.bound:
		return invalid("the token is bound to a key of its holder, which this gateway does not ask for")
	case c.notAccess:
		return invalid("the token is not an access token")
	}
	return nil
}
