package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap may grow by room between two collections, or by as much as is alive if that is more. A small heap gains from the
// wait, a larger one mostly grows: in make bench a call through /mcp, which keeps little alive, costs an eighth less with GOGC=200
// than with Go's 100, and requests of 64 KB, which keep 5 MB alive, have 45 MB resident with 200 and 38 with this.
const (
	room         = 6 << 20
	leastPercent = 100
	mostPercent  = 200
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
	p := room * 100 / max(alive, 1)
	return int(min(max(p-p%stepPercent, leastPercent), mostPercent))
}
