package bearer

import (
	"context"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that tokens may be signed with: never with a secret that the issuer would have to share, never with none.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// accessType reports whether the typ of a header may be that of an access token (RFC 9068 §2.1). Many issuers still say JWT, or
// nothing.
func accessType(typ string) bool {
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "at+jwt", "jwt", "":
		return true
	}
	return false
}

// maxKeyID bounds the key ids that are looked for.
const maxKeyID = 512

// read verifies a signed token. What its header says of where keys are (jku, x5u, jwk, x5c) is not looked at.
func (i *Issuer) read(ctx context.Context, token string) (*Claims, error) {
	sig, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || len(sig.Signatures) != 1 {
		return nil, &InvalidError{Reason: "the token is no JSON Web Token that is signed with an algorithm that is taken here", Err: err}
	}
	h := sig.Signatures[0].Protected
	typ, isText := h.ExtraHeaders[jose.HeaderType].(string)
	if h.ExtraHeaders[jose.HeaderType] != nil && !isText || !accessType(typ) {
		return nil, invalid("the token is not an access token")
	}
	if len(h.KeyID) > maxKeyID {
		return nil, invalid("the token's key id is too long")
	}
	keys, err := i.keys.find(ctx, h.KeyID, h.Algorithm)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if payload, err := sig.Verify(k.Key); err == nil {
			c, _, err := readClaims(payload)
			return c, err
		}
	}
	return nil, invalid("the token's signature is not one of its issuer's keys")
}
