package store

import (
	"context"
	"database/sql"
	"time"
)

const (
	sweepBatch  = 100 // rows that one statement deletes: it holds up nobody for long
	sweepRounds = 50  // statements for one table in one sweep
	evictions   = 16  // how often a full store forgets to make room for one thing
	refreshing  = time.Second
)

// tables with an expiry, and what tells their rows apart.
var tables = [...]struct{ name, key string }{
	{"fairlead_turns", "turn"},
	{"fairlead_approvals", "principal, id"},
	{"fairlead_replies", "principal, id"},
	{"fairlead_things", "principal, id"},
	{"fairlead_grants", "principal, id"},
	{"fairlead_leases", "principal, id"},
	{resultTable, "principal, id"},
}

// tend sweeps, and looks after what is held, until ctx ends.
func (s *SQL) tend(ctx context.Context, db *Database) {
	defer close(s.done)
	sweep, refresh := time.NewTicker(s.o.SweepEvery), time.NewTicker(refreshing)
	defer sweep.Stop()
	defer refresh.Stop()
	if db.Shared {
		refresh.Stop()
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			err = s.sweep(ctx, db)
		case <-refresh.C:
			err = s.bounded(ctx, func(ctx context.Context) error { return s.refresh(ctx, db) })
		}
		if err != nil && ctx.Err() == nil {
			s.o.Log.Warn("the store could not be swept; it is tried again", "error", err)
		}
	}
}

// Sweep deletes what has expired.
func (s *SQL) Sweep(ctx context.Context) error {
	db, err := s.opened()
	if err == nil && db != nil {
		err = s.sweep(ctx, db)
	}
	return failed("Sweep", err)
}

func (s *SQL) sweep(ctx context.Context, db *Database) error {
	for _, t := range tables {
		text := `DELETE FROM ` + t.name + ` WHERE (` + t.key + `) IN (SELECT ` + t.key + ` FROM ` + t.name + ` WHERE expires <= $1 ORDER BY expires LIMIT $2` + db.SkipLocked + `)`
		for range sweepRounds {
			var n int64
			err := s.bounded(ctx, func(ctx context.Context) error {
				r, err := db.Write.ExecContext(ctx, text, s.now(), sweepBatch)
				if err == nil {
					n, err = r.RowsAffected()
				}
				return err
			})
			if err != nil {
				return err
			}
			if n < sweepBatch {
				break
			}
		}
	}
	return nil
}

// bounded runs do within the time of one call.
func (s *SQL) bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return do(ctx)
}

// evict forgets the oldest quarter of the results, and when there are none, of everything.
func evict(ctx context.Context, tx *sql.Tx) error {
	if some, err := evictFrom(ctx, tx, resultTable, "principal, id"); some || err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := evictFrom(ctx, tx, t.name, t.key); err != nil {
			return err
		}
	}
	return nil
}

// evictFrom forgets the oldest quarter of a table, and reports whether there was any.
func evictFrom(ctx context.Context, tx *sql.Tx, name, key string) (bool, error) {
	return changed(tx.ExecContext(ctx, `DELETE FROM `+name+` WHERE (`+key+`) IN (SELECT `+key+` FROM `+name+` ORDER BY expires LIMIT (SELECT (count(*) + 3) / 4 FROM `+name+`))`))
}
