package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
)

// seen remembers for a while what has become of tokens, by their hash. The same token is verified once at a time.
type seen struct {
	mu    sync.Mutex
	by    map[[sha256.Size]byte]*verdict
	limit int
	open  int // tokens that are being verified
}

// verdict is what has become of a token.
type verdict struct {
	id    *Identity
	err   error
	until time.Time
	done  chan struct{} // closed when the above holds
}

// maxSeen bounds the tokens that are remembered, maxOpen those that are being verified, and maxVerify how long that may take.
const (
	maxSeen   = 8192
	maxOpen   = 1024
	maxVerify = 15 * time.Second
)

// find finds out about a token, and for how long that is taken as known.
type find func(context.Context) (*Identity, time.Duration, error)

func newSeen() *seen { return &seen{by: map[[sha256.Size]byte]*verdict{}, limit: maxSeen} }

// get returns what is remembered of a token, or what find finds out, which goes on without the request that has begun it.
func (s *seen) get(ctx context.Context, hash [sha256.Size]byte, f find) (*Identity, error) {
	s.mu.Lock()
	v := s.by[hash]
	if v == nil || v.over(time.Now()) {
		if s.open >= maxOpen {
			s.mu.Unlock()
			return nil, &fault.Error{Kind: fault.Unavailable, Op: "auth.Identify", Code: "overloaded", Message: "too many tokens are being verified; try again later"}
		}
		s.room()
		s.open++
		v = &verdict{done: make(chan struct{})}
		s.by[hash] = v
		go s.verify(ctx, hash, v, f)
	}
	s.mu.Unlock()
	select {
	case <-v.done:
	case <-ctx.Done():
		return nil, &fault.Error{Kind: fault.Canceled, Op: "auth.Identify", Message: "the client has left", Err: ctx.Err()}
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

func (s *seen) verify(ctx context.Context, hash [sha256.Size]byte, v *verdict, f find) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxVerify)
	defer cancel()
	id, keep, err := f.safely(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	v.id, v.err, v.until = id, err, time.Now().Add(keep)
	if id != nil && !id.token.until.IsZero() && id.token.until.Before(v.until) {
		v.until = id.token.until
	}
	if keep == 0 && s.by[hash] == v {
		delete(s.by, hash)
	}
	close(v.done)
}

// safely keeps a defect that a stranger's token brings to light from ending the process.
func (f find) safely(ctx context.Context) (id *Identity, keep time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			id, keep, err = nil, 0, fmt.Errorf("a panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f(ctx)
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
