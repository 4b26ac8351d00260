package store

import (
	"context"
	"database/sql"
)

// Append adds events to the log of a reply that is still being made.
func (s *SQL) Append(ctx context.Context, principal, replyID string, events []Event) (bool, error) {
	principal, replyID = key(principal), key(replyID)
	running := false
	err := s.writeTo(ctx, "Append", func(ctx context.Context, tx *sql.Tx, db *Database) (err error) {
		if running, err = s.running(ctx, tx, db.RowLock, principal, replyID); err != nil || !running {
			return err
		}
		return addEvents(ctx, tx, principal, replyID, events)
	})
	return running && err == nil, err
}

func addEvents(ctx context.Context, tx *sql.Tx, principal, reply string, events []Event) error {
	return insert(ctx, tx, `INSERT INTO fairlead_events (principal, reply, seq, frame)`, []any{principal, reply}, len(events),
		func(args []any, i int) []any { return append(args, events[i].Seq, bytesOf(events[i].Frame)) })
}

// Read returns the events with numbers above after.
func (s *SQL) Read(ctx context.Context, principal, replyID string, after int64, limit int) (events []Event, err error) {
	_, err = s.read(ctx, "Read", func(ctx context.Context, db *sql.DB) error {
		events = nil
		rows, err := db.QueryContext(ctx, `
			SELECT e.seq, e.frame FROM fairlead_events e JOIN fairlead_replies r ON r.principal = e.principal AND r.id = e.reply
			WHERE e.principal = $1 AND e.reply = $2 AND e.seq > $3 AND r.expires > $4 ORDER BY e.seq LIMIT $5`,
			key(principal), key(replyID), after, s.now(), limit)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var e Event
			if err := rows.Scan(&e.Seq, blob{&e.Frame}); err != nil {
				return err
			}
			events = append(events, e)
		}
		return rows.Err()
	})
	return events, err
}
