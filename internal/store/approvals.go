package store

import (
	"context"
	"database/sql"

	"github.com/fairlead/fairlead/internal/llm"
)

// Ask keeps a question.
func (s *SQL) Ask(ctx context.Context, principal string, p llm.Pending) error {
	data, err := encode(p)
	if err != nil {
		return failed("Ask", err)
	}
	return s.write(ctx, "Ask", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO fairlead_approvals (principal, id, data, expires) VALUES ($1, $2, $3, $4)`,
			key(principal), key(p.ID), data, s.in(s.o.ApprovalsFor))
		return err
	})
}

// Pending finds a question that has not been used up.
func (s *SQL) Pending(ctx context.Context, principal, id string) (p llm.Pending, found bool, err error) {
	found, err = s.read(ctx, "Pending", func(ctx context.Context, db *sql.DB) error {
		var data []byte
		err := db.QueryRowContext(ctx, `SELECT data FROM fairlead_approvals WHERE principal = $1 AND id = $2 AND used = 0 AND expires > $3`,
			key(principal), key(id), s.now()).Scan(&data)
		if err != nil {
			return err
		}
		return decode(data, &p)
	})
	return p, found, err
}

// Claim uses a question up. It is on the disk when Claim returns: the call that it lets run may not be undone either.
func (s *SQL) Claim(ctx context.Context, principal, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	db, err := s.opened()
	if err != nil || db == nil {
		return false, failed("Claim", err)
	}
	claimed := false
	claim := func(ctx context.Context, tx *sql.Tx) (err error) {
		claimed, err = changed(tx.ExecContext(ctx, `
			UPDATE fairlead_approvals SET used = 1, data = $4 WHERE principal = $1 AND id = $2 AND used = 0 AND expires > $3`,
			key(principal), key(id), s.now(), []byte{}))
		return err
	}
	err = db.durably(ctx, claim)
	return claimed && err == nil, failed("Claim", err)
}

// durably runs do in a transaction that is on the disk afterwards.
func (db *Database) durably(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	if db.Durable == "" {
		return db.inTx(ctx, db.Write, do)
	}
	conn, err := db.Write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, db.Durable); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(ctx, db.Usual) }() // a connection that stays durable is slower, and right
	return db.inTx(ctx, conn, do)
}
