package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/sqlite"
	"github.com/fairlead/fairlead/internal/store/storetest"
)

func open(ctx context.Context, path string) (store.Store, error) {
	return sqlite.Open(ctx, path, store.Options{})
}

func TestMain(m *testing.M) {
	storetest.CrashMain(open)
	os.Exit(m.Run())
}

func TestFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		path := filepath.Join(t.TempDir(), "a ?#%é.db")
		return storetest.Database{Lasts: true, Open: func(o store.Options) (store.Store, error) { return sqlite.Open(t.Context(), path, o) }}
	})
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		var once sync.Once
		var s store.Store
		return storetest.Database{Open: func(o store.Options) (store.Store, error) {
			once.Do(func() { s = sqlite.Memory(o) })
			return s, nil
		}}
	})
}

func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	storetest.Crash(t, path, open)

	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var whole string
	var strays int
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Errorf("the file is broken: %s %v", whole, err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_foreign_key_check").Scan(&strays); err != nil || strays != 0 {
		t.Errorf("%d rows belong to nothing (%v)", strays, err)
	}
}

// Two stores in memory have nothing to do with each other, and nothing is left of one that was closed.
func TestMemoryIsOnesOwn(t *testing.T) {
	ctx := t.Context()
	a, b := sqlite.Memory(store.Options{}), sqlite.Memory(store.Options{})
	defer b.Close()
	if err := a.Save(ctx, "p", llm.Reply{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(ctx, "p", llm.Reply{ID: "other"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Reply(ctx, "p", "r"); ok || err != nil {
		t.Errorf("found %v, %v", ok, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if matches, _ := filepath.Glob("fairlead*"); len(matches) > 0 {
		t.Errorf("files were written: %v", matches)
	}
}

// A store in memory that is full forgets the oldest, and refuses only what is larger than all of it.
func TestMemoryIsBounded(t *testing.T) {
	ctx := t.Context()
	s := sqlite.Memory(store.Options{MemoryBytes: 4 << 20})
	defer s.Close()
	big := []byte(strings.Repeat("x", 256<<10))
	for i := range 100 {
		if err := s.Save(ctx, "p", llm.Reply{ID: fmt.Sprint(i), Body: big}); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, ok, err := s.Reply(ctx, "p", "99"); !ok || err != nil {
		t.Errorf("the newest is gone (%v)", err)
	}
	if _, ok, err := s.Reply(ctx, "p", "0"); ok || err != nil {
		t.Errorf("the oldest is still there (%v)", err)
	}
	if err := s.Save(ctx, "p", llm.Reply{ID: "huge", Body: make([]byte, 8<<20)}); err == nil {
		t.Error("more was kept than there is room for")
	}
	if err := s.Save(ctx, "p", llm.Reply{ID: "after", Body: big}); err != nil {
		t.Error(err)
	}
}

func TestFileIsItsOwners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Save(t.Context(), "p", llm.Reply{ID: "r"}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) < 2 {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	s, err := open(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO fairlead_schema VALUES (1000)"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "is a directory", filepath.Join(dir, "none", "x.db"): "no such file or directory", text: "not a database", newer: "a newer version wrote them",
	} {
		_, err := open(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestMemoryFullOfResults(t *testing.T) {
	const limit = 16 << 20
	s := sqlite.Memory(store.Options{MemoryBytes: limit})
	defer s.Close()
	storetest.Full(t, s, limit)
}
