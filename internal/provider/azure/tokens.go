package azure

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
)

const (
	// early is how long before its end a token is replaced, while requests go on with the old one.
	early = 5 * time.Minute
	// patience bounds one asking for a token; it belongs to no request.
	patience = 30 * time.Second
	// again is when a token that could not be replaced early is asked for once more.
	again = 30 * time.Second
)

// token is a token, and how long it holds from when it was asked for.
type token struct {
	text string
	ends time.Duration
}

// tokens keeps the token that requests carry. However many wait for one, it is asked for once.
type tokens struct {
	source *source
	now    func() time.Time

	mu     sync.Mutex
	text   string
	due    time.Time // when it is replaced
	ends   time.Time
	flight *flight // nil while nobody asks
}

// flight is one asking.
type flight struct {
	done chan struct{} // closed when err holds and the token is kept
	err  error
}

func newTokens(s *source) *tokens { return &tokens{source: s, now: time.Now} }

// sign puts the token into a request.
func (t *tokens) sign(r *http.Request, _ []byte) error {
	text, err := t.get(r.Context())
	if err != nil {
		return err
	}
	r.Header["Authorization"] = []string{"Bearer " + text}
	return nil
}

// get returns a token that holds. It waits for one as long as ctx lasts.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	now := t.now()
	holds := t.text != "" && now.Before(t.ends)
	if holds && now.Before(t.due) {
		defer t.mu.Unlock()
		return t.text, nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		go t.ask(f) // ends within patience
	}
	text := t.text
	t.mu.Unlock()
	if holds {
		return text, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if f.err != nil {
		return "", f.err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text, nil
}

// forget has the next request ask for a token anew: the one at hand was refused.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = ""
}

// ask asks for a token and keeps it. A failure leaves the old one, which may hold for a while.
func (t *tokens) ask(f *flight) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	asked := t.now()
	got, err := t.fetch(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight, f.err = nil, err
	if err != nil {
		t.due = asked.Add(again)
		return
	}
	t.text, t.ends = got.text, asked.Add(got.ends)
	t.due = t.ends.Add(-min(early, got.ends/2))
}

// fetch is the source's token. A panic there is an error for those who wait, and not the end of the gateway.
func (t *tokens) fetch(ctx context.Context) (got token, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault.Error{Kind: fault.Internal, Op: "azure.token", Message: "asking for a token went wrong"}
		}
	}()
	return t.source.token(ctx)
}
