package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
)

// maxListens bounds how often in a row a subscription that ends at once is opened.
const maxListens = 8

// listen keeps a subscription to changes of the tool list open, where the stateless era has one. It runs in a goroutine of
// the transport.
func (s *session) listen(spawn func(func())) {
	if !s.modern() || !s.changes {
		return
	}
	spawn(func() {
		var b backoff
		for s.life.Err() == nil && b.tries < maxListens {
			began := time.Now()
			_, err := s.do(s.life, request{method: "subscriptions/listen", params: []byte(`"notifications":{"toolsListChanged":true},`)})
			if _, refused := errors.AsType[*mcp.RPCError](err); refused {
				s.log.Debug("an MCP server offers no subscription", "error", err)
				return
			}
			if time.Since(began) > b.max() {
				b = backoff{}
			}
			b.wait(s.life, 0)
			// What changed while nobody listened is not known.
			if s.life.Err() == nil {
				s.changed()
			}
		}
	})
}

// backoff spaces out attempts: 1 s, 2 s, 4 s, up to max.
type backoff struct{ tries int }

func (b *backoff) max() time.Duration { return 30 * time.Second }

// wait waits for at least least, or until ctx ends.
func (b *backoff) wait(ctx context.Context, least time.Duration) {
	d := min(time.Second<<min(b.tries, 5), b.max())
	b.tries++
	pause(ctx, max(d, least))
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
