// Package all is the list of stores.
package all

import (
	"context"
	"strings"

	"github.com/fairlead/fairlead/internal/store"
	"github.com/fairlead/fairlead/internal/store/postgres"
	"github.com/fairlead/fairlead/internal/store/sqlite"
)

// Open returns the store at address: postgres://… is a PostgreSQL database, anything else the path of a file, and an empty
// one is memory of this process. No error shows a password.
func Open(ctx context.Context, address string, o store.Options) (store.Store, error) {
	switch {
	case address == "":
		return sqlite.Memory(o), nil
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		return opened(postgres.Open(ctx, address, o))
	}
	return opened(sqlite.Open(ctx, address, o))
}

// opened keeps a nil *store.SQL from becoming a Store that is not nil.
func opened(s *store.SQL, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
