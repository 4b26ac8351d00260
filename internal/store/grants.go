package store

import (
	"context"
	"database/sql"
	"time"
)

// Grant finds a grant.
func (s *SQL) Grant(ctx context.Context, principal, id string) (g Grant, found bool, err error) {
	found, err = s.read(ctx, "Grant", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT data, version FROM fairlead_grants WHERE principal = $1 AND id = $2 AND expires > $3`,
			key(principal), key(id), s.now()).Scan(blob{&g.Data}, &g.Version)
	})
	return g, found, err
}

// PutGrant keeps a grant. Its version follows that of the one in whose place it is kept.
func (s *SQL) PutGrant(ctx context.Context, principal, id string, data []byte, life time.Duration) error {
	return s.write(ctx, "PutGrant", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO fairlead_grants (principal, id, data, version, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (principal, id) DO UPDATE SET data = excluded.data, version = fairlead_grants.version + 1, expires = excluded.expires`,
			key(principal), key(id), bytesOf(data), s.now(), s.in(life))
		return err
	})
}

// TakeGrant returns a grant and forgets it. It is gone from the disk when TakeGrant returns.
func (s *SQL) TakeGrant(ctx context.Context, principal, id string) (g Grant, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	db, err := s.opened()
	if err != nil || db == nil {
		return Grant{}, false, failed("TakeGrant", err)
	}
	err = db.durably(ctx, func(ctx context.Context, tx *sql.Tx) error {
		row := tx.QueryRowContext(ctx, `SELECT data, version FROM fairlead_grants WHERE principal = $1 AND id = $2 AND expires > $3`+db.RowLock,
			key(principal), key(id), s.now())
		if err := row.Scan(blob{&g.Data}, &g.Version); err != nil {
			return err
		}
		found, err = changed(tx.ExecContext(ctx, `DELETE FROM fairlead_grants WHERE principal = $1 AND id = $2`, key(principal), key(id)))
		return err
	})
	if err == sql.ErrNoRows { //nolint:errorlint // as Scan returns it
		return Grant{}, false, nil
	}
	if err != nil || !found {
		return Grant{}, false, failed("TakeGrant", err)
	}
	return g, true, nil
}

// DropGrant forgets a grant, if it still has the version; with version 0, whichever it has.
func (s *SQL) DropGrant(ctx context.Context, principal, id string, version int64) error {
	db, err := s.opened()
	if err != nil || db == nil {
		return failed("DropGrant", err)
	}
	return s.write(ctx, "DropGrant", func(ctx context.Context, tx *sql.Tx) error {
		text, args := `DELETE FROM fairlead_grants WHERE principal = $1 AND id = $2`, []any{key(principal), key(id)}
		if version != 0 {
			text, args = text+` AND version = $3`, append(args, version)
		}
		_, err := tx.ExecContext(ctx, text, args...)
		return err
	})
}

// Lease gives the holder a lease, or a longer one.
func (s *SQL) Lease(ctx context.Context, principal, id, holder string, life time.Duration) (got bool, err error) {
	err = s.write(ctx, "Lease", func(ctx context.Context, tx *sql.Tx) (err error) {
		got, err = changed(tx.ExecContext(ctx, `
			INSERT INTO fairlead_leases (principal, id, holder, expires) VALUES ($1, $2, $3, $4)
			ON CONFLICT (principal, id) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
			WHERE fairlead_leases.expires <= $5 OR fairlead_leases.holder = excluded.holder`,
			key(principal), key(id), key(holder), s.in(life), s.now()))
		return err
	})
	return got && err == nil, err
}

// Release ends a lease of the holder's.
func (s *SQL) Release(ctx context.Context, principal, id, holder string) error {
	return s.write(ctx, "Release", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM fairlead_leases WHERE principal = $1 AND id = $2 AND holder = $3`, key(principal), key(id), key(holder))
		return err
	})
}
