package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/fault"
)

// Database is a database that is open, and what the implementation must know of it. Its parameters are written $1.
type Database struct {
	Write *sql.DB // its transactions see nothing that changes under them without RowLock
	Read  *sql.DB // may be Write

	RowLock     string           // behind a SELECT of a transaction: nobody else changes its rows before the end; empty if nobody can
	SkipLocked  string           // behind a SELECT: leaves out what others have locked
	MigrateLock string           // a statement that lets one transaction through at a time; empty if there is only one anyway
	Durable     string           // a statement that makes what the connection commits survive the machine, not only the process
	Usual       string           // undoes Durable
	Shared      bool             // replicas are expected to share it
	Full        func(error) bool // what is written needs more room than there is; nil if there is always room
	Lost        func(error) bool // the connection had been lost, and another may do better; nil if it cannot be
	Close       func() error
}

// SQL is a Store in a database that speaks SQL.
type SQL struct {
	o       Options
	connect func(context.Context, Options) (*Database, error)
	held    held

	mu     sync.Mutex
	db     *Database // nil until it is opened
	closed bool
	stop   context.CancelFunc
	done   chan struct{}
}

var _ Store = (*SQL)(nil)

// Open returns the store of a database that connect opens, with its tables in the newest form.
func Open(ctx context.Context, o Options, connect func(context.Context, Options) (*Database, error)) (*SQL, error) {
	s := OpenLater(o, connect)
	if _, err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenLater is Open for a database that begins empty: it is opened when the first thing is kept.
func OpenLater(o Options, connect func(context.Context, Options) (*Database, error)) *SQL {
	return &SQL{o: o.withDefaults(), connect: connect}
}

var errClosed = errors.New("the store is closed")

// open returns the database, opened if it was not.
func (s *SQL) open(ctx context.Context) (*Database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.db != nil:
		return s.db, nil
	}
	db, err := s.connect(ctx, s.o)
	if err != nil {
		return nil, err
	}
	if err = migrate(ctx, db); err == nil && !db.Shared {
		err = s.refresh(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.db = db
	s.held.everybody.Store(db.Shared)
	var background context.Context
	background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.done = make(chan struct{})
	go s.tend(background, db)
	return db, nil
}

// opened returns the database, or nil if it has not been opened yet.
func (s *SQL) opened() (*Database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.db, nil
}

// Close ends the sweeper and closes the database.
func (s *SQL) Close() error {
	s.mu.Lock()
	db, closed := s.db, s.closed
	s.db, s.closed = nil, true
	s.mu.Unlock()
	if closed || db == nil {
		return nil
	}
	s.stop()
	<-s.done
	return db.Close()
}

// write runs do in a transaction. In a store that is full it forgets the oldest until there is room.
func (s *SQL) write(ctx context.Context, op string, do func(context.Context, *sql.Tx) error) error {
	return s.writeTo(ctx, op, func(ctx context.Context, tx *sql.Tx, _ *Database) error { return do(ctx, tx) })
}

// writeTo is write for who must know the database.
func (s *SQL) writeTo(ctx context.Context, op string, do func(context.Context, *sql.Tx, *Database) error) error {
	return s.writeOver(ctx, op, evict, do)
}

// writeOver is writeTo for what has room made for it in its own way.
func (s *SQL) writeOver(ctx context.Context, op string, room func(context.Context, *sql.Tx) error, do func(context.Context, *sql.Tx, *Database) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	db, err := s.open(ctx)
	if err != nil {
		return failed(op, err)
	}
	try := func(ctx context.Context, tx *sql.Tx) error { return do(ctx, tx, db) }
	err = db.inTx(ctx, db.Write, try)
	for n := 0; n < evictions && err != nil && db.Full != nil && db.Full(err); n++ {
		if err = db.inTx(ctx, db.Write, room); err == nil {
			err = db.inTx(ctx, db.Write, try)
		}
	}
	return failed(op, err)
}

// tries is how many connections are tried where all of them may have been lost, as when the server was started again.
const tries = 3

// again runs do until it does not meet a connection that was lost. What do does must not matter if it ends with an error.
func (db *Database) again(do func() error) error {
	err := do()
	for n := 1; n < tries && err != nil && db.Lost != nil && db.Lost(err); n++ {
		err = do()
	}
	return err
}

type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// inTx runs do in a transaction of on, which is a pool or a connection.
func (db *Database) inTx(ctx context.Context, on beginner, do func(context.Context, *sql.Tx) error) error {
	var tx *sql.Tx
	err := db.again(func() (err error) {
		tx, err = on.BeginTx(ctx, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// read runs do with the database, or finds nothing in one that has not been opened yet. It may run do more than once.
func (s *SQL) read(ctx context.Context, op string, do func(context.Context, *sql.DB) error) (found bool, err error) {
	db, err := s.opened()
	if err != nil || db == nil {
		return false, failed(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if err := db.again(func() error { return do(ctx, db.Read) }); !errors.Is(err, sql.ErrNoRows) {
		return err == nil, failed(op, err)
	}
	return false, nil
}

// failed returns err in the words of a door.
func failed(op string, err error) error {
	told, ok := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
		return nil
	case ok:
		return told
	case errors.Is(err, context.Canceled):
		return &fault.Error{Kind: fault.Canceled, Op: "store." + op, Code: "canceled", Message: "nobody waits for it any more", Err: err}
	}
	return &fault.Error{
		Kind: fault.Unavailable, Op: "store." + op, Code: "store_unavailable",
		Message: "what the gateway keeps between requests cannot be reached; try again", Err: err,
	}
}

// now is the time as the tables have it.
func (s *SQL) now() int64 { return s.o.Now().UnixMilli() }

func (s *SQL) in(d time.Duration) int64 { return s.o.Now().Add(d).UnixMilli() }

// maxKey bounds an id in the tables.
const maxKey = 256

// key is the form in which the tables have an id or a principal: what cannot stand in a column, or is too long for an index,
// by its hash.
func key(id string) string {
	if len(id) <= maxKey && utf8.ValidString(id) && strings.IndexByte(id, 0) < 0 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// plain is a text as a column takes it.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// bytesOf is b as a column that holds no NULL takes it.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// blob scans a column of bytes; an empty one is nil.
type blob struct{ to *[]byte }

// Scan takes what the driver lends.
func (b blob) Scan(v any) error {
	from, ok := v.([]byte)
	if !ok && v != nil {
		return fmt.Errorf("a column of bytes holds a %T", v)
	}
	if *b.to = nil; len(from) > 0 {
		*b.to = bytes.Clone(from)
	}
	return nil
}

// Texts of servers and models are kept even where they are not quite UTF-8.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true))

func encode(v any) ([]byte, error) { return json.Marshal(v, lenient) }

func decode(data []byte, v any) error { return json.Unmarshal(data, v, lenient) }

// changed reports whether a statement changed anything.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
