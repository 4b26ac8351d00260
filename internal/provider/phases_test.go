package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
)

// paced is a body of bytes each of which comes after a while.
type paced struct {
	ctx  context.Context // whose end the body has, too
	gaps []time.Duration
}

func (p *paced) Read(b []byte) (int, error) {
	gap := p.gaps[0]
	p.gaps = p.gaps[1:]
	select {
	case <-time.After(gap):
		return copy(b, "x"), nil
	case <-p.ctx.Done():
		return 0, context.Cause(p.ctx)
	}
}

// schedule is what a provider and a caller take their time for.
type schedule struct {
	limits      Timeouts
	head        time.Duration
	gaps, works []time.Duration // before a byte, and before the caller reads on
}

func randomSchedule(r *rand.Rand) (s schedule) {
	seconds := func(n int) time.Duration { return time.Duration(r.IntN(n)) * time.Second }
	s.limits = Timeouts{FirstByte: max(seconds(50)-10*time.Second, 0), BetweenEvents: max(seconds(50)-10*time.Second, 0)}
	s.head = seconds(20) + time.Microsecond
	for range 1 + r.IntN(6) {
		s.gaps = append(s.gaps, seconds(50)+time.Millisecond)
		s.works = append(s.works, seconds(100)/2)
	}
	return s
}

// late is when the provider is late, and by which limit; "" if it is not.
func (s *schedule) late() (at time.Duration, phase string) {
	now := s.head
	for i, gap := range s.gaps {
		switch {
		case i == 0 && s.limits.FirstByte > 0 && now+gap > s.limits.FirstByte:
			return s.limits.FirstByte, "first_byte"
		case i > 0 && s.limits.BetweenEvents > 0 && gap > s.limits.BetweenEvents:
			return now + s.limits.BetweenEvents, "between_events"
		}
		now += gap + s.works[i]
	}
	return 0, ""
}

// TestLateInEachPhase has one timer for all limits of a request: it ends the request when a limit has passed, not before and not
// later, and never while the caller takes its time.
func TestLateInEachPhase(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		s := randomSchedule(r)
		synctest.Test(t, func(t *testing.T) {
			var w watchdog
			begun := time.Now()
			w.start(t.Context(), s.limits)
			var at time.Duration
			var phase string
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				<-w.ctx.Done()
				if l, ok := errors.AsType[*late](context.Cause(w.ctx)); ok {
					at, phase = time.Since(begun), l.phase
				}
			}()
			time.Sleep(s.head)
			body := &reader{body: &paced{w.ctx, s.gaps}, watch: &w, left: -1}
			for _, work := range s.works {
				if _, err := body.Read(make([]byte, 8)); err != nil {
					break
				}
				time.Sleep(work)
			}
			w.stop()
			<-ended
			if wantAt, want := s.late(); at != wantAt || phase != want {
				t.Errorf("%+v: late at %v by %q, want %v by %q", s, at, phase, wantAt, want)
			}
		})
	}
}

// TestBodiesOverHTTP2 has many requests sent over HTTP/2, which closes a body with its reply, to a provider that begins some replies
// before it has read the request. Each body comes as it was written.
func TestBodiesOverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mark := r.Header.Get("X-Mark")
		if strings.HasSuffix(mark, "3>") {
			_ = http.NewResponseController(w).Flush()
		}
		if b, err := io.ReadAll(r.Body); err == nil && strings.ReplaceAll(string(b), mark, "") != "" {
			t.Errorf("the body of %s is %.80q", mark, b)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	tr := s.Client().Transport
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for n := range 30 {
				mark := fmt.Sprintf("<%d-%d>", g, n)
				c := client(t, tripper(func(r *http.Request) (*http.Response, error) {
					r = r.Clone(r.Context())
					r.Header.Set("X-Mark", mark)
					r.URL.Scheme, r.URL.Host = "https", strings.TrimPrefix(s.URL, "https://")
					return tr.RoundTrip(r)
				}))
				for range c.Generate(t.Context(), &llm.Request{Model: strings.Repeat(mark, 1+n%3*10000), Stream: true}) {
					break
				}
			}
		})
	}
	wg.Wait()
}
