package bearer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ask asks the issuer about a token. RFC 7662 §2.
func (i *Issuer) ask(ctx context.Context, token string) (*Claims, error) {
	select {
	case i.asks <- struct{}{}:
		defer func() { <-i.asks }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	in := i.o.Introspection
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, in.URL, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if in.ClientID != "" { // RFC 6749 §2.3.1
		r.SetBasicAuth(url.QueryEscape(in.ClientID), url.QueryEscape(in.Secret.Reveal()))
	}
	doc, err := i.web.do(r)
	if err != nil {
		return nil, fmt.Errorf("the introspection endpoint: %w", err)
	}
	c, active, err := readClaims(doc)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the introspection endpoint: its answer is not what it must be: %w", errOf(err))
	case !active:
		return nil, invalid("the token is not active")
	}
	return c, nil
}

// errOf is an error about an answer that is none about the token.
func errOf(err error) error { return fmt.Errorf("%v", err) } //nolint:errorlint // it must not be taken for what it wraps
