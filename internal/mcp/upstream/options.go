// Package upstream opens sessions with MCP servers: child processes over standard input and output, streamable HTTP, and the
// HTTP+SSE of 2024. It speaks both eras of the protocol, the one with a handshake (2024-11-05 to 2025-11-25) and the
// stateless one (2026-07-28), finds out which a server speaks, and remembers it. Messages pass as bytes.
//
// To a session of one client's own it declares what that client does, and the client answers what the server asks. Everywhere
// else it declares nothing: a server that asks for sampling, elicitation or roots is told that there is no such method, and a
// tool that answers with a request for input has failed.
package upstream

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/netguard"
)

// The revisions that are asked for. Any earlier one that a server chooses is accepted.
const (
	revModern = "2026-07-28"
	revLegacy = "2025-11-25"
	revFirst  = "2024-11-05"
)

// Options are limits and times of all sessions of a Dialer. A zero field means its default.
type Options struct {
	Log     *slog.Logger // default: slog.Default()
	Name    string       // the client's name in handshakes; default "fairlead"
	Version string       // the client's version; default "dev"

	Probe time.Duration // how long a server may think about the first request of the stateless era; 5 s
	Grace time.Duration // how long a child may take to end, first after its input closed, then after SIGTERM; 1 s
	Write time.Duration // how long a child may leave a message unread; 30 s
	Brief time.Duration // for messages beside the calls: a cancellation, an answer, the end of a session; 5 s

	MaxLine    int // bytes of a line from a child; 16 MiB. A longer one ends the session
	MaxResult  int // bytes of one result; 16 MiB
	MaxList    int // bytes of one list of tools, all pages; 32 MiB
	MaxPages   int // pages of one list; 100
	MaxPending int // calls of one session at the same time; 1024

	Guard *netguard.Dialer // connects to servers that a request named; default: a new one
}

func (o Options) withDefaults() *Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Guard == nil {
		o.Guard = &netguard.Dialer{}
	}
	for p, v := range map[*string]string{&o.Name: "fairlead", &o.Version: "dev"} {
		if *p == "" {
			*p = v
		}
	}
	for p, v := range map[*time.Duration]time.Duration{
		&o.Probe: 5 * time.Second, &o.Grace: time.Second, &o.Write: 30 * time.Second, &o.Brief: 5 * time.Second,
	} {
		if *p <= 0 {
			*p = v
		}
	}
	for p, v := range map[*int]int{&o.MaxLine: 16 << 20, &o.MaxResult: 16 << 20, &o.MaxList: 32 << 20, &o.MaxPages: 100, &o.MaxPending: 1024} {
		if *p <= 0 {
			*p = v
		}
	}
	return &o
}

// Dialer opens sessions. It remembers of each server which era it speaks. It is safe for many goroutines.
type Dialer struct {
	o       *Options
	own     *http.Client // servers of the config
	guarded *http.Client // servers that a request named

	mu   sync.Mutex
	eras map[string]era
}

// New returns a Dialer.
func New(o Options) *Dialer {
	d := &Dialer{o: o.withDefaults(), eras: make(map[string]era)}
	d.own = client(nil)
	d.guarded = client(d.o.Guard.DialContext)
	return d
}

// Close closes connections that no session uses. Sessions stay open.
func (d *Dialer) Close() {
	d.own.CloseIdleConnections()
	d.guarded.CloseIdleConnections()
}

// Dial opens a session; see [mcp.Dial]. The function changed must not block: it is called by the goroutine that reads the
// server's messages.
func (d *Dialer) Dial(ctx context.Context, server mcp.Server, headers http.Header, changed func()) (mcp.Session, error) {
	if changed == nil {
		changed = func() {}
	}
	t := target{Server: server, caller: headers, changed: changed}
	var s *session
	var err error
	switch {
	case server.Transport == "stdio" || server.URL == "" && len(server.Command) > 0:
		s, err = d.dialStdio(ctx, t)
	case server.URL != "":
		s, err = d.dialURL(ctx, t)
	default:
		return nil, &mcp.Unavailable{Message: "the server has neither a command nor a URL"}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

var _ mcp.Dial = (*Dialer)(nil).Dial

// target is what one session is opened to.
type target struct {
	mcp.Server
	caller  http.Header
	changed func()
}

// era is what is known about a server.
type era struct {
	legacy bool // it wants the handshake
	sse    bool // and HTTP+SSE
	only   bool // it knows the stateless era only
}

// maxEras bounds what is remembered; servers that requests name would fill the map otherwise.
const maxEras = 4096

func (d *Dialer) remembered(key string) (era, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.eras[key]
	return e, ok
}

func (d *Dialer) remember(key string, e era) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.eras) >= maxEras {
		clear(d.eras)
	}
	d.eras[key] = e
}

func (d *Dialer) forget(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.eras, key)
}

// pinned returns the revision that the config pins, or "".
func (t target) pinned() string {
	if t.Protocol == "auto" {
		return ""
	}
	return t.Protocol
}
