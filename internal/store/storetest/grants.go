package storetest

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/store"
)

func grants(t *testing.T, f *fixture) {
	s, ctx := f.open(), t.Context()
	missing[store.Grant](t)(s.Grant(ctx, "p", "token"))
	missing[store.Grant](t)(s.TakeGrant(ctx, "p", "token"))
	ok(t, s.DropGrant(ctx, "p", "token", 0))

	ok(t, s.PutGrant(ctx, "p", "token", []byte("one\x00"), time.Hour))
	one := found[store.Grant](t)(s.Grant(ctx, "p", "token"))
	same(t, "grant", "one\x00", string(one.Data))
	ok(t, s.PutGrant(ctx, "p", "token", []byte("two"), time.Hour))
	two := found[store.Grant](t)(s.Grant(ctx, "p", "token"))
	same(t, "grant again", "two", string(two.Data))
	if one.Version == two.Version {
		t.Error("the version is that of what was there before")
	}
	ok(t, s.DropGrant(ctx, "p", "token", one.Version))
	same(t, "grant that is another one now", two, found[store.Grant](t)(s.Grant(ctx, "p", "token")))
	ok(t, s.DropGrant(ctx, "p", "token", two.Version))
	missing[store.Grant](t)(s.Grant(ctx, "p", "token"))

	ok(t, s.PutGrant(ctx, "", "state", nil, time.Minute))
	same(t, "taken", 0, len(found[store.Grant](t)(s.TakeGrant(ctx, "", "state")).Data))
	missing[store.Grant](t)(s.TakeGrant(ctx, "", "state"))
	missing[store.Grant](t)(s.Grant(ctx, "", "state"))

	for _, id := range []string{"", "a\x00b", "\xff\xfe", strings.Repeat("x", 100_000), "%' OR 1=1 --", "$1"} {
		missing[store.Grant](t)(s.Grant(ctx, "q", id))
		ok(t, s.PutGrant(ctx, "q", id, []byte(id), time.Hour))
		same(t, "odd", id, string(found[store.Grant](t)(s.Grant(ctx, "q", id)).Data))
	}

	ok(t, s.PutGrant(ctx, "p", "short", []byte("x"), time.Minute))
	f.clock.move(time.Minute)
	missing[store.Grant](t)(s.Grant(ctx, "p", "short"))
	missing[store.Grant](t)(s.TakeGrant(ctx, "p", "short"))
	ok(t, s.Sweep(ctx))
	f.clock.move(-time.Minute)
	missing[store.Grant](t)(s.Grant(ctx, "p", "short"))
}

// grantsOfOthers: every handle knows them, and only their principal.
func grantsOfOthers(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	ok(t, s.PutGrant(ctx, "p", "token", []byte("p's"), time.Hour))
	ok(t, s.PutGrant(ctx, "", "token", []byte("ours"), time.Hour))
	same(t, "p's", "p's", string(found[store.Grant](t)(other.Grant(ctx, "p", "token")).Data))
	missing[store.Grant](t)(other.Grant(ctx, "q", "token"))
	missing[store.Grant](t)(other.TakeGrant(ctx, "q", "token"))
	ok(t, other.DropGrant(ctx, "q", "token", 0))
	same(t, "ours", "ours", string(found[store.Grant](t)(other.TakeGrant(ctx, "", "token")).Data))
	found[store.Grant](t)(s.Grant(ctx, "p", "token"))
}

// takesRace: of all that take a grant one gets it.
func takesRace(t *testing.T, f *fixture) {
	handles, ctx := []store.Store{f.open(), f.open()}, t.Context()
	ok(t, handles[0].PutGrant(ctx, "", "state", []byte("x"), time.Hour))
	var wg sync.WaitGroup
	var got atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			_, taken, err := handles[i%2].TakeGrant(ctx, "", "state")
			if err != nil {
				t.Error(err)
			}
			if taken {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	same(t, "takers", int32(1), got.Load())
}

func leases(t *testing.T, f *fixture) {
	s, other, ctx := f.open(), f.open(), t.Context()
	lease := must[bool](t)
	same(t, "free", true, lease(s.Lease(ctx, "p", "refresh", "a", time.Minute)))
	same(t, "held", false, lease(other.Lease(ctx, "p", "refresh", "b", time.Minute)))
	same(t, "another principal's", true, lease(other.Lease(ctx, "q", "refresh", "b", time.Minute)))
	same(t, "one's own", true, lease(s.Lease(ctx, "p", "refresh", "a", 2*time.Minute)))
	f.clock.move(time.Minute)
	same(t, "held for longer", false, lease(other.Lease(ctx, "p", "refresh", "b", time.Minute)))
	ok(t, other.Release(ctx, "p", "refresh", "b"))
	same(t, "released by who has it not", false, lease(other.Lease(ctx, "p", "refresh", "b", time.Minute)))
	ok(t, s.Release(ctx, "p", "refresh", "a"))
	same(t, "released", true, lease(other.Lease(ctx, "p", "refresh", "b", time.Minute)))
	f.clock.move(time.Minute)
	same(t, "run out", true, lease(s.Lease(ctx, "p", "refresh", "a", time.Minute)))
	ok(t, other.Release(ctx, "p", "refresh", "b"))
	same(t, "not given back by who had it before", false, lease(other.Lease(ctx, "p", "refresh", "b", time.Minute)))
}

func leasesRace(t *testing.T, f *fixture) {
	handles, ctx := []store.Store{f.open(), f.open()}, t.Context()
	var wg sync.WaitGroup
	var got atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			leased, err := handles[i%2].Lease(ctx, "p", "refresh", strconv.Itoa(i), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if leased {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	same(t, "holders", int32(1), got.Load())
}
