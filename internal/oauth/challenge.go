package oauth

import (
	"net/http"
	"slices"
	"strings"
)

// Challenge is what a server says in WWW-Authenticate when it wants a token, or another one (RFC 6750 §3, RFC 9728 §5.1).
type Challenge struct {
	Metadata string // the address of its metadata; "": it says nothing
	Scopes   []string
	Error    string // "invalid_token", "insufficient_scope"
}

// maxChallenge bounds what is read of a header.
const maxChallenge = 16 << 10

// ReadChallenge returns the first challenge for a bearer token in the headers of an answer; without one, an empty Challenge.
func ReadChallenge(h http.Header) Challenge {
	for _, value := range h.Values("Www-Authenticate") {
		if len(value) > maxChallenge {
			continue
		}
		for scheme, params := range challenges(value) {
			if strings.EqualFold(scheme, "bearer") {
				return Challenge{Metadata: params["resource_metadata"], Scopes: Scopes(params["scope"]), Error: params["error"]}
			}
		}
	}
	return Challenge{}
}

// challenges yields the challenges of one header (RFC 9110 §11.6.1) as far as it can be read.
func challenges(s string) func(func(string, map[string]string) bool) {
	return func(yield func(string, map[string]string) bool) {
		scheme, params := "", map[string]string{}
		for {
			s = strings.TrimLeft(s, " \t,")
			word, rest := token(s)
			if word == "" {
				break
			}
			after := strings.TrimLeft(rest, " \t")
			value, ok := strings.CutPrefix(after, "=")
			if !ok || strings.HasPrefix(value, "=") { // a scheme, with parameters or a token68 behind it
				if scheme != "" && !yield(scheme, params) {
					return
				}
				scheme, params, s = word, map[string]string{}, skip68(rest)
				continue
			}
			var text string
			if text, s, ok = paramValue(strings.TrimLeft(value, " \t")); !ok {
				break
			}
			if key := strings.ToLower(word); params[key] == "" {
				params[key] = text
			}
		}
		if scheme != "" {
			yield(scheme, params)
		}
	}
}

// skip68 leaves out the token68 behind a scheme, if there is one.
func skip68(s string) string {
	rest := strings.TrimLeft(s, " \t")
	end := strings.IndexFunc(rest, func(r rune) bool { return !isToken68(r) })
	if end < 0 {
		end = len(rest)
	}
	tail := strings.TrimLeft(rest[end:], "=")
	if trimmed := strings.TrimLeft(tail, " \t"); end > 0 && len(tail) <= len(rest[end:]) && (trimmed == "" || trimmed[0] == ',') && !strings.Contains(rest[:end], ",") {
		return tail
	}
	return s
}

func isToken68(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+/", r)
}

// token cuts the token off with which s begins.
func token(s string) (word, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// paramValue cuts off the value of a parameter: a token, or a quoted string.
func paramValue(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		text, rest = unquoted(s)
		return text, rest, text != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// unquoted is a value without quotes. Servers write addresses so, though they are no tokens.
func unquoted(s string) (text, rest string) {
	end := strings.IndexAny(s, " \t,")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

// Scopes are the words of a scope, each once. What is no scope token (RFC 6749 §3.3) is left out.
func Scopes(text string) []string {
	var out []string
	for word := range strings.FieldsSeq(text) {
		if scopeWord(word) {
			out = Join(out, []string{word})
		}
	}
	return out
}

func scopeWord(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}

// maxScopes bounds the scopes of one token.
const maxScopes = 256

// Join returns the scopes of a and those of b that a does not have.
func Join(a, b []string) []string {
	out := slices.Clip(a)
	for _, s := range b {
		if !Within([]string{s}, out) && len(out) < maxScopes && scopeWord(s) {
			out = append(out, s)
		}
	}
	return out
}

// Within reports whether all of some scopes are among those of all.
func Within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
