package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap, which is small, grow a little further between collections. GOGC overrides it.
const gcPercent = 200

func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
