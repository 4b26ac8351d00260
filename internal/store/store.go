// Package store keeps what outlives a request: hidden halves of mixed turns, calls that wait for the client's word, replies
// that clients come back to, the events of those that are made in the background, whose the files at providers are, what
// servers let principals in by, and results of tools that are too long for one reading.
//
// Everything belongs to a principal and expires. An id that is wrong, foreign or expired is not found, and no two of these
// can be told apart. Every method takes effect as a whole or not at all, whenever its process dies, and all processes that
// have opened one database see the same. Errors are [fault.Error] with the code store_unavailable.
//
// The implementation is one for all databases that speak SQL ([SQL]); the leaves bring the connection and what differs.
package store

import (
	"context"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
)

// Store is all that is kept.
type Store interface {
	Turns
	Approvals
	Replies
	Events
	Things
	Grants
	Results
	// Sweep deletes what has expired. It happens by itself, too, until Close.
	Sweep(ctx context.Context) error
	// Close ends the sweeper and closes the database. Nothing is asked of a Store that is closed.
	Close() error
}

// Turns are the hidden halves of mixed turns. A half that is gone is no error.
type Turns interface {
	// Keep puts kept away under each of its ids, in place of what was kept under them.
	Keep(ctx context.Context, principal string, kept llm.Kept) error
	// Holds reports whether anything may be kept for the principal. It asks no database, and it is never false for what this
	// process has kept, nor where the database is made to be shared by replicas. What another process has kept in the
	// same file is known a second later.
	Holds(principal string) bool
	// Among returns those of some ids of calls under which something is kept, in their order.
	Among(ctx context.Context, principal string, callIDs []string) ([]string, error)
	// Recall returns what is kept under the id of a call.
	Recall(ctx context.Context, principal, callID string) (llm.Kept, bool, error)
}

// Approvals are calls that wait for the client's word.
type Approvals interface {
	// Ask keeps a question. Its id has never been used before.
	Ask(ctx context.Context, principal string, p llm.Pending) error
	// Pending finds a question that has not been used up.
	Pending(ctx context.Context, principal, id string) (llm.Pending, bool, error)
	// Claim uses a question up. Of all that claim it, in whatever process, one gets true, and no crash gives it back.
	Claim(ctx context.Context, principal, id string) (bool, error)
}

// The statuses of a reply that is still being made, in the words of the wire that can show one.
const (
	Queued     = "queued"
	InProgress = "in_progress"
)

// Replies are replies that clients may come back to.
//
// One that is Queued or InProgress has an owner, the process that makes it, which says every now and then that it is still
// at it (Renew). Everybody, the owner included, changes such a reply by Update only, which no one can do after it has ended.
type Replies interface {
	// Save keeps a reply with the items in it, in place of an earlier one with its id.
	Save(ctx context.Context, principal string, r llm.Reply) error
	// Update replaces a reply that is still being made and adds to its events; after an Update to another status it has
	// ended. It reports false, and does nothing, if the reply has ended, was deleted or has expired.
	Update(ctx context.Context, principal string, r llm.Reply, last ...Event) (bool, error)
	// Renew says that the reply is still being made. It reports whether that is to stop: somebody wishes so, or the reply has
	// ended or is gone.
	Renew(ctx context.Context, principal, id string) (stop bool, err error)
	// Cancel makes Renew tell the owner to stop. It reports whether there is such a reply in the making.
	Cancel(ctx context.Context, principal, id string) (bool, error)

	Reply(ctx context.Context, principal, id string) (llm.Reply, bool, error)
	// State is cheaper than Reply. Asked before Read, it says whether more can follow what Read returns.
	State(ctx context.Context, principal, id string) (State, bool, error)
	// Chain returns the reply and those that it goes on from, oldest first, all without their Body. With one of them gone there
	// is no chain. A reply that nobody makes any more has failed. One that is longer than MaxChain or MaxChainBytes is a fault of kind TooLarge.
	Chain(ctx context.Context, principal, id string) ([]llm.Reply, bool, error)
	// Item finds one item of a reply's Input or Items by its member "id"; with several, that of the reply saved last.
	Item(ctx context.Context, principal, id string) ([]byte, bool, error)
	// Delete forgets a reply, its items and its events, and reports whether it was there.
	Delete(ctx context.Context, principal, id string) (bool, error)
}

// State is how a reply stands.
type State struct {
	Status    string
	Orphaned  bool // it is in the making, but its owner has not renewed it in time: it will not go on
	Cancelled bool // Cancel was asked for
}

// Events are the logs of replies that are made in the background.
type Events interface {
	// Append adds events to the log of a reply that is still being made, and reports false, and does nothing, if it is not.
	// An event whose number is there already stays as it is, so that an Append whose outcome is not known can be repeated.
	Append(ctx context.Context, principal, replyID string, events []Event) (bool, error)
	// Read returns the events with numbers above after, in their order and at most limit of them. It has none of a reply that
	// is not found.
	Read(ctx context.Context, principal, replyID string, after int64, limit int) ([]Event, error)
}

// Event is one event of a reply's log.
type Event struct {
	Seq   int64
	Frame []byte
}

// Things are files and batches that providers keep, with the gateway's credentials, for principals.
type Things interface {
	// Own notes that things belong to the principal, in place of what was noted of them.
	Own(ctx context.Context, principal string, things ...Thing) error
	Owned(ctx context.Context, principal, id string) (Thing, bool, error)
	// OwnedAmong returns those of the ids that belong to the principal, in their order.
	OwnedAmong(ctx context.Context, principal string, ids []string) ([]string, error)
	// Disown forgets a thing, if it was known.
	Disown(ctx context.Context, principal, id string) error
}

// Thing is a file or a batch.
type Thing struct {
	ID    string // the provider's
	Model string // the model whose provider has it, as clients ask for it
	Place string // that model's deployment; empty where it has only one place
}

// Grants are texts that the gateway keeps for principals, or for itself under the principal "": tokens for servers, clients that
// it has registered, logins that have begun. They come sealed, so that the store does not know what they say.
type Grants interface {
	Grant(ctx context.Context, principal, id string) (Grant, bool, error)
	// PutGrant keeps data for as long as life, in place of what was kept under the id.
	PutGrant(ctx context.Context, principal, id string, data []byte, life time.Duration) error
	// TakeGrant returns a grant and forgets it. Of all that take it, in whatever process, one gets it, and no crash gives it
	// back.
	TakeGrant(ctx context.Context, principal, id string) (Grant, bool, error)
	// DropGrant forgets a grant that still has the version; with version 0, whichever it has.
	DropGrant(ctx context.Context, principal, id string, version int64) error
	// Lease lets one holder of all in all processes be at something, until it releases the lease or life has passed. A holder
	// that has it already has it for longer.
	Lease(ctx context.Context, principal, id, holder string, life time.Duration) (bool, error)
	// Release ends a lease, if the holder still has it.
	Release(ctx context.Context, principal, id, holder string) error
}

// Grant is one text that is kept.
type Grant struct {
	Data    []byte
	Version int64 // another one after each change
}

// Results are results of tools that were too long to be passed on as a whole, for who reads on. In a store that is full, they
// make room for everything else, and nothing else does for them.
type Results interface {
	// SaveResult keeps a result. Its id has never been used before.
	SaveResult(ctx context.Context, principal string, r ToolResult) error
	// ResultPart returns a result with at most limit bytes of its text, from the byte offset on.
	ResultPart(ctx context.Context, principal, id string, offset, limit int) (ToolResult, bool, error)
}

// ToolResult is what one call of a tool has come to.
type ToolResult struct {
	ID       string
	Server   string // whose tool it was
	Tool     string // the server's own name for it
	External bool   // the server was named by a request and not by the config
	Text     []byte
	Size     int // of the whole text, in bytes; it is what a store says
}

// The bounds of a chain: its replies, and the bytes of their Input and Items.
const (
	MaxChain      = 500
	MaxChainBytes = 64 << 20
)

// MaxItems bounds the items with an id in one reply. One with more is a fault of kind TooLarge.
const MaxItems = 4096

// Options are how a store works. Zero fields have the values beside them.
type Options struct {
	TurnsFor     time.Duration // 1 hour
	ApprovalsFor time.Duration // 24 hours
	RepliesFor   time.Duration // 30 days
	ThingsFor    time.Duration // a year, from when they were last noted
	ResultsFor   time.Duration // 1 hour
	Lease        time.Duration // 1 minute: how long a Renew holds; the clocks of replicas must not differ by as much
	SweepEvery   time.Duration // 1 minute
	Timeout      time.Duration // 15 seconds: one call
	MemoryBytes  int64         // 64 MiB: of a store in memory; beyond it the oldest is forgotten

	Now func() time.Time // time.Now
	Log *slog.Logger     // slog.Default()
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.TurnsFor, time.Hour)
	set(&o.ApprovalsFor, 24*time.Hour)
	set(&o.RepliesFor, 30*24*time.Hour)
	set(&o.ThingsFor, 365*24*time.Hour)
	set(&o.ResultsFor, time.Hour)
	set(&o.Lease, time.Minute)
	set(&o.SweepEvery, time.Minute)
	set(&o.Timeout, 15*time.Second)
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}
