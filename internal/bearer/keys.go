package bearer

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// How long keys are good, and how often they are asked for.
const (
	keysFresh = 15 * time.Minute // then they are asked for again, while they still count
	keysUsed  = 24 * time.Hour   // then they count no more, if they could not be had anew
	keysRest  = 30 * time.Second // between two fetches, whatever key ids tokens come with
	failRest  = 5 * time.Second  // between two fetches where the first has failed
	maxKeys   = 100              // of one issuer
	maxTries  = 8                // keys that a token without a key id is tried with
)

// keySet are the keys of an issuer, as far as they are known.
type keySet struct {
	fetch func(ctx context.Context) ([]jose.JSONWebKey, error)

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // when keys were had
	tried   time.Time // when they were last asked for
	err     error     // what came of that
	flight  chan struct{}
}

// find returns the keys that a token with this key id and algorithm may be signed with. A key id that is not known has the keys
// fetched anew, since they may have changed, but not more often than every now and then.
func (s *keySet) find(ctx context.Context, id, alg string) ([]jose.JSONWebKey, error) {
	found, flight, err := s.look(id, alg)
	if flight == nil {
		return found, err
	}
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.among(id, alg)
}

// look returns what is known, or a flight to wait for.
func (s *keySet) look(id, alg string) ([]jose.JSONWebKey, chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	found, err := s.among(id, alg)
	rest := keysRest
	if s.err != nil {
		rest = failRest
	}
	due := now.Sub(s.tried) >= rest
	switch {
	case err == nil && now.Sub(s.fetched) < keysFresh:
		return found, nil, nil
	case s.flight == nil && due:
		s.tried, s.flight = now, make(chan struct{})
		go s.refresh(s.flight)
	}
	if err == nil {
		return found, nil, nil
	}
	return nil, s.flight, err
}

// among returns the known keys that fit. s.mu is held.
func (s *keySet) among(id, alg string) ([]jose.JSONWebKey, error) {
	if s.fetched.IsZero() || time.Since(s.fetched) > keysUsed {
		if s.err != nil {
			return nil, s.err
		}
		return nil, errors.New("the issuer's keys are not there yet")
	}
	var out []jose.JSONWebKey
	for _, k := range s.keys {
		if (id == "" || k.KeyID == id) && fits(k, alg) && len(out) < maxTries {
			out = append(out, k)
		}
	}
	if out == nil {
		return nil, invalid("the token's signature is not one of its issuer's keys")
	}
	return out, nil
}

// refresh fetches the keys. When that fails, those that are known go on to count for a while.
func (s *keySet) refresh(flight chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	keys, err := s.safely(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err = err; err == nil {
		s.keys, s.fetched = keys, time.Now()
	}
	s.flight = nil
	close(flight)
}

// safely keeps a defect that a stranger's keys bring to light from ending the process.
func (s *keySet) safely(ctx context.Context) (keys []jose.JSONWebKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			keys, err = nil, fmt.Errorf("a panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.fetch(ctx)
}

// fits reports whether a key can make signatures of an algorithm.
func fits(k jose.JSONWebKey, alg string) bool {
	if k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")) && key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}[alg] == key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return alg == string(jose.EdDSA)
	}
	return false
}

// readKeys reads a set of keys (RFC 7517 §5). Keys that it cannot use are left out, and so are all that are not public.
func readKeys(doc []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("it is not a JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has %d keys, more than %d", len(set.Keys), maxKeys)
	}
	var out []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err == nil && k.Valid() && k.IsPublic() {
			out = append(out, k)
		}
	}
	if out == nil {
		return nil, errors.New("it has no public key that is of use")
	}
	return out, nil
}
