package obs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

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

// TestAccessRecords checks that the quick writer says what a JSON logger would say, whatever a client puts into headers.
func TestAccessRecords(t *testing.T) {
	c := &obs.Call{ID: "id", Start: time.Now(), Key: "dev", Model: "a\"b\\c\n\x1b[31m\u2028é\xff", Rounds: 2, Input: 1 << 40, Error: "no"}
	var quick, plain bytes.Buffer
	obs.JSONAccess{To: &quick}.Request(c, "/v1/x", 200)
	obs.LogAccess{Log: slog.New(slog.NewJSONHandler(&plain, nil))}.Request(c, "/v1/x", 200)
	var got, want map[string]any
	if err := json.Unmarshal(quick.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, quick.String())
	}
	if err := json.Unmarshal(plain.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]any{got, want} {
		if _, err := time.Parse(time.RFC3339Nano, m["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(m, "time")
		delete(m, "us")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the records differ (-logger +quick):\n%s", d)
	}
	if strings.ContainsAny(quick.String()[:quick.Len()-1], "\n\x1b") {
		t.Errorf("a control character is in the log: %q", quick.String())
	}
	if n := testing.AllocsPerRun(100, func() { obs.JSONAccess{To: io.Discard}.Request(c, "/v1/x", 200) }); n > 2 {
		t.Errorf("%v allocations for a record", n)
	}
}
