package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fairlead/fairlead/internal/llm"
)

func isRunning(status string) bool { return status == Queued || status == InProgress }

// lease is until when the owner of a reply with this status is believed to make it.
func (s *SQL) lease(status string) int64 {
	if !isRunning(status) {
		return 0
	}
	return s.in(s.o.Lease)
}

// Save keeps a reply with the items in it.
func (s *SQL) Save(ctx context.Context, principal string, r llm.Reply) error {
	ids, err := itemIDs(&r)
	if err != nil {
		return failed("Save", err)
	}
	principal, id := key(principal), key(r.ID)
	return s.write(ctx, "Save", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO fairlead_replies (principal, id, previous, model, status, input, items, body, saved, alive_until, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (principal, id) DO UPDATE SET previous = excluded.previous, model = excluded.model, status = excluded.status,
				input = excluded.input, items = excluded.items, body = excluded.body, saved = excluded.saved,
				alive_until = excluded.alive_until, cancelled = 0, expires = excluded.expires`,
			principal, id, key(r.Previous), plain(r.Model), plain(r.Status), bytesOf(r.Input), bytesOf(r.Items), bytesOf(r.Body),
			s.now(), s.lease(r.Status), s.in(s.o.RepliesFor))
		if err != nil {
			return err
		}
		return index(ctx, tx, principal, id, ids)
	})
}

// Update replaces a reply that is still being made and adds to its events.
func (s *SQL) Update(ctx context.Context, principal string, r llm.Reply, last ...Event) (bool, error) {
	ids, err := itemIDs(&r)
	if err != nil {
		return false, failed("Update", err)
	}
	principal, id := key(principal), key(r.ID)
	done := false
	err = s.write(ctx, "Update", func(ctx context.Context, tx *sql.Tx) (err error) {
		done, err = changed(tx.ExecContext(ctx, `
			UPDATE fairlead_replies SET previous = $4, model = $5, status = $6, input = $7, items = $8, body = $9, saved = $3, alive_until = $10
			WHERE principal = $1 AND id = $2 AND expires > $3 AND status IN ('`+Queued+`', '`+InProgress+`')`,
			principal, id, s.now(), key(r.Previous), plain(r.Model), plain(r.Status), bytesOf(r.Input), bytesOf(r.Items), bytesOf(r.Body), s.lease(r.Status)))
		if err != nil || !done {
			return err
		}
		if err := index(ctx, tx, principal, id, ids); err != nil {
			return err
		}
		return addEvents(ctx, tx, principal, id, last)
	})
	return done && err == nil, err
}

// running reports whether a reply is still being made, which lock keeps so until the transaction ends.
func (s *SQL) running(ctx context.Context, tx *sql.Tx, lock, principal, id string) (bool, error) {
	status := ""
	err := tx.QueryRowContext(ctx, `SELECT status FROM fairlead_replies WHERE principal = $1 AND id = $2 AND expires > $3`+lock,
		principal, id, s.now()).Scan(&status)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return isRunning(status), err
}

// Renew says that the reply is still being made.
func (s *SQL) Renew(ctx context.Context, principal, id string) (stop bool, err error) {
	var cancelled int
	err = s.write(ctx, "Renew", func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `
			UPDATE fairlead_replies SET alive_until = $4
			WHERE principal = $1 AND id = $2 AND expires > $3 AND status IN ('`+Queued+`', '`+InProgress+`') RETURNING cancelled`,
			key(principal), key(id), s.now(), s.in(s.o.Lease)).Scan(&cancelled)
		if errors.Is(err, sql.ErrNoRows) {
			cancelled, err = 1, nil
		}
		return err
	})
	return err == nil && cancelled != 0, err
}

// Cancel makes Renew tell the owner to stop.
func (s *SQL) Cancel(ctx context.Context, principal, id string) (found bool, err error) {
	err = s.write(ctx, "Cancel", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = changed(tx.ExecContext(ctx, `
			UPDATE fairlead_replies SET cancelled = 1
			WHERE principal = $1 AND id = $2 AND expires > $3 AND status IN ('`+Queued+`', '`+InProgress+`')`, key(principal), key(id), s.now()))
		return err
	})
	return found && err == nil, err
}

// Reply finds a reply.
func (s *SQL) Reply(ctx context.Context, principal, id string) (r llm.Reply, found bool, err error) {
	found, err = s.read(ctx, "Reply", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `
			SELECT id, previous, model, status, input, items, body FROM fairlead_replies WHERE principal = $1 AND id = $2 AND expires > $3`,
			key(principal), key(id), s.now()).Scan(&r.ID, &r.Previous, &r.Model, &r.Status, blob{&r.Input}, blob{&r.Items}, blob{&r.Body})
	})
	return r, found, err
}

// State says how a reply stands.
func (s *SQL) State(ctx context.Context, principal, id string) (st State, found bool, err error) {
	found, err = s.read(ctx, "State", func(ctx context.Context, db *sql.DB) error {
		var alive int64
		var cancelled int
		now := s.now()
		err := db.QueryRowContext(ctx, `SELECT status, alive_until, cancelled FROM fairlead_replies WHERE principal = $1 AND id = $2 AND expires > $3`,
			key(principal), key(id), now).Scan(&st.Status, &alive, &cancelled)
		st.Orphaned, st.Cancelled = isRunning(st.Status) && alive <= now, cancelled != 0
		return err
	})
	return st, found, err
}

// Delete forgets a reply, its items and its events.
func (s *SQL) Delete(ctx context.Context, principal, id string) (found bool, err error) {
	err = s.write(ctx, "Delete", func(ctx context.Context, tx *sql.Tx) error {
		var expires int64
		err := tx.QueryRowContext(ctx, `DELETE FROM fairlead_replies WHERE principal = $1 AND id = $2 RETURNING expires`, key(principal), key(id)).Scan(&expires)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		found = expires > s.now()
		return err
	})
	return found && err == nil, err
}
