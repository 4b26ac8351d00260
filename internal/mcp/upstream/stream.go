package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/sse"
)

// place is where a stream broke off, and how long its server wants to be left alone.
type place struct {
	id    string
	retry time.Duration
}

// errEnded says that a stream ended before the answer.
var errEnded = errors.New("the stream ended")

// follow reads a stream and hands its messages to the peer, until c has been answered; a nil c never is. An error says why
// there was no answer.
func (t *web) follow(body io.Reader, c *call) (place, error) {
	limit := t.o.MaxResult + envelope
	if c != nil {
		limit = c.limit + envelope
	}
	r := sse.NewReader(body, limit)
	for {
		ev, err := r.Next()
		at := place{r.LastID(), r.Retry()}
		if errors.Is(err, io.EOF) {
			return at, errEnded
		}
		if err != nil {
			return at, err
		}
		t.event(ev, c)
		if c != nil && len(c.answer) > 0 {
			return at, nil
		}
	}
}

// event takes in one event of the stream of a call, or of the session when c is nil. Its data is copied, since messages outlive the reader's buffer.
func (t *web) event(ev sse.Event, c *call) {
	if len(ev.Data) == 0 || ev.Name != "" && ev.Name != "message" {
		return
	}
	ms, err := jsonrpc.ParseBatch(bytes.Clone(ev.Data), maxBatch)
	if err != nil {
		t.p.log.Debug("an MCP server sent an event that is not a message", "reason", err.Error())
		return
	}
	for _, m := range ms {
		t.p.receive(m, c)
	}
}

// maxResumes bounds how often in a row a stream is taken up again without news.
const maxResumes = 5

// resume takes up the stream of a call that broke off at a place, where the server gave it an id.
func (t *web) resume(ctx context.Context, c *call, at place, cause error) (jsonrpc.Message, error) {
	var none jsonrpc.Message
	for tries := 0; tries < maxResumes; tries++ {
		if errors.Is(cause, sse.ErrTooLarge) {
			return none, t.broken(cause, c)
		}
		if at.id == "" || t.modern() {
			break
		}
		pause(ctx, at.delay())
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		next, err := t.reopen(ctx, c, at)
		if err == nil {
			return <-c.answer, nil
		}
		if _, refused := errors.AsType[*httpError](err); refused {
			return none, &mcp.LostError{Message: "the server ended the stream before the answer, and did not take it up again", Err: err}
		}
		if next.id != at.id {
			tries = -1
		}
		at, cause = next, err
	}
	return none, t.broken(cause, c)
}

// delay is how long to wait before a stream is taken up again.
func (p place) delay() time.Duration {
	if p.retry > 0 {
		return min(p.retry, time.Minute)
	}
	return time.Second
}

// reopen asks for the rest of a stream and reads it, until c has been answered.
func (t *web) reopen(ctx context.Context, c *call, at place) (place, error) {
	h := make(http.Header)
	if at.id != "" {
		h.Set("Last-Event-ID", at.id)
	}
	req, err := t.request(ctx, http.MethodGet, nil, h)
	if err != nil {
		return at, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := t.roundTrip(req)
	if c == nil {
		t.stood.Do(func() { close(t.standing) })
	}
	if err != nil {
		return at, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return at, t.refusal(resp, reading)
	}
	if mediaType(resp.Header) != "text/event-stream" {
		return at, &httpError{resp.StatusCode, &mcp.Unavailable{Message: "the server sent no event stream"}}
	}
	next, err := t.follow(resp.Body, c)
	if next.id == "" {
		next.id = at.id
	}
	if next.retry == 0 {
		next.retry = at.retry
	}
	return next, err
}

// stand keeps the server's own stream open as long as the session lives, for its notifications and requests. Servers need
// not have one.
func (t *web) stand() {
	t.wg.Go(func() {
		var at place
		var b backoff
		for t.p.life.Err() == nil {
			next, err := t.reopen(t.p.life, nil, at)
			if e, ok := errors.AsType[*httpError](err); ok && e.status < 500 {
				return
			}
			if errors.Is(err, errEnded) && next.id != at.id {
				b = backoff{}
			}
			at = next
			b.wait(t.p.life, at.retry)
		}
	})
}
