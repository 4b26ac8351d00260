package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// seen remembers for a while what has become of tokens, by their hash. The same token is verified once at a time.
type seen struct {
	mu    sync.Mutex
	by    map[[sha256.Size]byte]*verdict
	limit int
}

// verdict is what has become of a token.
type verdict struct {
	id    *Identity
	err   error
	until time.Time
	done  chan struct{} // closed when the above holds
}

// maxSeen bounds the tokens that are remembered, and maxVerify how long finding out may take.
const (
	maxSeen   = 8192
	maxVerify = 15 * time.Second
)

func newSeen() *seen { return &seen{by: map[[sha256.Size]byte]*verdict{}, limit: maxSeen} }

// get returns what is remembered of a token, or what find finds out, which goes on without the request that has begun it.
func (s *seen) get(ctx context.Context, hash [sha256.Size]byte, find func(context.Context) (*Identity, time.Duration, error)) (*Identity, error) {
	s.mu.Lock()
	v := s.by[hash]
	if v == nil || v.over(time.Now()) {
		s.room()
		v = &verdict{done: make(chan struct{})}
		s.by[hash] = v
		go s.find(ctx, hash, v, find)
	}
	s.mu.Unlock()
	select {
	case <-v.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return v.id, v.err
}

// over reports whether a verdict holds no more.
func (v *verdict) over(now time.Time) bool {
	select {
	case <-v.done:
		return !now.Before(v.until)
	default:
		return false
	}
}

func (s *seen) find(ctx context.Context, hash [sha256.Size]byte, v *verdict, find func(context.Context) (*Identity, time.Duration, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxVerify)
	defer cancel()
	id, keep, err := find(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	v.id, v.err, v.until = id, err, time.Now().Add(keep)
	if id != nil && !id.token.until.IsZero() && id.token.until.Before(v.until) {
		v.until = id.token.until
	}
	if keep == 0 && s.by[hash] == v {
		delete(s.by, hash)
	}
	close(v.done)
}

// room forgets verdicts if there are too many: those that hold no more, then any. s.mu is held.
func (s *seen) room() {
	if len(s.by) < s.limit {
		return
	}
	now := time.Now()
	for hash, v := range s.by {
		if v.over(now) {
			delete(s.by, hash)
		}
	}
	for hash := range s.by {
		if len(s.by) < s.limit*3/4 {
			return
		}
		delete(s.by, hash)
	}
}
