package postgres_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/postgres"
	"github.com/fairlead/fairlead/internal/store/storetest"
)

func open(ctx context.Context, address string) (store.Store, error) {
	return postgres.Open(ctx, address, store.Options{})
}

func TestMain(m *testing.M) {
	storetest.CrashMain(open)
	os.Exit(m.Run())
}

// server returns the address of a real PostgreSQL.
func server(t *testing.T) string {
	t.Helper()
	address := os.Getenv("FAIRLEAD_TEST_POSTGRES")
	if address == "" {
		t.Skip("FAIRLEAD_TEST_POSTGRES names no PostgreSQL: test/real/postgres start runs one")
	}
	return address
}

// schema makes a schema of the test's own, and returns an address that leads there.
func schema(t *testing.T) string {
	t.Helper()
	address := server(t)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	q.Set("pool_max_conns", "4")
	u.RawQuery = q.Encode()
	return u.String()
}

func TestStore(t *testing.T) {
	server(t)
	storetest.Run(t, func(t *testing.T) storetest.Database {
		address := schema(t)
		return storetest.Database{Lasts: true, Open: func(o store.Options) (store.Store, error) { return postgres.Open(t.Context(), address, o) }}
	})
}

func TestKilled(t *testing.T) { storetest.Crash(t, schema(t), open) }

// No error shows the password, whatever is wrong with the address and whoever reports it.
func TestPasswordIsNotShown(t *testing.T) {
	const password = "p@ss:w/rd%canary"
	in := url.UserPassword("somebody", password).String()
	addresses := []string{
		"postgres://" + in + "@127.0.0.1:1/db?sslmode=disable",
		"postgres://" + in + "@127.0.0.1:1/db?sslmode=nonsense",
		"postgres://" + in + "@127.0.0.1:port/db",
		"postgres://somebody:" + password + "@127.0.0.1:1/db",
		"postgres://127.0.0.1:1/db?sslmode=disable&user=a&password=" + url.QueryEscape(password),
		"postgresql://" + in + "@127.0.0.1:1/db?pool_max_conns=many",
		"postgres://[" + in,
	}
	if real := os.Getenv("FAIRLEAD_TEST_POSTGRES"); real != "" {
		u, err := url.Parse(real)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(u.User.Username(), password)
		addresses = append(addresses, u.String())
	}
	for _, address := range addresses {
		_, err := open(t.Context(), address)
		if err == nil {
			t.Fatal("opened")
		}
		for _, form := range []string{password, "canary", url.QueryEscape(password), url.PathEscape(password)} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("the password is shown: %v", err)
			}
		}
	}
}

// A server that was gone for a while is found again.
func TestServerComesBack(t *testing.T) {
	address := schema(t)
	s, err := open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	save := func() error { return s.Save(t.Context(), "p", llm.Reply{ID: "r"}) }
	if err := save(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", server(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fairlead' AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	if err := save(); err != nil {
		t.Errorf("after all connections broke: %v", err)
	}
}
