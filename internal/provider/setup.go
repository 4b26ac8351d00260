package provider

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// Mistake is a setting that cannot be used.
type Mistake struct {
	Field   string // as the config has it: "base_url"
	Message string // shows no value that may be secret
}

// Error says field and message.
func (m *Mistake) Error() string { return m.Field + ": " + m.Message }

// endpoint is the URL that requests go to.
func endpoint(base, path string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case base == "":
		return nil, &Mistake{"base_url", "is needed"}
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, &Mistake{"base_url", "is no URL"}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &Mistake{"base_url", "must start with http:// or https://"}
	case u.User != nil:
		return nil, &Mistake{"base_url", "must not hold a user name or password: use api_key or headers"}
	case u.Fragment != "":
		return nil, &Mistake{"base_url", "must not have a fragment"}
	}
	if u.Path == "" {
		u.Path = "/" // what is joined to no path at all has no slash before it
	}
	return u.JoinPath(path), nil
}

// Headers that belong to the connection or to the body, not to the one who configures a model.
var reserved = map[string]bool{
	"Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Connection": true, "Host": true, "Trailer": true, "Upgrade": true,
	"Expect": true, "Te": true, "Keep-Alive": true, "Proxy-Connection": true, "Accept-Encoding": true, "Content-Encoding": true,
}

// headers are the headers of every request, without Accept unless it is configured.
func headers(c Config) (http.Header, error) {
	agent := c.UserAgent
	if agent == "" {
		agent = "fairlead"
	}
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {agent}}
	for name, value := range c.Defaults {
		h[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	if !c.Key.Empty() {
		name, value := textproto.CanonicalMIMEHeaderKey(c.Auth), c.Key.Reveal()
		if name == "" {
			name, value = "Authorization", "Bearer "+value
		}
		if !printable(value) {
			return nil, &Mistake{"api_key", "has a character that cannot stand in a header, a line break perhaps"}
		}
		h[name] = []string{value}
	}
	for name, value := range c.Headers {
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !token(name):
			return nil, &Mistake{"headers", fmt.Sprintf("%q is no name of a header", name)}
		case reserved[key]:
			return nil, &Mistake{"headers", key + " cannot be set"}
		case !printable(value):
			return nil, &Mistake{"headers", "the value of " + key + " has a character that cannot stand in a header"}
		}
		h[key] = []string{value}
	}
	return h, nil
}

// fixed are the headers of h that a client's own request does not change: all but the defaults.
func fixed(c Config, h http.Header) map[string]bool {
	out := map[string]bool{"Accept": true}
	for name := range h {
		out[name] = true
	}
	for name := range c.Defaults {
		delete(out, textproto.CanonicalMIMEHeaderKey(name))
	}
	for name := range c.Headers {
		out[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	return out
}

// ends reports whether a header of a client's request is about the connection or about who asks, so that it ends here.
func ends(name string) bool {
	switch name {
	case "Authorization", "Api-Key", "X-Api-Key", "Cookie", "Forwarded", "Via":
		return true
	}
	return reserved[name] || strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Fairlead-")
}

func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// minSecret is the length from which on the value of a configured header is taken for a secret.
const minSecret = 12

// scrubber takes the key and long values of headers out of what a provider says.
func scrubber(c Config) *strings.Replacer {
	var pairs []string
	if !c.Key.Empty() {
		pairs = append(pairs, c.Key.Reveal(), c.Key.String())
	}
	for _, v := range c.Headers {
		if len(v) >= minSecret {
			pairs = append(pairs, v, c.Key.String())
		}
		if _, word, ok := strings.Cut(v, " "); ok && len(word) >= minSecret { // the credential after a scheme
			pairs = append(pairs, word, c.Key.String())
		}
	}
	if pairs == nil {
		return nil
	}
	return strings.NewReplacer(pairs...)
}
