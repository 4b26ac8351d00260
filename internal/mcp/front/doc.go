// Package front is the door for MCP clients: streamable HTTP for both eras of the protocol on one URL. A client that sends
// a handshake (2024-11-05 to 2025-11-25) gets a session, one that says in each request what it speaks (2026-07-28) gets
// none. What a server answers passes as bytes: ids, numbers and unknown members stay as they are.
//
// Nothing has to be remembered of a session: its id is a sealed handle that says what the client is, bound to the path and
// the principal, so that any replica can serve it. What a process remembers beside that, as long as it lives, is the level
// of the log, what it has sent on the session's streams, the calls that run and those that wait for their clients; the end of
// a session is known to the process that was told of it.
package front

import (
	"crypto/rand"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/seal"
)

// The revisions. Each of the older era can be chosen in a handshake.
const (
	revModern = "2026-07-28"
	revLegacy = "2025-11-25"
)

var revisions = []string{revLegacy, "2025-06-18", "2025-03-26", "2024-11-05"}

// Options are what a Door needs beside the servers.
type Options struct {
	Seal      *seal.Ring    // makes the handles
	Version   string        // the gateway's
	KeepAlive time.Duration // the longest silence of a stream; 0: 15 s
	Session   time.Duration // how long a session lasts at most; 0: 24 h
	ListTTL   time.Duration // how long clients may take a list as fresh; 0: 1 min
	Parked    int           // calls that wait for clients of the stateless era at most; 0: 1024
	Each      int           // and those of one principal; 0: 64
	Park      time.Duration // how long one waits at most; 0: 10 min
	Log       *slog.Logger
}

// Door serves MCP clients. It may be used by many requests at once.
type Door struct {
	servers *mcp.Catalogue
	o       Options
	info    []byte // what the gateway says that it is
	live    live
	lot     lot
	spent   spent
	wires   wires
	tag     string       // of this process, in handles of what it alone knows
	kept    atomic.Int64 // bytes of streams
}

// New returns a door to servers.
func New(servers *mcp.Catalogue, o Options) *Door {
	for p, v := range map[*time.Duration]time.Duration{&o.KeepAlive: 15 * time.Second, &o.Session: 24 * time.Hour, &o.ListTTL: time.Minute, &o.Park: askTime} {
		if *p <= 0 {
			*p = v
		}
	}
	for p, v := range map[*int]int{&o.Parked: 1024, &o.Each: 64} {
		if *p <= 0 {
			*p = v
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	tag := rand.Text()[:13]
	return &Door{
		servers: servers, o: o, info: appendInfo(nil, o.Version),
		tag: tag, wires: wires{by: map[string]*wire{}},
		live: live{by: map[string]*session{}, ended: map[string]time.Time{}},
		lot:  lot{total: o.Parked, each: o.Each, life: o.Park, by: map[string]*parked{}, of: map[string]int{}},
	}
}
