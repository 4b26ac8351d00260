package obs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/fairlead/fairlead/internal/obs"
)

// slow is a writer whose writes wait until it is let go.
type slow struct {
	gate chan struct{}
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *slow) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestAsyncKeepsOrderAndNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &slow{gate: make(chan struct{})}
		a := obs.NewAsync(to, 1000)
		for i := range 200 { // 200 records of 10 bytes: half of them find no room
			fmt.Fprintf(a, "line %03d\n\n", i)
		}
		close(to.gate)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(a, "after the end\n")
		got := to.String()
		if !strings.HasPrefix(got, "line 000\n\nline 001\n\n") || !strings.Contains(got, "line 099") || strings.Contains(got, "line 100") {
			t.Errorf("the log is not the first 100 records in order:\n%.60s…", got)
		}
		if !strings.Contains(got, `"msg":"log records dropped","count":100`) || !strings.HasSuffix(got, "after the end\n") {
			t.Errorf("the end of the log: %s", got[len(got)-120:])
		}
	})
}

func TestAsyncWritesWithoutClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &slow{gate: make(chan struct{})}
		close(to.gate)
		a := obs.NewAsync(to, 1000)
		fmt.Fprint(a, "one\n")
		synctest.Wait()
		if got := to.String(); got != "" { // the record lingers for its fellows
			t.Errorf("written at once: %q", got)
		}
		_ = a.Close()
		if got := to.String(); got != "one\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCallContinuesTheTrace(t *testing.T) {
	ctx := obs.With(context.Background(), &obs.Call{Traceparent: "tp", TraceID: "id"})
	got := map[string]string{}
	obs.From(ctx).Headers(func(name, value string) { got[name] = value })
	if len(got) != 2 || got["Traceparent"] != "tp" || got["X-Litellm-Trace-Id"] != "id" {
		t.Errorf("headers %v", got)
	}
	obs.From(context.Background()).Rounds++ // a context without a call takes what is written, and forgets it
}

func TestIDsDiffer(t *testing.T) {
	if a, b := obs.NewID(), obs.NewID(); a == b || len(a) != 32 {
		t.Errorf("ids %q and %q", a, b)
	}
}
