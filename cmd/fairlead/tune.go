package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A small heap may grow by room between two collections, or by half of what is alive if that is more: all cases of make bench
// together have 36 to 37 MB resident so, and 42 with a room of 6 MB and Go's 100 percent at the least. A heap that keeps little alive
// gains from the wait. A larger one is collected as Go does it.
const (
	room         = 4 << 20
	small        = 16 << 20
	leastPercent = 50
	mostPercent  = 200
	goPercent    = 100
	stepPercent  = 25 // a change stops the world for a moment
)

// tune sets how often garbage is collected, unless GOGC says it.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(mostPercent)
		retune(mostPercent)
	}
}

// retune sets the percentage, which is now, after each collection anew: what it leaves behind is collected and calls it again.
func retune(now int) {
	type garbage struct{ _ [64]byte } // large enough to have its memory for itself
	runtime.AddCleanup(new(garbage), func(now int) {
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(alive)
		next := percent(alive[0].Value.Uint64())
		if next != now {
			debug.SetGCPercent(next)
		}
		retune(next)
	}, now)
}

// percent is what gives a heap, of which so many bytes are alive, its room.
func percent(alive uint64) int {
	if alive > small {
		return goPercent
	}
	p := room * 100 / max(alive, 1)
	return int(min(max(p-p%stepPercent, leastPercent), mostPercent))
}
