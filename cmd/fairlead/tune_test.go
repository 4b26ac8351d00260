package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for alive, want := range map[uint64]int{0: 200, 1 << 20: 200, 2 << 20: 200, 2<<20 + 1: 175, 4 << 20: 100, 5 << 20: 75, 8 << 20: 50, small: 50, small + 1: 100, 1 << 40: 100} {
		if got := percent(alive); got != want {
			t.Errorf("%d bytes alive: %d%%, want %d%%", alive, got, want)
		}
	}
}

// TestRetune has the heap grow and shrink: the percentage follows, and not only once.
func TestRetune(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(mostPercent))
	retune(mostPercent)
	for range 2 {
		large := make([]byte, small)
		collectUntil(t, goPercent)
		runtime.KeepAlive(large)
		collectUntil(t, mostPercent)
	}
}

func collectUntil(t *testing.T, want int) {
	t.Helper()
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		if metrics.Read(s); s[0].Value.Uint64() == uint64(want) {
			return
		}
	}
	t.Fatalf("the percentage is %d, want %d", s[0].Value.Uint64(), want)
}
