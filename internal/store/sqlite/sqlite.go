// Package sqlite is the store in one file, or in memory.
//
// A file is in WAL mode with synchronous=NORMAL: what was committed survives a process that is killed. A machine that loses
// its power may lose the last commits, whole ones, and never a claim, which waits for the disk. Several processes may use one
// file on one machine.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fairlead/fairlead/internal/store"
)

// readers is how many transactions read a file side by side; one writes.
const readers = 4

const (
	pageSize = 4096
	pageCost = 2 * pageSize // what one page of a database in memory takes
)

// Open returns the store in the file at path, which is made if it is not there. Only its owner may read it.
func Open(ctx context.Context, path string, o store.Options) (*store.SQL, error) {
	s, err := store.Open(ctx, o, func(ctx context.Context, _ store.Options) (*store.Database, error) { return openFile(path) })
	if err != nil {
		return nil, fmt.Errorf("the store %s cannot be opened: %w", path, err)
	}
	return s, nil
}

// Memory returns a store in memory, of at most o.MemoryBytes. It ends with Close.
func Memory(o store.Options) *store.SQL { return store.OpenLater(o, openMemory) }

func openFile(path string) (*store.Database, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(full, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, errors.Unwrap(err) // without the path, which the message has already
	}
	_ = f.Close()
	name := (&url.URL{Scheme: "file", Path: full, OmitHost: true}).String() +
		"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)"
	write, err := pool(name, 1)
	if err != nil {
		return nil, err
	}
	read, err := pool(name+"&_pragma=query_only(1)", readers)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &store.Database{
		Write: write, Read: read,
		Durable: "PRAGMA synchronous = FULL", Usual: "PRAGMA synchronous = NORMAL",
		Close: func() error { return errors.Join(read.Close(), write.Close()) },
	}, nil
}

// openMemory opens a database of its own. It is its one connection, which the driver never gives up.
func openMemory(_ context.Context, o store.Options) (*store.Database, error) {
	db, err := pool(fmt.Sprintf(":memory:?_txlock=immediate&_pragma=foreign_keys(1)&_pragma=page_size(%d)&_pragma=max_page_count(%d)",
		pageSize, max(o.MemoryBytes/pageCost, 64)), 1)
	if err != nil {
		return nil, err
	}
	return &store.Database{Write: db, Read: db, Full: full, Close: db.Close}, nil
}

func pool(name string, size int) (*sql.DB, error) {
	c, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

func full(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL
}
