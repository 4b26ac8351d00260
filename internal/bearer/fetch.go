package bearer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/netguard"
)

const (
	fetchTime = 10 * time.Second // all of one question
	maxReply  = 512 << 10
)

// web fetches documents. Redirects are not followed.
type web struct {
	ours    []string // origins that the config names
	plain   *http.Client
	guarded *http.Client // connects to public addresses only
}

func newWeb(o Options) *web {
	w := &web{}
	for _, address := range []string{o.Issuer, o.JWKS} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			w.ours = append(w.ours, origin(u))
		}
	}
	if o.Introspection != nil {
		if u, err := url.Parse(o.Introspection.URL); err == nil {
			w.ours = append(w.ours, origin(u))
		}
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	plain := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	guarded := &http.Transport{DialContext: (&netguard.Dialer{}).DialContext, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	w.plain = &http.Client{Transport: plain, CheckRedirect: stay, Timeout: fetchTime}
	w.guarded = &http.Client{Transport: guarded, CheckRedirect: stay, Timeout: fetchTime}
	return w
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// client returns the client for an address: one that the config names or that is where the config's are may lead anywhere,
// another one only to a public address, by https.
func (w *web) client(address string) (*http.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("it is no address")
	}
	for _, o := range w.ours {
		if o == origin(u) {
			return w.plain, nil
		}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" || err == nil && !netguard.Public(ip) || strings.EqualFold(u.Hostname(), "localhost") {
		return nil, netguard.ErrRefused
	}
	return w.guarded, nil
}

// get fetches a document.
func (w *web) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	return w.do(r)
}

// do sends a request and returns the body of a good answer.
func (w *web) do(r *http.Request) ([]byte, error) {
	c, err := w.client(r.URL.String())
	if err != nil {
		return nil, err
	}
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = errors.New("its answer is longer than 512 KiB")
	}
	return body, err
}

// metadata are the members of an issuer's metadata that are looked at. RFC 8414 §2.
type metadata struct {
	Issuer string `json:"issuer"`
	JWKS   string `json:"jwks_uri"`
}

// fetchKeys fetches the issuer's keys from where the config says that they are, or the issuer's metadata.
func (i *Issuer) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	address := i.o.JWKS
	if address == "" {
		var err error
		if address, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	doc, err := i.web.get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("the keys of the issuer: %w", err)
	}
	keys, err := readKeys(doc)
	if err != nil {
		return nil, fmt.Errorf("the keys of the issuer: %w", err)
	}
	return keys, nil
}

// discover finds out where the issuer's keys are. Metadata in which another issuer stands is another issuer's (RFC 8414 §3.3).
func (i *Issuer) discover(ctx context.Context) (string, error) {
	var errs []error
	for _, address := range wellKnown(i.o.Issuer) {
		doc, err := i.web.get(ctx, address)
		var m metadata
		if err == nil {
			err = json.Unmarshal(doc, &m)
		}
		switch {
		case err != nil:
		case m.Issuer != i.o.Issuer:
			err = errors.New("it is the metadata of another issuer")
		case m.JWKS == "":
			err = errors.New("it names no keys (jwks_uri)")
		default:
			return m.JWKS, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	return "", fmt.Errorf("the metadata of the issuer: %w", errors.Join(errs...))
}

// wellKnown are the places where the metadata of an issuer may be: those of OpenID Connect Discovery §4 and RFC 8414 §3 and §5.
func wellKnown(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	host, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	list := []string{host + path + "/.well-known/openid-configuration", host + "/.well-known/oauth-authorization-server" + path}
	if path != "" {
		list = append(list, host+"/.well-known/openid-configuration"+path)
	}
	return list
}
