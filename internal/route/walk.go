package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// How long a request waits before it comes back to a deployment that has failed it.
const (
	firstWait = 250 * time.Millisecond // about; doubles
	longWait  = 10 * time.Second       // the longest; who is told to wait longer fails
	quickWait = time.Second            // the longest where there are fallbacks
)

// walk is one request's way to an answer.
type walk struct {
	req      *llm.Request
	seat     *seat
	call     *obs.Call
	affinity string
	yield    func(llm.Event, error) bool

	failed []*Deployment // not to be asked again before a wait
	lost   []*Deployment // not to be asked again
	seen   []*Model
	err    error // of the last deployment that was asked; nil before
	verdict
	attempt attempt
	own     seat // of a request that is no part of a loop

	// Room for what nearly every request has.
	roomSeen [2]*Model
	roomBest [4]*Deployment

	over bool // the reply has begun, or the client has gone: nothing more is tried
}

func (w *walk) has(d *Deployment) bool {
	return slices.Contains(w.failed, d) || slices.Contains(w.lost, d)
}

// speaks reports whether a deployment of m can be asked for all of the request.
func (w *walk) speaks(m *Model, d *Deployment) bool {
	if e := w.req.Errand; e != nil && e.Place != "" && e.Place != d.Name {
		return false
	}
	return m.o.DropUnknown || len(w.req.Params.Left) == 0 || w.sameWire(d)
}

func (w *walk) sameWire(d *Deployment) bool {
	return w.req.Raw.Wire == d.wireFor(w.req, len(w.req.AddedTools)+len(w.req.Tools) > 0)
}

// serve has one request answered, by m or by those that m falls back on; first where s says, if it is part of a loop.
func (m *Model) serve(ctx context.Context, req *llm.Request, s *seat, yield func(llm.Event, error) bool) {
	w := &walk{req: req, seat: s, call: obs.From(ctx), yield: yield}
	w.seen = w.roomSeen[:0]
	if s == nil {
		w.seat = &w.own
	} else {
		w.req = opened(req, s.opened)
	}
	if m.o.Affinity != nil {
		w.affinity = m.o.Affinity(req)
	}
	if w.seat.d != nil {
		w.backTo(ctx, m, *w.seat)
	}
	if !w.over {
		m.walk(ctx, w)
	}
	if !w.over {
		yield(llm.Event{}, w.err)
	}
}

// backTo asks the deployment that the last round was answered by, if it can be asked.
func (w *walk) backTo(ctx context.Context, root *Model, s seat) {
	p, ok := s.d.Health.enter(time.Now(), pressed)
	if !ok {
		return
	}
	own := w.req
	w.req = renamed(own, root, s.m)
	w.try(ctx, s.m, s.d, p)
	w.req = own
}

// renamed is a request for root as one for m.
func renamed(req *llm.Request, root, m *Model) *llm.Request {
	if m == root {
		return req
	}
	own := *req
	own.Model = m.o.Name
	return &own
}

// walk asks deployments of m until one answers, and then the models that m falls back on. When none has answered, w.err says
// why m has not.
func (m *Model) walk(ctx context.Context, w *walk) {
	w.seen = append(w.seen, m)
	if w.err == nil || w.away {
		m.ask(ctx, w)
	}
	if w.over {
		return
	}
	err, v, req := w.err, w.verdict, w.req
	if req.Errand != nil && req.Errand.Stays {
		return
	}
	for _, f := range m.fallbacks[v.cause] {
		if slices.Contains(w.seen, f) {
			continue
		}
		m.o.Log.InfoContext(ctx, "a request falls back on another model", "model", m.o.Name, "to", f.o.Name, "cause", v.cause.String(), w.call.Attrs())
		w.err, w.req = nil, renamed(req, m, f)
		if f.walk(ctx, w); w.over {
			return
		}
	}
	w.err, w.verdict, w.req = err, v, req
}

// ask asks deployments of m: each once, and the same again after a while as often as retries allow.
func (m *Model) ask(ctx context.Context, w *walk) {
	for turn := 0; ; {
		d, p, rest := m.choose(w, time.Now())
		if d != nil {
			if w.try(ctx, m, d, p); !w.over && w.foreign() {
				w.retell(ctx, m, d)
			}
			if w.over || !w.away {
				return
			}
			continue
		}
		if rest.at.IsZero() && len(w.failed) == 0 {
			w.nobody(m)
			return
		}
		wait := m.wait(w, rest, turn)
		if turn++; turn > m.o.Retries || wait < 0 || !sleep(ctx, wait) {
			w.resting(ctx, m, rest)
			return
		}
		w.failed = w.failed[:0]
	}
}

// wait is how long to wait before the deployments are looked at again; negative: too long.
func (m *Model) wait(w *walk, rest look, turn int) time.Duration {
	now := time.Now()
	soonest := rest.at
	for _, d := range w.failed {
		l := d.Health.look(now)
		if l.readiness != never {
			l.at = now
		}
		if soonest.IsZero() || l.at.Before(soonest) {
			soonest = l.at
		}
	}
	back := firstWait << min(turn, 5)
	back = back/2 + time.Duration(rand.Int64N(int64(back))) //nolint:gosec // it keeps requests apart, it is no secret
	cause := rest.why
	if w.err != nil {
		cause = w.cause
	}
	longest := longWait
	if len(m.fallbacks[cause]) > 0 {
		longest = quickWait - 1
	}
	if d := max(back, soonest.Sub(now)); d <= longest {
		return d
	}
	return -1
}

// sleep reports whether the request is still wanted after d.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt is one request to one deployment.
type attempt struct {
	pass
	begun, ended, failed bool
}

// done gives the deployment's place back. A reply that is neither ended nor failed was broken off by who reads it.
func (a *attempt) done() {
	switch {
	case a.failed:
	case a.ended:
		a.succeed()
	default:
		a.leave()
	}
}

// try asks one deployment. It ends with w.over, or with w.err and what it means.
func (w *walk) try(ctx context.Context, m *Model, d *Deployment, p pass) {
	w.call.Provider, w.call.Deployment, w.call.Dropped = d.Provider, d.Name, nil
	w.call.Attempts++
	if len(w.req.Params.Left) > 0 && !w.sameWire(d) {
		w.call.Dropped = w.req.Params.Left
	}
	a := &w.attempt
	*a = attempt{pass: p}
	defer a.done()
	for ev, err := range d.Model.Generate(ctx, w.req) {
		if err != nil {
			a.failed = true
			w.blame(ctx, m, d, err)
			if a.begun {
				w.over = true
				w.yield(llm.Event{}, err)
			}
			return
		}
		if !a.begun {
			a.begun, w.over = true, true
			a.answers(time.Now())
			w.seat.m, w.seat.d = m, d
		}
		a.ended = a.ended || ev.Kind == llm.End
		if !w.yield(ev, nil) {
			return
		}
	}
	w.over, a.ended = true, true
}

// blame notes what an error means for the request and for the deployment.
func (w *walk) blame(ctx context.Context, m *Model, d *Deployment, err error) {
	w.err, w.verdict = err, judge(ctx, err)
	now, f, p := time.Now(), fault.From(err), &w.attempt.pass
	if f.Kind == fault.Invalid && (m.wire == "" || m.varies) {
		w.verdict = strange // another wire may have a word for it
	}
	wait := retryAfter(f.RetryAfter, now)
	switch {
	case ctx.Err() != nil:
		p.leave()
		return
	case w.verdict.blame:
		if p.fail(now, wait) {
			m.o.Log.WarnContext(ctx, "a deployment fails and is left alone for a while", "model", m.o.Name, "deployment", d.Name, "error", err, w.call.Attrs())
		}
	case w.cause == RateLimit:
		p.limit(now, wait)
	case f.Kind == fault.Refused:
		p.succeed()
	default:
		p.leave()
	}
	if w.req.Spent() {
		w.cause, w.away, w.again = Other, false, false
	}
	if w.away {
		m.o.Log.InfoContext(ctx, "a deployment has failed a request", "model", m.o.Name, "deployment", d.Name, "error", err, w.call.Attrs())
	}
	if w.again {
		w.failed = append(w.failed, d)
	} else {
		w.lost = append(w.lost, d)
	}
}

// nobody is for a request that no deployment of m may be asked for. What an earlier one has said counts for more.
func (w *walk) nobody(m *Model) {
	if w.err != nil {
		return
	}
	left := w.req.Params.Left
	f := &fault.Error{
		Kind: fault.Unavailable, Op: op, Code: codeUpstream,
		Message: "no deployment of the model " + strconv.Quote(m.o.Name) + " can be asked",
	}
	if len(left) > 0 {
		f.Kind, f.Code, f.Param = fault.Invalid, "unsupported_parameter", left[0]
		f.Message = "no deployment of the model " + strconv.Quote(m.o.Name) + " speaks a wire that has a word for: " + strings.Join(left, ", ") + "; leave that out, or set unknown_params: drop for the model"
	}
	w.err, w.verdict = f, mistaken
}

const (
	op           = "route.Generate"
	codeUpstream = "upstream_error"
)

// resting is for a request that would have to wait too long for a deployment of m. What one has said counts for more.
func (w *walk) resting(ctx context.Context, m *Model, rest look) {
	if ctx.Err() != nil {
		w.err, w.verdict = ended(context.Cause(ctx)), mistaken
		return
	}
	if w.err != nil {
		return
	}
	seconds := strconv.Itoa(int(max(time.Until(rest.at), 0)/time.Second) + 1)
	f := &fault.Error{
		Kind: fault.Unavailable, Op: op, Code: codeUpstream, RetryAfter: seconds,
		Message: "all deployments of the model " + strconv.Quote(m.o.Name) + " have failed lately; the next is asked again in " + seconds + " s",
	}
	w.verdict = down
	if rest.why == RateLimit {
		f.Kind, f.Status, f.Code, f.Type = fault.Refused, http.StatusTooManyRequests, "rate_limit_exceeded", "rate_limit_error"
		f.Message = "all deployments of the model " + strconv.Quote(m.o.Name) + " are rate limited; the next is asked again in " + seconds + " s"
		w.verdict = limited
	}
	w.err = f
}

// ended is the error of a request that was over before a deployment could be asked.
func ended(cause error) error {
	if f, ok := errors.AsType[*fault.Error](cause); ok {
		return f
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &fault.Error{Kind: fault.Timeout, Op: op, Code: "upstream_timeout", Message: "no deployment could be asked before the time for the whole request was over", Err: cause}
	}
	return &fault.Error{Kind: fault.Canceled, Op: op, Code: "canceled", Message: "the client has left", Err: cause}
}

// retryAfter reads the header of that name (RFC 9110 §10.2.3); 0 when it says nothing.
func retryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
		if n > 0 && n < 1e6 {
			return time.Duration(n * float64(time.Second))
		}
		return 0
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
