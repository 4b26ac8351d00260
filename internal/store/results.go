package store

import (
	"context"
	"database/sql"
	"errors"
)

const resultTable = "fairlead_results"

// errNoRoom is why a result is not kept in a store that is full of other things.
var errNoRoom = errors.New("there is no room for the result of a tool")

// SaveResult keeps a result.
func (s *SQL) SaveResult(ctx context.Context, principal string, r ToolResult) error {
	external := 0
	if r.External {
		external = 1
	}
	room := func(ctx context.Context, tx *sql.Tx) error {
		some, err := evictFrom(ctx, tx, resultTable, "principal, id")
		if err == nil && !some {
			err = errNoRoom
		}
		return err
	}
	return s.writeOver(ctx, "SaveResult", room, func(ctx context.Context, tx *sql.Tx, _ *Database) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO fairlead_results (principal, id, server, tool, external, data, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			key(principal), key(r.ID), plain(r.Server), plain(r.Tool), external, bytesOf(r.Text), s.in(s.o.ResultsFor))
		return err
	})
}

// ResultPart finds a part of a result.
func (s *SQL) ResultPart(ctx context.Context, principal, id string, offset, limit int) (r ToolResult, found bool, err error) {
	r.ID = id
	found, err = s.read(ctx, "ResultPart", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `
			SELECT server, tool, external = 1, length(data), substr(data, $4, $5) FROM fairlead_results WHERE principal = $1 AND id = $2 AND expires > $3`,
			key(principal), key(id), s.now(), offset+1, limit).Scan(&r.Server, &r.Tool, &r.External, &r.Size, blob{&r.Text})
	})
	if !found {
		return ToolResult{}, false, err
	}
	return r, true, nil
}
