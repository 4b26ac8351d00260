package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fairlead/fairlead/internal/llm"
)

// held knows for whom turns are kept, without asking the database.
type held struct {
	everybody atomic.Bool
	mu        sync.Mutex
	until     map[string]int64 // when the last turn of a principal expires
}

// add notes a turn.
func (h *held) add(principal string, expires int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.everybody.Load() {
		return
	}
	if h.until == nil {
		h.until = map[string]int64{}
	}
	h.until[principal] = max(h.until[principal], expires)
}

// drop forgets what has expired.
func (h *held) drop(now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.until, func(_ string, expires int64) bool { return expires <= now })
}

func (h *held) has(principal string, now int64) bool {
	if h.everybody.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until[principal] > now
}

// refresh notes what other processes have kept.
func (s *SQL) refresh(ctx context.Context, db *Database) error {
	now := s.now()
	s.held.drop(now)
	rows, err := db.Read.QueryContext(ctx, `SELECT principal, max(expires) FROM fairlead_calls WHERE expires > $1 GROUP BY principal`, now)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var principal string
		var expires int64
		if err := rows.Scan(&principal, &expires); err != nil {
			return err
		}
		s.held.add(principal, expires)
	}
	return rows.Err()
}

// Holds reports whether anything may be kept for the principal.
func (s *SQL) Holds(principal string) bool { return s.held.has(key(principal), s.now()) }

// Keep puts kept away under each of its ids.
func (s *SQL) Keep(ctx context.Context, principal string, kept llm.Kept) error {
	if len(kept.IDs) == 0 {
		return nil
	}
	data, err := encode(kept)
	if err != nil {
		return failed("Keep", err)
	}
	principal, turn, expires := key(principal), rand.Text(), s.in(s.o.TurnsFor)
	s.held.add(principal, expires)
	return s.write(ctx, "Keep", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO fairlead_turns (turn, data, expires) VALUES ($1, $2, $3)`, turn, data, expires); err != nil {
			return err
		}
		for _, id := range slices.Sorted(slices.Values(kept.IDs)) { // the same order everywhere: nobody waits for each other
			_, err := tx.ExecContext(ctx, `
				INSERT INTO fairlead_calls (principal, id, turn, expires) VALUES ($1, $2, $3, $4)
				ON CONFLICT (principal, id) DO UPDATE SET turn = excluded.turn, expires = excluded.expires`, principal, key(id), turn, expires)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// maxAmong is how many ids one query asks for.
const maxAmong = 500

// Among returns those of some ids of calls under which something is kept, in their order.
func (s *SQL) Among(ctx context.Context, principal string, callIDs []string) ([]string, error) {
	if !s.Holds(principal) {
		return nil, nil
	}
	return s.among(ctx, "fairlead_calls", principal, callIDs)
}

// among returns those of some ids that a table has for the principal, in their order.
func (s *SQL) among(ctx context.Context, table, principal string, ids []string) ([]string, error) {
	kept := map[string]bool{}
	for some := range slices.Chunk(ids, maxAmong) {
		if err := s.mark(ctx, table, principal, some, kept); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, id := range ids {
		if kept[key(id)] {
			out = append(out, id)
		}
	}
	return out, nil
}

// mark notes the keys of those ids that a table has.
func (s *SQL) mark(ctx context.Context, table, principal string, ids []string, kept map[string]bool) error {
	args := []any{key(principal), s.now()}
	var marks strings.Builder
	for i, id := range ids {
		if i > 0 {
			marks.WriteByte(',')
		}
		args = append(args, key(id))
		fmt.Fprintf(&marks, "$%d", len(args))
	}
	_, err := s.read(ctx, "Among", func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT id FROM `+table+` WHERE principal = $1 AND expires > $2 AND id IN (`+marks.String()+`)`, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			kept[id] = true
		}
		return rows.Err()
	})
	return err
}

// Recall returns what is kept under the id of a call.
func (s *SQL) Recall(ctx context.Context, principal, callID string) (kept llm.Kept, found bool, err error) {
	if !s.Holds(principal) {
		return llm.Kept{}, false, nil
	}
	found, err = s.read(ctx, "Recall", func(ctx context.Context, db *sql.DB) error {
		var data []byte
		err := db.QueryRowContext(ctx, `
			SELECT t.data FROM fairlead_calls c JOIN fairlead_turns t ON t.turn = c.turn
			WHERE c.principal = $1 AND c.id = $2 AND c.expires > $3`, key(principal), key(callID), s.now()).Scan(&data)
		if err != nil {
			return err
		}
		return decode(data, &kept)
	})
	return kept, found, err
}
