package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/secret"
)

// assertionLife is how long a client's assertion is good.
const assertionLife = 2 * time.Minute

// assertion is a signed text that says who a client is (RFC 7523 §3).
func assertion(client, audience string, key secret.String) (string, error) {
	k, err := ReadKey(key.Reveal())
	if err != nil {
		return "", err
	}
	now := time.Now()
	alg, sign := signer(k)
	head, err := part(map[string]any{"typ": "JWT", "alg": alg})
	if err != nil {
		return "", err
	}
	claims, err := part(map[string]any{
		"iss": client, "sub": client, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	text := head + "." + claims
	sig, err := sign([]byte(text))
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

func part(v any) (string, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	return base64.RawURLEncoding.EncodeToString(b), err
}

// ReadKey reads a private key in PEM: of an elliptic curve (P-256), Ed25519, or RSA of 2048 bits or more.
func ReadKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, unusable("the private key is not in PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, unusable("the private key cannot be read")
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return k, nil
		}
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return k, nil
		}
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, unusable("the private key is of a kind that is not known here: it must be of P-256, Ed25519, or RSA with 2048 bits or more")
}

// signer is how a key signs, and what JWTs call that (RFC 7518 §3.1, RFC 8037).
func signer(key crypto.Signer) (alg string, sign func([]byte) ([]byte, error)) {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return "ES256", func(text []byte) ([]byte, error) {
			sum := sha256.Sum256(text)
			r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
			if err != nil {
				return nil, err
			}
			sig := make([]byte, 64)
			r.FillBytes(sig[:32])
			s.FillBytes(sig[32:])
			return sig, nil
		}
	case *rsa.PrivateKey:
		return "RS256", func(text []byte) ([]byte, error) {
			sum := sha256.Sum256(text)
			return k.Sign(rand.Reader, sum[:], crypto.SHA256)
		}
	}
	return "EdDSA", func(text []byte) ([]byte, error) { return key.Sign(rand.Reader, text, crypto.Hash(0)) }
}
