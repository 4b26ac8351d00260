package route

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// What a deployment is held to.
const (
	breakAfter  = 3                // failures in a row
	shortBreak  = 5 * time.Second  // the first break; each that follows a failed probe is twice as long
	longBreak   = 30 * time.Second // the longest
	lastResort  = time.Second      // between two requests to a deployment in a break, where there is nobody else to ask
	openSlots   = 64               // so many requests side by side are not limited any more after a recovery
	firstRest   = time.Second      // after a rate limit that does not say how long; doubles
	longestRest = 30 * time.Second
	longestWord = 5 * time.Minute // how long a provider's own word is believed
	forgetAfter = time.Minute     // a measured latency counts for half after so long
	newest      = 0.3             // the weight of the newest latency
)

// Health is what is known of one deployment: its requests in flight, how fast it answers, whether it has earned a rest. It is
// shared by all models that run there. Its zero value is a healthy deployment that nobody has asked yet.
type Health struct {
	mu       sync.Mutex
	flight   int
	state    state
	term     int       // counts breaks: what was begun in an earlier one says nothing of this one
	failures int       // in a row
	breaks   int       // in a row
	until    time.Time // of the break
	probed   time.Time // when the break began, with a failure
	slots    int       // proving: requests that may wait for their first event side by side
	waiting  int       // proving: those that do
	rest     time.Time // not asked until then
	why      Cause     // of the rest
	limits   int       // rate limits in a row
	latency  float64   // seconds to the first event; 0: not known
	measured time.Time
}

type state int

const (
	closed  state = iota // healthy
	open                 // not asked until the break ends
	proving              // asked by one request; each answer lets one more in
)

// readiness says how willingly a deployment is asked.
type readiness int

const (
	never   readiness = iota // not now
	last                     // if all are as bad: it is in a break
	pressed                  // if there is nobody better: it is recovering and has its hands full
	ready
)

// look is a deployment's state at one moment.
type look struct {
	readiness
	at      time.Time // never, last: when it may be asked again
	why     Cause     // never
	flight  int
	latency float64
}

func (h *Health) look(now time.Time) look {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := look{readiness: ready, flight: h.flight}
	if h.latency > 0 {
		l.latency = h.latency * h.trust(now)
	}
	switch {
	case h.rest.After(now):
		l.readiness, l.at, l.why = never, h.rest, h.why
	case h.state == open && h.until.After(now):
		l.readiness, l.at, l.why = last, h.until, Outage
		if resort := h.probed.Add(lastResort); resort.After(now) {
			l.readiness, l.at = never, resort
		}
	case h.state == proving && h.waiting >= h.slots && h.slots == 1:
		l.readiness, l.at, l.why = never, now, Outage
	case h.state == proving && h.waiting >= h.slots:
		l.readiness = pressed
	}
	return l
}

// trust is what the measured latency counts for, from 1 down to 0: a deployment that was slow once is tried again some day.
func (h *Health) trust(now time.Time) float64 {
	return math.Exp2(-now.Sub(h.measured).Seconds() / forgetAfter.Seconds())
}

// pass lets one request through.
type pass struct {
	h     *Health
	term  int
	waits bool // it counts in Health.waiting
	begun time.Time
}

// enter lets a request through, or not: since look, another one may have taken the place.
func (h *Health) enter(now time.Time, how readiness) (pass, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rest.After(now) {
		return pass{}, false
	}
	switch h.state {
	case open:
		if h.until.After(now) && (how != last || h.probed.Add(lastResort).After(now)) {
			return pass{}, false
		}
		h.state, h.slots, h.waiting = proving, 1, 0
	case proving:
		if h.waiting >= h.slots && (how != pressed || h.slots == 1) {
			return pass{}, false
		}
	case closed:
	}
	p := pass{h: h, term: h.term, begun: now}
	if h.state == proving {
		p.waits = true
		h.waiting++
	}
	h.flight++
	return p, true
}

// settle ends the wait of a request for its first event.
func (p *pass) settle() {
	if p.waits && p.term == p.h.term {
		p.h.waiting--
	}
	p.waits = false
}

// answers notes the first event.
func (p *pass) answers(now time.Time) {
	h := p.h
	h.mu.Lock()
	defer h.mu.Unlock()
	took := max(now.Sub(p.begun).Seconds(), 1e-9)
	if h.latency == 0 {
		h.latency = took
	} else {
		h.latency += (1 - (1-newest)*h.trust(now)) * (took - h.latency)
	}
	h.measured, h.limits = now, 0
	p.settle()
	p.proves()
}

// proves notes that a recovering deployment has answered.
func (p *pass) proves() {
	h := p.h
	if h.state != proving || p.term != h.term {
		return
	}
	if h.slots++; h.slots >= openSlots {
		h.state, h.breaks, h.failures = closed, 0, 0
	}
}

// leave ends a request that says nothing of the deployment, or nothing new.
func (p *pass) leave() {
	h := p.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight--
	p.settle()
}

// succeed ends a request that was answered to the end, if only with a refusal that is the client's business.
func (p *pass) succeed() {
	h := p.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight--
	if p.term == h.term && h.state == closed {
		h.failures = 0
	}
	if p.waits {
		p.settle()
		p.proves()
	}
}

// limit ends a request that the deployment had no room for; wait is its own word, 0 for none.
func (p *pass) limit(now time.Time, wait time.Duration) {
	h := p.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight--
	p.settle()
	if wait <= 0 {
		wait = min(firstRest<<min(h.limits, 10), longestRest)
		h.limits++
	}
	h.restFor(now, wait, RateLimit)
}

// fail ends a request that the deployment has failed, and reports whether a break begins. wait is its own word.
func (p *pass) fail(now time.Time, wait time.Duration) (breaks bool) {
	h := p.h
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight--
	p.settle()
	if p.term != h.term || h.state == open {
		return false
	}
	h.restFor(now, wait, Outage)
	if h.failures++; h.state == closed && h.failures < breakAfter {
		return false
	}
	d := min(shortBreak<<min(h.breaks, 10), longBreak)
	d += time.Duration(rand.Int64N(int64(d / 4))) //nolint:gosec // it keeps gateways apart, it is no secret
	h.state, h.until, h.probed, h.failures = open, now.Add(d), now, 0
	h.breaks++
	h.term++
	return true
}

// restFor has nothing asked of the deployment for a while.
func (h *Health) restFor(now time.Time, wait time.Duration, why Cause) {
	if end := now.Add(min(wait, longestWord)); wait > 0 && end.After(h.rest) {
		h.rest, h.why = end, why
	}
}

// Healths keeps what is known of deployments, by what they are, while configs come and go.
type Healths struct {
	mu  sync.Mutex
	now map[string]*Health
}

// Renew returns where the deployments of a new config find their Health. Those that it does not ask for are forgotten with
// keep, which makes it the config that holds.
func (hs *Healths) Renew() (of func(identity string) *Health, keep func()) {
	next := map[string]*Health{}
	of = func(identity string) *Health {
		if h := next[identity]; h != nil {
			return h
		}
		hs.mu.Lock()
		defer hs.mu.Unlock()
		h := hs.now[identity]
		if h == nil {
			h = new(Health)
		}
		next[identity] = h
		return h
	}
	keep = func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.now = next
	}
	return of, keep
}
