package chat

import (
	"crypto/sha256"
	"strconv"
)

// idMap gives call ids the form that a provider demands. The same id always becomes the same one, so that a call and its
// result stay together over the rounds of a request and over requests. The zero idMap with n == 0 changes nothing.
type idMap struct {
	n     int // alphanumerics that an id must have
	known map[string]string
	taken map[string]bool
}

// get returns the provider's form of id.
func (m *idMap) get(id string) string {
	if m.n <= 0 {
		return id
	}
	if out, ok := m.known[id]; ok {
		return out
	}
	if m.known == nil {
		m.known, m.taken = map[string]string{}, map[string]bool{}
	}
	out := id
	for i := 0; !m.fits(out) || m.taken[out]; i++ {
		out = hashID(id+"\x00"+strconv.Itoa(i), m.n)
	}
	m.known[id], m.taken[out] = out, true
	return out
}

func (m *idMap) fits(id string) bool {
	if len(id) != m.n {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if c-'0' > 9 && (c|0x20)-'a' > 25 {
			return false
		}
	}
	return true
}

// hashID returns n alphanumerics that stand for s.
func hashID(s string, n int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(s))
	out := make([]byte, n)
	for i := range out {
		if i > 0 && i%len(sum) == 0 {
			sum = sha256.Sum256(sum[:])
		}
		out[i] = digits[int(sum[i%len(sum)])%len(digits)]
	}
	return string(out)
}
