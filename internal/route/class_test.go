package route

import (
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
)

// FuzzStrangersWords: whatever a provider says, a wait is none or a positive one, and an error has one meaning.
func FuzzStrangersWords(f *testing.F) {
	for _, s := range []string{"", "0", "-1", "3", "1.5", "1e300", "NaN", "Inf", "Wed, 21 Oct 2035 07:28:00 GMT", "soon", " 7 "} {
		f.Add(s, 429, s)
	}
	f.Add("5", 400, "context_length_exceeded")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, after string, status int, word string) {
		if d := retryAfter(after, now); d < 0 {
			t.Errorf("%q is a wait of %v", after, d)
		}
		v := refused(&fault.Error{Kind: fault.Refused, Status: status, Code: word, Message: word})
		if v.cause < 0 || v.cause >= causes || v.again && !v.away || v.blame && v.cause != Outage {
			t.Errorf("status %d %q means %+v", status, word, v)
		}
		var h Health
		p, _ := h.enter(now, ready)
		p.limit(now, retryAfter(after, now))
		if l := h.look(now); l.readiness != never || l.at.Sub(now) > longestWord || l.at.Before(now) {
			t.Errorf("after %q: %+v", after, l)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "0": 0, "-3": 0, "7": 7 * time.Second, " 1.5 ": 1500 * time.Millisecond, "NaN": 0, "1e300": 0, "later": 0,
		"Thu, 01 Jan 2026 00:00:30 GMT": 30 * time.Second, "Thu, 01 Jan 2015 00:00:30 GMT": 0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
