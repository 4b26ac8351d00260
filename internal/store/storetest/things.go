package storetest

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/store"
)

func things(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	missing[store.Thing](t)(s.Owned(ctx, "p", "file-1"))
	same(t, "none", []string(nil), must[[]string](t)(s.OwnedAmong(ctx, "p", []string{"file-1"})))
	ok(t, s.Disown(ctx, "p", "file-1"))
	ok(t, s.Own(ctx, "p"))

	one := store.Thing{ID: "file-1", Model: "m", Place: "openai/m"}
	ok(t, s.Own(ctx, "p", one, store.Thing{ID: "batch_1", Model: "m"}))
	same(t, "thing", one, found[store.Thing](t)(s.Owned(ctx, "p", "file-1")))
	one.Place = "azure/m"
	ok(t, s.Own(ctx, "p", one))
	same(t, "thing again", one, found[store.Thing](t)(s.Owned(ctx, "p", "file-1")))

	odd := []string{"", "a\x00b", "\xff\xfe", strings.Repeat("x", 100_000), "%' OR 1=1 --", "$1"}
	for _, id := range odd {
		missing[store.Thing](t)(s.Owned(ctx, "p", id))
		ok(t, s.Own(ctx, "q", store.Thing{ID: id, Model: id, Place: id}))
		found[store.Thing](t)(s.Owned(ctx, "q", id))
	}
	if n := len(must[[]string](t)(s.OwnedAmong(ctx, "q", odd))); n != len(odd) {
		t.Errorf("%d of %d odd ids are owned", n, len(odd))
	}

	ok(t, s.Disown(ctx, "p", "file-1"))
	missing[store.Thing](t)(s.Owned(ctx, "p", "file-1"))
	found[store.Thing](t)(s.Owned(ctx, "p", "batch_1"))
	f.clock.move(365*24*time.Hour - time.Millisecond)
	ok(t, s.Own(ctx, "q", store.Thing{ID: "$1"}))
	found[store.Thing](t)(s.Owned(ctx, "p", "batch_1"))
	f.clock.move(time.Millisecond)
	missing[store.Thing](t)(s.Owned(ctx, "p", "batch_1"))
	same(t, "those that were noted again", []string{"$1"}, must[[]string](t)(s.OwnedAmong(ctx, "q", odd)))
	ok(t, s.Sweep(ctx))
	f.clock.move(-time.Hour)
	missing[store.Thing](t)(s.Owned(ctx, "p", "batch_1"))
}

// thingsOfOthers: every handle knows them, and only their principal.
func thingsOfOthers(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	var ids, want []string
	for i := range 250 { // more than one query asks for
		id := "file-" + strconv.Itoa(i)
		ids = append(ids, id)
		if i%2 == 0 {
			want = append(want, id)
			ok(t, s.Own(ctx, "p", store.Thing{ID: id, Model: "m"}))
		} else {
			ok(t, s.Own(ctx, "q", store.Thing{ID: id, Model: "m"}))
		}
	}
	same(t, "p's", want, must[[]string](t)(other.OwnedAmong(ctx, "p", ids)))
	missing[store.Thing](t)(other.Owned(ctx, "p", "file-1"))
	ok(t, s.Disown(ctx, "p", "file-1"))
	found[store.Thing](t)(other.Owned(ctx, "q", "file-1"))
}
