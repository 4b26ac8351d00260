package all_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/all"
)

func TestOpen(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "fairlead.db")
	for _, tt := range []struct {
		address string
		lasts   bool
	}{{"", false}, {path, true}} {
		for _, again := range []bool{false, true} {
			s, err := all.Open(ctx, tt.address, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok, err := s.Reply(ctx, "p", "r"); err != nil || ok != (again && tt.lasts) {
				t.Errorf("%q: found %v, %v", tt.address, ok, err)
			}
			if err := s.Save(ctx, "p", llm.Reply{ID: "r"}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, address := range []string{"postgres://u:canary@127.0.0.1:1/db?sslmode=disable", "postgresql://u:canary@[", filepath.Join(path, "x")} {
		if s, err := all.Open(ctx, address, store.Options{}); err == nil || s != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, %v", address, s, err)
		}
	}
}
