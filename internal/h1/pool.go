package h1

import (
	"sync"
	"time"
)

// place is where a connection leads.
type place struct{ scheme, host string }

// pool holds idle connections, the latest used on top. It owns no goroutine: one timer at a time sweeps what is too old.
type pool struct {
	max  int
	life time.Duration

	mu    sync.Mutex
	idle  map[place][]*conn
	sweep *time.Timer // armed while there is something to sweep
	armed bool
}

func (p *pool) init(max int, life time.Duration) {
	p.max, p.life, p.idle = max, life, make(map[place][]*conn)
}

// take returns a connection that was alive a moment ago, or nil.
func (p *pool) take(to place) *conn {
	for {
		c := p.pop(to)
		if c == nil {
			return nil
		}
		if time.Since(c.since) < p.life && c.alive() {
			return c
		}
		_ = c.nc.Close()
	}
}

func (p *pool) pop(to place) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[to]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.idle[to] = list[:len(list)-1]
	return c
}

// put keeps c, or closes it when there are enough.
func (p *pool) put(c *conn) {
	c.since = time.Now()
	p.mu.Lock()
	list := p.idle[c.to]
	full := len(list) >= p.max
	if !full {
		p.idle[c.to] = append(list, c)
		p.arm()
	}
	p.mu.Unlock()
	if full {
		_ = c.nc.Close()
	}
}

// arm starts the timer. The caller holds mu.
func (p *pool) arm() {
	switch {
	case p.armed:
	case p.sweep == nil:
		p.sweep = time.AfterFunc(p.life, p.reap)
	default:
		p.sweep.Reset(p.life)
	}
	p.armed = true
}

// reap closes what has been idle for too long, and forgets places without connections.
func (p *pool) reap() {
	var old []*conn
	p.mu.Lock()
	p.armed = false
	for to, list := range p.idle {
		n := 0
		for n < len(list) && time.Since(list[n].since) >= p.life {
			n++
		}
		old = append(old, list[:n]...)
		if n == len(list) {
			delete(p.idle, to)
			continue
		}
		p.idle[to] = append([]*conn(nil), list[n:]...)
		p.arm()
	}
	p.mu.Unlock()
	for _, c := range old {
		_ = c.nc.Close()
	}
}

func (p *pool) closeIdle() {
	p.mu.Lock()
	idle := p.idle
	p.idle = make(map[place][]*conn)
	if p.armed {
		p.armed = !p.sweep.Stop()
	}
	p.mu.Unlock()
	for _, list := range idle {
		for _, c := range list {
			_ = c.nc.Close()
		}
	}
}
