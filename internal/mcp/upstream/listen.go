package upstream

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// maxListens bounds how often in a row a subscription that ends at once is opened.
const maxListens = 8

// listen keeps a subscription to changes of the tool list open, where the stateless era has one. It runs in a goroutine of
// the transport.
func (s *session) listen(spawn func(func())) {
	if !s.modern() || !s.tells() {
		return
	}
	filter := s.filter()
	spawn(func() {
		var b backoff
		for s.life.Err() == nil && b.tries < maxListens {
			began := time.Now()
			_, err := s.do(s.life, request{method: "subscriptions/listen", params: filter})
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
				s.missed()
			}
		}
	})
}

// lists are the lists of which a server may say that they have changed: its capability, the notification, and its word in the
// filter of a subscription.
var lists = []struct{ capability, notification, word string }{
	{"tools", "notifications/tools/list_changed", "toolsListChanged"},
	{"prompts", "notifications/prompts/list_changed", "promptsListChanged"},
	{"resources", "notifications/resources/list_changed", "resourcesListChanged"},
}

// tells reports whether the server says that it tells when a list has changed.
func (s *session) tells() bool {
	for _, l := range lists {
		if s.Offers(l.capability, "listChanged") {
			return true
		}
	}
	return s.Offers("resources", "subscribe")
}

// filter is what the session's own subscription asks for.
func (s *session) filter() []byte {
	out := []byte(`"notifications":{`)
	for _, l := range lists {
		if s.Offers(l.capability, "listChanged") {
			out = append(append(append(out, '"'), l.word...), `":true,`...)
		}
	}
	return append(bytes.TrimSuffix(out, []byte{','}), "},"...)
}

// missed says that every list may have changed.
func (s *session) missed() {
	s.changed()
	if f := s.follow.Load(); f != nil {
		for _, l := range lists[1:] {
			(*f)(l.notification, nil)
		}
	}
}

// Follow implements [mcp.Session].
func (s *session) Follow(f func(method string, params []byte)) { s.follow.Store(&f) }

// Subscribe implements [mcp.Session]. In the stateless era a subscription is a request that goes on.
func (s *session) Subscribe(ctx context.Context, uri string) error {
	quoted := jsonedit.AppendQuote(nil, uri)
	if !s.modern() {
		params := append(append([]byte(`"uri":`), quoted...), ',')
		if _, err := s.do(ctx, request{method: "resources/subscribe", params: params}); err != nil {
			return err
		}
		context.AfterFunc(ctx, func() {
			ctx, cancel := context.WithTimeout(s.life, s.o.Brief)
			defer cancel()
			_, _ = s.do(ctx, request{method: "resources/unsubscribe", params: params}) // a server that did not hear it tells in vain
		})
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	context.AfterFunc(s.life, stop)
	params := append(append([]byte(`"notifications":{"resourceSubscriptions":[`), quoted...), "]},"...)
	go func() { // ends with ctx, and with the session at the latest
		defer stop()
		if _, err := s.do(ctx, request{method: "subscriptions/listen", params: params}); err != nil {
			s.log.Debug("a subscription of a resource has ended", "error", err)
		}
	}()
	return nil
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
