package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/wire"
)

// Background makes replies that go on without their clients. It outlives the configs.
type Background struct {
	store store.Store
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // the life of all the replies in the making
	stop  context.CancelCauseFunc
	slots chan struct{}
	wg    sync.WaitGroup

	mu   sync.Mutex
	jobs map[jobKey]*job
}

type jobKey struct{ principal, id string }

// maxBackground is how many replies one process makes in the background at a time.
const maxBackground = 256

const (
	renewEvery  = 5 * time.Second        // well within a store's lease
	gatherEvery = 100 * time.Millisecond // events of this long go to the store together
	storeTime   = 10 * time.Second       // to keep what has become of a reply
	pollEvery   = 500 * time.Millisecond // how soon a reply that another process makes is looked at again
)

var errStopping = errors.New("the gateway is stopping")

// NewBackground keeps what it makes in s. Close it before s.
func NewBackground(s store.Store, log *slog.Logger) *Background {
	b := &Background{store: s, log: log, slots: make(chan struct{}, maxBackground), jobs: map[jobKey]*job{}}
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	return b
}

// Drain waits until no reply is in the making, or until ctx ends. No new one may begin meanwhile.
func (b *Background) Drain(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.wg.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Close stops all replies in the making, which are kept as failed, and waits until they have ended.
func (b *Background) Close() {
	b.stop(errStopping)
	b.wg.Wait()
}

// job is one reply in the making. To the door it is the client: an http.ResponseWriter whose frames go to the store.
type job struct {
	b         *Background
	door      wire.Archive
	principal string
	cancel    context.CancelFunc
	kept      chan struct{} // closed when the reply is in the store for the first time
	ended     chan struct{} // closed when nothing more comes

	mu      sync.Mutex
	header  http.Header
	rest    []byte // of a frame that is not complete
	pending []store.Event
	seq     int64
	now     llm.Reply // as it was kept last
	final   *llm.Reply
	err     error // why it ended
	timer   *time.Timer
	wake    chan struct{} // closed and replaced when there are new events
}

// start begins to make a reply. It reports false when too many are in the making.
func (b *Background) start(ctx context.Context, door wire.Archive, req *llm.Request, reply func(ctx context.Context, w http.ResponseWriter) error) (*job, bool) {
	select {
	case b.slots <- struct{}{}:
	default:
		return nil, false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(b.ctx, cancel)
	j := &job{
		b: b, door: door, principal: req.Principal, cancel: cancel, header: http.Header{},
		kept: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}),
	}
	req.Stream = true
	req.Replies = jobReplies{req.Replies, j}
	b.wg.Go(func() {
		defer func() { <-b.slots }()
		defer cancel()
		defer unlink()
		j.run(ctx, func() error { return reply(ctx, j) })
	})
	return j, true
}

// run makes the reply, and keeps how it ended.
func (j *job) run(ctx context.Context, make func() error) {
	defer close(j.ended)
	renewed := j.renew(ctx)
	err := j.guard(make)
	j.cancel()
	<-renewed
	j.finish(err)
}

// guard keeps a panic of one reply from the others.
func (j *job) guard(make func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.b.log.Error("a background reply panicked", "panic", p, "stack", stack())
			err = &fault.Error{Kind: fault.Internal, Code: "internal_error", Message: "the gateway failed to make this reply"}
		}
	}()
	return make()
}

// renew keeps the lease, and ends the reply when somebody wishes so. The channel is closed when it has stopped.
func (j *job) renew(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	j.b.wg.Go(func() {
		defer close(done)
		t := time.NewTicker(renewEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			id := j.id()
			if id == "" {
				continue
			}
			stop, err := j.b.store.Renew(ctx, j.principal, id)
			if err != nil && ctx.Err() == nil {
				j.b.log.Warn("the lease of a background reply could not be renewed", "reply", id, "error", err)
			}
			if stop {
				j.cancel()
			}
		}
	})
	return done
}

// why is the error with which a reply ended.
func (j *job) why() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

func (j *job) id() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now.ID
}

// finish keeps the reply as it ended, with the events that are not kept yet, as one.
func (j *job) finish(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.timer != nil {
		j.timer.Stop()
	}
	j.err = err
	if j.now.ID != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(j.b.ctx), storeTime)
		defer cancel()
		if _, err := j.b.store.Update(ctx, j.principal, j.outcome(err), j.pending...); err != nil {
			j.b.log.Error("the end of a background reply could not be kept", "reply", j.now.ID, "error", err)
		}
		j.b.mu.Lock()
		delete(j.b.jobs, jobKey{j.principal, j.now.ID})
		j.b.mu.Unlock()
	}
	j.pending = nil
	close(j.wake)
	j.wake = nil
}

// outcome is the reply as it is kept for good. One that nobody wished to end, and that ended without being complete, failed.
func (j *job) outcome(err error) llm.Reply {
	stopped := errors.Is(context.Cause(j.b.ctx), errStopping)
	if j.final != nil && (!stopped || j.final.Status != cancelled) {
		return *j.final
	}
	why := fault.From(err)
	if stopped || err == nil {
		why = errOrphaned
	}
	r := j.now
	r.Status, r.Body = failed, j.door.AppendFailed(nil, j.now, why)
	return r
}

// The words of the one wire that has such replies.
const (
	failed    = "failed"
	cancelled = "cancelled"
)

// Header is the header of an answer that nobody gets.
func (j *job) Header() http.Header { return j.header }

// WriteHeader does nothing.
func (j *job) WriteHeader(int) {}

// Write takes the door's frames. Comments and the mark of the end are not kept: they belong to one connection.
func (j *job) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		end := bytes.Index(j.rest, []byte("\n\n"))
		if end < 0 {
			break
		}
		frame := bytes.Clone(j.rest[:end+2])
		j.rest = j.rest[end+2:]
		if frame[0] == ':' || bytes.HasPrefix(frame, []byte("data: [DONE]")) {
			continue
		}
		j.pending = append(j.pending, store.Event{Seq: j.seq, Frame: frame})
		j.seq++
	}
	if len(j.rest) == 0 {
		j.rest = nil
	}
	if j.timer == nil && len(j.pending) > 0 {
		j.timer = time.AfterFunc(gatherEvery, j.gather)
	}
	return len(p), nil
}

// gather keeps the events so far and wakes those who follow.
func (j *job) gather() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.timer = nil
	if j.wake == nil || j.now.ID == "" || len(j.pending) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.b.ctx), storeTime)
	defer cancel()
	if _, err := j.b.store.Append(ctx, j.principal, j.now.ID, j.pending); err != nil {
		j.b.log.Warn("events of a background reply could not be kept yet", "reply", j.now.ID, "error", err)
		return
	}
	j.pending = nil
	close(j.wake)
	j.wake = make(chan struct{})
}

// jobReplies keeps the reply for its door: at once while it is in the making, and at its end together with its last events.
type jobReplies struct {
	llm.Replies
	j *job
}

// Save keeps r.
func (s jobReplies) Save(ctx context.Context, r llm.Reply) error {
	j := s.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.door.Finished(r.Status) {
		j.final = &r
		return nil
	}
	first := j.now.ID == ""
	if !first {
		if _, err := j.b.store.Update(ctx, j.principal, r); err != nil {
			return err
		}
		j.now = r
		return nil
	}
	if err := s.Replies.Save(ctx, r); err != nil {
		return err
	}
	j.now = r
	j.b.mu.Lock()
	j.b.jobs[jobKey{j.principal, r.ID}] = j
	j.b.mu.Unlock()
	close(j.kept)
	return nil
}

// job returns the reply if this process makes it.
func (b *Background) job(principal, id string) *job {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs[jobKey{principal, id}]
}

// news is closed when there is more to read of a reply; nil if this process does not make it.
func (b *Background) news(principal, id string) <-chan struct{} {
	j := b.job(principal, id)
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wake
}
