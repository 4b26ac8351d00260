// Package seal makes handles: state that a client holds for the gateway, which it can neither read, nor change, nor use for
// another purpose, another place or another principal. A handle that is wrong in whatever way is simply not known.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Scope is what a handle is bound to. It opens under the same scope only.
type Scope struct {
	Kind      string // what the handle is for: "session"
	Route     string // where it was given out: "/mcp/files"
	Principal string // to whom
}

// Ring is a set of keys: the first one seals, all of them open. It may be used by many goroutines.
type Ring struct{ keys []cipher.AEAD }

// New derives a ring from secrets, the newest first. Without secrets the key is random, so that its handles end with the
// process and no other process knows them.
func New(secrets ...[]byte) (*Ring, error) {
	if len(secrets) == 0 {
		secrets = [][]byte{make([]byte, 32)}
		_, _ = rand.Read(secrets[0]) // never fails
	}
	r := &Ring{}
	for _, s := range secrets {
		if len(s) < MinSecret {
			return nil, errors.New("a secret for handles has at least 16 bytes")
		}
		key, err := hkdf.Key(sha256.New, s, nil, "fairlead handles v1", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, aead)
	}
	return r, nil
}

// MinSecret is the fewest bytes that a secret may have.
const MinSecret = 16

// Before the sealed text stand the form's version and the nonce; in it, before the content, when it expires.
const (
	version   = 1
	nonceSize = 12
	expiry    = 8
)

// encoding has one text for each handle: it refuses texts with loose bits at their end, though not line breaks.
var encoding = base64.RawURLEncoding.Strict()

// Seal returns a handle of letters, digits, - and _ that opens for as long as life.
func (r *Ring) Seal(s Scope, content []byte, life time.Duration) string {
	out := make([]byte, 1+nonceSize, 1+nonceSize+expiry+len(content)+16)
	out[0] = version
	nonce := out[1 : 1+nonceSize]
	_, _ = rand.Read(nonce) // never fails
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, expiry+len(content)), uint64(time.Now().Add(life).Unix()))
	return encoding.EncodeToString(r.keys[0].Seal(out, nonce, append(plain, content...), s.data()))
}

// Open returns the content of a handle that Seal made under the same scope and that has not expired.
func (r *Ring) Open(s Scope, handle string) (content []byte, ok bool) {
	raw, err := encoding.DecodeString(handle)
	if err != nil || strings.ContainsAny(handle, "\r\n") || len(raw) < 1+nonceSize+expiry || raw[0] != version {
		return nil, false
	}
	data := s.data()
	for _, k := range r.keys {
		plain, err := k.Open(nil, raw[1:1+nonceSize], raw[1+nonceSize:], data)
		if err != nil {
			continue
		}
		if len(plain) < expiry || uint64(time.Now().Unix()) >= binary.BigEndian.Uint64(plain) {
			return nil, false
		}
		return plain[expiry:], true
	}
	return nil, false
}

// data writes a scope so that no two scopes look alike.
func (s Scope) data() []byte {
	var out []byte
	for _, part := range [...]string{s.Kind, s.Route, s.Principal} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}
