package bearer

import (
	"cmp"
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Claims are what a token says.
type Claims struct {
	Issuer    string
	Subject   string
	Client    string   // who was given the token, for or as the subject
	Audience  []string // for whom it is
	Scopes    []string
	Expires   time.Time // zero: it does not say
	NotBefore time.Time
	IssuedAt  time.Time

	raw       []byte
	bound     bool
	notAccess bool
}

// claims are the members that are looked at. RFC 7519 §4.1, RFC 9068 §2.2, RFC 7662 §2.2; scp is what some issuers call scope.
type claims struct {
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	Audience  jsontext.Value `json:"aud"`
	Expires   float64        `json:"exp"`
	NotBefore float64        `json:"nbf"`
	IssuedAt  float64        `json:"iat"`
	Client    jsontext.Value `json:"client_id"`
	Party     jsontext.Value `json:"azp"`
	Scope     jsontext.Value `json:"scope"`
	Scp       jsontext.Value `json:"scp"`
	Confirm   jsontext.Value `json:"cnf"`
	TokenType jsontext.Value `json:"token_type"`
	Typ       jsontext.Value `json:"typ"`
	Use       jsontext.Value `json:"token_use"`
	HashOf    jsontext.Value `json:"at_hash"`
	CodeHash  jsontext.Value `json:"c_hash"`
	Active    jsontext.Value `json:"active"`
}

// maxList bounds the audiences and the scopes of a token.
const maxList = 1024

// readClaims reads a JSON object. One with a member twice is none.
func readClaims(raw []byte) (*Claims, bool, error) {
	var in claims
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, false, &InvalidError{Reason: "what the token says is not the JSON object that it must be", Err: err}
	}
	c := &Claims{Issuer: in.Issuer, Subject: in.Subject, Client: cmp.Or(text(in.Client), text(in.Party)), Audience: texts(in.Audience), raw: raw}
	for _, s := range append(texts(in.Scope), texts(in.Scp)...) {
		c.Scopes = append(c.Scopes, strings.Fields(s)...)
	}
	if len(c.Audience) > maxList || len(c.Scopes) > maxList {
		return nil, false, invalid("the token has too many audiences or scopes")
	}
	for to, from := range map[*time.Time]float64{&c.Expires: in.Expires, &c.NotBefore: in.NotBefore, &c.IssuedAt: in.IssuedAt} {
		if from < 0 || from > 1<<40 {
			return nil, false, invalid("the token has a time that is none")
		}
		if from > 0 {
			whole, part := math.Modf(from)
			*to = time.Unix(int64(whole), int64(part*1e9))
		}
	}
	c.bound = in.Confirm != nil && !jsonedit.IsNull(in.Confirm) || strings.EqualFold(text(in.TokenType), "DPoP")
	c.notAccess = in.others()
	return c, string(in.Active) == "true", nil
}

// others reports whether the claims are those of a token for something else than a resource: an ID token says what signing in
// has come to, and some issuers name the kind of their tokens in the payload.
func (c *claims) others() bool {
	use, typ := text(c.Use), text(c.Typ)
	return c.HashOf != nil || c.CodeHash != nil || use != "" && use != "access" || !strings.EqualFold(typ, "Bearer") && !accessType(typ)
}

// text is a value that is a text; "" for others.
func text(v jsontext.Value) string {
	s, _ := jsonedit.Unquote(v)
	return s
}

// texts are the texts of a value that is one or a list of them.
func texts(v jsontext.Value) []string {
	switch jsonedit.Kind(v) {
	case '"':
		return []string{text(v)}
	case '[':
		var out []string
		for e := range jsonedit.Elements(v) {
			if s, ok := jsonedit.Unquote(e); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// Has reports whether a claim is the value, or a list with the value in it. The claim is the name of a member, or names of
// members inside each other with dots between them.
func (c *Claims) Has(claim, value string) bool {
	v := jsonedit.Get(c.raw, claim)
	if v == nil {
		v = jsonedit.Get(c.raw, strings.Split(claim, ".")...)
	}
	switch jsonedit.Kind(v) {
	case '"', '[':
		return slices.Contains(texts(v), value)
	case 't', 'f', '0':
		return string(v) == value
	}
	return false
}

// Readable reports whether a token looks like one that can be read, and the issuer that it names. Nothing of it is verified.
func Readable(token string) (issuer string, ok bool) {
	raw := payload(token)
	return text(jsonedit.Get(raw, "iss")), raw != nil
}

// Addressed are those for whom a token says that it is. Nothing of it is verified.
func Addressed(token string) []string { return texts(jsonedit.Get(payload(token), "aud")) }

// payload is the JSON object that a token has in it; nil, if there is none.
func payload(token string) []byte {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil
	}
	_, rest, _ := strings.Cut(token, ".")
	middle, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(middle)
	if err != nil || !jsonedit.Valid(raw) || jsonedit.Kind(raw) != '{' {
		return nil
	}
	return raw
}
