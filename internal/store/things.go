package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// Own notes that things belong to the principal.
func (s *SQL) Own(ctx context.Context, principal string, things ...Thing) error {
	if len(things) == 0 {
		return nil
	}
	things = slices.Clone(things) // the same order everywhere: nobody waits for each other
	slices.SortFunc(things, func(a, b Thing) int { return strings.Compare(a.ID, b.ID) })
	return s.write(ctx, "Own", func(ctx context.Context, tx *sql.Tx) error {
		for _, t := range things {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO fairlead_things (principal, id, model, place, expires) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (principal, id) DO UPDATE SET model = excluded.model, place = excluded.place, expires = excluded.expires`,
				key(principal), key(t.ID), plain(t.Model), plain(t.Place), s.in(s.o.ThingsFor))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Owned finds one thing of the principal's.
func (s *SQL) Owned(ctx context.Context, principal, id string) (Thing, bool, error) {
	t := Thing{ID: id}
	found, err := s.read(ctx, "Owned", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT model, place FROM fairlead_things WHERE principal = $1 AND id = $2 AND expires > $3`,
			key(principal), key(id), s.now()).Scan(&t.Model, &t.Place)
	})
	return t, found, err
}

// OwnedAmong returns those of the ids that belong to the principal, in their order.
func (s *SQL) OwnedAmong(ctx context.Context, principal string, ids []string) ([]string, error) {
	return s.among(ctx, "fairlead_things", principal, ids)
}

// Disown forgets a thing.
func (s *SQL) Disown(ctx context.Context, principal, id string) error {
	db, err := s.opened()
	if err != nil || db == nil {
		return failed("Disown", err)
	}
	return s.write(ctx, "Disown", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM fairlead_things WHERE principal = $1 AND id = $2`, key(principal), key(id))
		return err
	})
}
