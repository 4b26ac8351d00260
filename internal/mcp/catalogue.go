package mcp

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/store"
)

// Options are the limits of a Catalogue. A zero field stands for its default.
type Options struct {
	ListTime    time.Duration // a listing, with the opening of its session: 10 s
	OpenTime    time.Duration // the opening of a session, when nobody waits any more: 60 s
	ListTTL     time.Duration // how long a list is fresh, where the server's config does not say: 5 min
	StaleTime   time.Duration // how long an old list is offered while it cannot be refreshed: 10 min
	CallTime    time.Duration // one call without a sign of progress, where the server's config does not say: 60 s
	MaxCallTime time.Duration // one call with progress, when the request itself has no deadline: 10 min
	ResultBytes int           // the text of a result, and its media: 256 KiB
	Pause       time.Duration // how long the first failure of a server is remembered, doubled with each further one: 5 s
	MaxPause    time.Duration // the longest pause: 30 s
	Grace       time.Duration // how long a request waits for a server that is known to have failed: 500 ms
	Sessions    int           // open sessions to one server; the one that was used least recently makes room: 64
	Idle        time.Duration // after which a session with a caller's credentials is closed: 5 min
	Drain       time.Duration // how long the running calls of a removed server may take: 60 s
	Results     store.Results // where results that are too long are kept; nil: they are cut
	Log         *slog.Logger  // default: none
	// Authorize returns what shows a server with Server.Auth who asks, for a caller, and a key that tells the caller's sessions
	// from those of others; "": all share one. nil: nobody is shown.
	Authorize func(s *Server, c Caller) (a Authorizer, key string)
	Vet       Vet     // looks at what servers of the config show before anybody sees it; nil: nobody does
	Suspect   Suspect // looks at what servers say outside of their lists; nil: nobody does
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.ListTime, 10 * time.Second},
		{&o.OpenTime, time.Minute},
		{&o.ListTTL, 5 * time.Minute},
		{&o.StaleTime, 10 * time.Minute},
		{&o.CallTime, time.Minute},
		{&o.MaxCallTime, 10 * time.Minute},
		{&o.Pause, 5 * time.Second},
		{&o.MaxPause, 30 * time.Second},
		{&o.Grace, 500 * time.Millisecond},
		{&o.Idle, 5 * time.Minute},
		{&o.Drain, time.Minute},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if o.ResultBytes <= 0 {
		o.ResultBytes = 256 << 10
	}
	if o.Sessions <= 0 {
		o.Sessions = 64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Catalogue is the set of MCP servers, with their sessions and lists. Its methods may be called side by side.
type Catalogue struct {
	dial Dial
	o    Options
	ctx  context.Context //nolint:containedctx // ends with Close; it owns goroutines
	stop context.CancelFunc
	wg   sync.WaitGroup // every goroutine of the catalogue

	spawning sync.Mutex // the innermost lock; the others are taken in the order Catalogue.mu, pool.mu, slot.mu
	ended    bool

	callTime    atomic.Int64 // Options.CallTime, or what Limit has set
	resultBytes atomic.Int64 // Options.ResultBytes, likewise
	vetted      atomic.Int64 // how often Revet was called

	mu       sync.Mutex
	closed   bool
	servers  []*pool // in the config's order
	external map[string]*pool

	shelves shelves
	indexes indexes
	news    news
}

// New returns a catalogue without servers. dial opens its sessions.
func New(dial Dial, o Options) *Catalogue {
	c := &Catalogue{dial: dial, o: o.withDefaults(), external: map[string]*pool{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.Limit(c.o.CallTime, c.o.ResultBytes)
	return c
}

// Limit sets Options.CallTime and Options.ResultBytes anew, for calls that begin from now on.
func (c *Catalogue) Limit(callTime time.Duration, resultBytes int) {
	if callTime > 0 {
		c.callTime.Store(int64(callTime))
	}
	if resultBytes > 0 {
		c.resultBytes.Store(int64(resultBytes))
	}
}

// Apply makes servers the servers of the catalogue, in this order. Those that have not changed keep their sessions and
// lists; sessions of the others are closed when their running calls have ended, or after Options.Drain.
func (c *Catalogue) Apply(servers []Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	old := map[string]*pool{}
	for _, p := range c.servers {
		old[p.server.Name] = p
	}
	next := make([]*pool, 0, len(servers))
	for _, s := range servers {
		p := old[s.Name]
		if p != nil && reflect.DeepEqual(p.server, s) {
			delete(old, s.Name)
		} else {
			p = newPool(c, s)
		}
		next = append(next, p)
	}
	c.servers = next
	c.news.tell()
	for _, p := range old {
		c.retire(p)
	}
}

// retire lets a pool's calls end and closes it. c.mu is held.
func (c *Catalogue) retire(p *pool) {
	p.retire()
	c.spawn(func() {
		t := time.NewTimer(c.o.Drain)
		defer t.Stop()
		select {
		case <-p.quiet:
		case <-t.C:
		case <-c.ctx.Done():
		}
		p.close()
	})
}

// Warm opens, in the background, the sessions of all servers that need no credentials of callers, and lists their tools.
// It may be called again; what is open already stays as it is.
func (c *Catalogue) Warm() {
	width := make(chan struct{}, 8)
	for _, p := range c.pools() {
		if p.needsCaller() {
			continue
		}
		c.spawn(func() {
			select {
			case width <- struct{}{}:
				defer func() { <-width }()
			case <-c.ctx.Done():
				return
			}
			s, err := p.acquire(who{})
			if err != nil {
				return
			}
			defer s.release()
			_, _ = s.tools(c.ctx) // the slot remembers and logs a failure
		})
	}
}

// Close closes all sessions, and returns when the processes behind them have ended and no goroutine is left.
func (c *Catalogue) Close() {
	c.mu.Lock()
	c.closed = true
	pools := slices.Clone(c.servers)
	for _, p := range c.external {
		pools = append(pools, p)
	}
	c.servers, c.external = nil, map[string]*pool{}
	c.mu.Unlock()
	c.spawning.Lock()
	c.ended = true
	c.spawning.Unlock()
	c.stop()
	var wg sync.WaitGroup
	for _, p := range pools {
		p.retire()
		wg.Go(p.close)
	}
	wg.Wait()
	c.wg.Wait()
}

// spawn starts a goroutine of the catalogue, unless that is closed.
func (c *Catalogue) spawn(f func()) bool {
	c.spawning.Lock()
	defer c.spawning.Unlock()
	if c.ended {
		return false
	}
	c.wg.Go(f)
	return true
}

// pools returns the servers of the config, in order.
func (c *Catalogue) pools() []*pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers
}

// pool returns the server of the config with this name, or nil.
func (c *Catalogue) pool(name string) *pool {
	for _, p := range c.pools() {
		if p.server.Name == name {
			return p
		}
	}
	return nil
}

// Server returns the server of the config with this name.
func (c *Catalogue) Server(name string) (Server, bool) {
	p := c.pool(name)
	if p == nil {
		return Server{}, false
	}
	return p.server, true
}

// maxExternal bounds the servers that requests have named and that are remembered.
const maxExternal = 64

// externalPool returns the pool of a server that a request names, making one if need be.
func (c *Catalogue) externalPool(s Server) (*pool, error) {
	key := s.Name + "\x00" + s.URL
	if s.Untrusted {
		key += "\x00"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errGone
	}
	if p := c.external[key]; p != nil {
		return p, nil
	}
	if len(c.external) >= maxExternal && !c.dropExternal() {
		return nil, &Unavailable{Message: "too many servers that are not of the config are in use; try again later"}
	}
	p := newPool(c, s)
	c.external[key] = p
	return p, nil
}

// dropExternal forgets one server that nobody uses. c.mu is held.
func (c *Catalogue) dropExternal() bool {
	var oldest string
	var at time.Time
	for key, p := range c.external {
		if used, busy := p.lastUse(); !busy && (oldest == "" || used.Before(at)) {
			oldest, at = key, used
		}
	}
	p := c.external[oldest]
	if p == nil {
		return false
	}
	delete(c.external, oldest)
	c.retire(p)
	return true
}

// Status is how a server stands.
type Status struct {
	Name     string
	Tools    int       // as last listed without a caller's credentials
	Listed   time.Time // when that was; zero: never
	Sessions int       // open ones, with all credentials
	Error    string    // why the last listing failed; empty when it did not
	Remarks  []Remark  // what vetting has found in its lists, what is withheld of them among it
}

// Status tells of each server of the config, in order.
func (c *Catalogue) Status() []Status {
	pools := c.pools()
	out := make([]Status, 0, len(pools))
	for _, p := range pools {
		out = append(out, p.status())
	}
	return out
}
