package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

// migrations holds NNNN.sql, numbered from 1 without gaps. A file that was released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables to the newest form. Processes that start at once wait for each other.
func migrate(ctx context.Context, db *Database) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	return db.inTx(ctx, db.Write, func(ctx context.Context, tx *sql.Tx) error {
		if db.MigrateLock != "" {
			if _, err := tx.ExecContext(ctx, db.MigrateLock); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS fairlead_schema (version BIGINT PRIMARY KEY)`); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM fairlead_schema`).Scan(&version); err != nil {
			return err
		}
		if version > len(files) {
			return fmt.Errorf("its tables have form %d, and this program knows forms up to %d: a newer version wrote them", version, len(files))
		}
		for v := version + 1; v <= len(files); v++ {
			if err := step(ctx, tx, v); err != nil {
				return fmt.Errorf("migration %d: %w", v, err)
			}
		}
		return nil
	})
}

func step(ctx context.Context, tx *sql.Tx, version int) error {
	text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", version))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO fairlead_schema (version) VALUES ($1)`, version)
	return err
}
