package front

import (
	"strconv"
	"testing"
	"time"
)

// TestRoomForSessions: however fast sessions come, those that nothing runs in do not pile up, and the others stay.
func TestRoomForSessions(t *testing.T) {
	l := &live{by: map[string]*session{}}
	l.by["busy"] = &session{stream: &running{}}
	for i := range 3 * maxLive {
		l.room()
		l.by[strconv.Itoa(i)] = &session{used: time.Now().Add(-time.Nanosecond)}
		if len(l.by) > maxLive {
			t.Fatalf("%d sessions", len(l.by))
		}
	}
	if l.by["busy"] == nil {
		t.Error("a session with a stream is forgotten")
	}
}
