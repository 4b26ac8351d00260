// Package postgres is the store that replicas share, in a PostgreSQL database.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/fairlead/fairlead/internal/store"
)

const (
	connectTimeout = 10 * time.Second
	connections    = 16 // unless pool_max_conns says otherwise
)

// Open returns the store in the database at address, postgres://… with the parameters of libpq and pgx. No error shows the
// password.
func Open(ctx context.Context, address string, o store.Options) (*store.SQL, error) {
	c, err := config(address)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, o, func(ctx context.Context, _ store.Options) (*store.Database, error) { return open(ctx, c) })
	if err != nil {
		return nil, fmt.Errorf("the store in PostgreSQL cannot be opened: %s", hide(err.Error(), c.ConnConfig.Password))
	}
	return s, nil
}

func config(address string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		// What pgx says quotes the address, and hides the password only where it understands it.
		return nil, errors.New("the address of the store is none that PostgreSQL's client takes: postgres://user:password@host:port/database?parameter=value, with special characters as %XX")
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	if u, err := url.Parse(address); err == nil && !u.Query().Has("pool_max_conns") {
		c.MaxConns = connections
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "fairlead"
	}
	return c, nil
}

func open(ctx context.Context, c *pgxpool.Config) (*store.Database, error) {
	p, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(p)
	return &store.Database{
		Write: db, Read: db, Shared: true,
		RowLock: " FOR UPDATE", SkipLocked: " FOR UPDATE SKIP LOCKED",
		MigrateLock: "SELECT pg_advisory_xact_lock(7163379142)", // any number that is only ours
		Lost:        lost,
		Close: func() error {
			err := db.Close()
			p.Close()
			return err
		},
	}, nil
}

// lost reports whether the server or the network ended the connection.
func lost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P") // connection exceptions, operator intervention
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// hide takes a password out of a text.
func hide(text, password string) string {
	if password == "" {
		return text
	}
	return strings.NewReplacer(password, "***", url.QueryEscape(password), "***", url.PathEscape(password), "***").Replace(text)
}
