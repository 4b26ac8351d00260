package bearer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func es(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: &k.PublicKey, KeyID: id}
}

// TestKeysAreFetchedSeldom: however many unknown key ids come, keys are asked for every now and then.
func TestKeysAreFetchedSeldom(t *testing.T) {
	a, b := es(t, "a"), es(t, "b")
	synctest.Test(t, func(t *testing.T) {
		fetched, now := 0, []jose.JSONWebKey{a}
		s := &keySet{fetch: func(context.Context) ([]jose.JSONWebKey, error) {
			fetched++
			return now, nil
		}}
		want := func(id string, found bool, fetches int) {
			t.Helper()
			keys, err := s.find(t.Context(), id, "ES256")
			synctest.Wait()
			if (len(keys) == 1) != found || found && err != nil || !found && !IsInvalid(err) || fetched != fetches {
				t.Errorf("%s: %d keys, %v, %d fetches", id, len(keys), err, fetched)
			}
		}
		want("a", true, 1)
		for range 1000 {
			want("guess", false, 1)
		}
		time.Sleep(keysRest)
		for range 1000 {
			want("guess", false, 2)
		}
		now = []jose.JSONWebKey{b} // rotated
		want("b", false, 2)
		time.Sleep(keysRest)
		want("b", true, 3)
		want("a", false, 3)
		time.Sleep(keysFresh)
		want("b", true, 4) // behind its back
		want("b", true, 4)
	})
}

// TestKeysWhileTheIssuerIsAway: keys go on to count for a day, and the issuer is asked again every now and then.
func TestKeysWhileTheIssuerIsAway(t *testing.T) {
	a := es(t, "a")
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		var err error
		fetched := 0
		s := &keySet{fetch: func(context.Context) ([]jose.JSONWebKey, error) {
			fetched++
			return []jose.JSONWebKey{a}, err
		}}
		err = away
		for range 10 {
			if _, got := s.find(t.Context(), "a", "ES256"); !errors.Is(got, away) || fetched != 1 {
				t.Fatalf("%v, %d fetches", got, fetched)
			}
		}
		time.Sleep(failRest)
		err = nil
		if _, got := s.find(t.Context(), "a", "ES256"); got != nil || fetched != 2 {
			t.Fatalf("%v, %d fetches", got, fetched)
		}
		err = away
		time.Sleep(keysUsed - time.Hour)
		if _, got := s.find(t.Context(), "a", "ES256"); got != nil {
			t.Error(got)
		}
		time.Sleep(2 * time.Hour)
		if _, got := s.find(t.Context(), "a", "ES256"); !errors.Is(got, away) {
			t.Errorf("keys of yesterday count: %v", got)
		}
	})
}

func TestKeysFit(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip(err) // this Go makes none
	}
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e := es(t, "")
	for name, tt := range map[string]struct {
		key  jose.JSONWebKey
		alg  string
		want bool
	}{
		"ES256":              {e, "ES256", true},
		"another curve":      {e, "ES384", false},
		"RSA for EC":         {e, "RS256", false},
		"RS256":              {jose.JSONWebKey{Key: &strong.PublicKey}, "RS256", true},
		"PS512":              {jose.JSONWebKey{Key: &strong.PublicKey}, "PS512", true},
		"weak":               {jose.JSONWebKey{Key: &weak.PublicKey}, "RS256", false},
		"a secret":           {jose.JSONWebKey{Key: []byte("secret")}, "HS256", false},
		"for encryption":     {jose.JSONWebKey{Key: e.Key, Use: "enc"}, "ES256", false},
		"for something else": {jose.JSONWebKey{Key: &strong.PublicKey, Algorithm: "PS256"}, "RS256", false},
	} {
		if got := fits(tt.key, tt.alg); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzReadKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, err := readKeys(doc)
		if (len(keys) == 0) == (err == nil) {
			t.Errorf("%v, %v", keys, err)
		}
		for _, k := range keys {
			if !k.IsPublic() {
				t.Error("a key that is not public")
			}
			fits(k, "ES256")
		}
	})
}
