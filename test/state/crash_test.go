package state

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
)

const (
	kills   = 4  // how often the gateway is killed
	workers = 8  // clients at once
	before  = 60 // answers between a start and a kill
)

// known is what clients know about the responses that they have asked for.
type known struct {
	mu    sync.Mutex
	whole []*response // answers that came whole
	begun []string    // ids of streams that were seen to begin
	asked []*response // those of whole that ask for approval
	next  int
}

func (k *known) mark() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next++
	return fmt.Sprintf("m%d", k.next)
}

func (k *known) came(r *response) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whole = append(k.whole, r)
	if r.asked() != "" {
		k.asked = append(k.asked, r)
	}
}

func (k *known) saw(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun = append(k.begun, id)
}

// TestKilled kills a gateway under load, again and again, and looks at its store through the next one. What clients were
// told is there, as they were told; of what was on its way nothing is there or all of it; and no approval lets a call run
// twice, however often it is given.
func TestKilled(t *testing.T) {
	p := newPeers(t)
	store := filepath.Join(t.TempDir(), "fairlead.db")
	k := new(known)
	for range kills {
		g := p.start(t, store)
		load(t, g, k)
		_ = g.Wait() // killed
	}
	g := p.start(t, store)
	k.compare(t, g)
	k.approveAgain(t, g, p)
	k.goOn(t, g)
}

// load has clients at work until the gateway has given some answers, and kills it in the middle.
func load(t *testing.T, g *gateway.Gateway, k *known) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var answers atomic.Int32
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for work(ctx, g, k, i) == nil && ctx.Err() == nil {
				if answers.Add(1) == before {
					g.Signal(syscall.SIGKILL)
				}
			}
			stop()
		})
	}
	all.Wait()
	if answers.Load() < before {
		t.Fatalf("the load ended after %d answers\n%s", answers.Load(), g.Log())
	}
}

// work is one conversation; its error says that the gateway is gone. Workers differ: some read streams, some ask for an
// answer and approve the call that waits for them.
func work(ctx context.Context, g *gateway.Gateway, k *known, worker int) error {
	if worker%4 == 3 {
		return stream(ctx, g, k)
	}
	first, err := ask(ctx, g, http.MethodPost, newResponse, question(k.mark()))
	if err != nil {
		return err
	}
	k.came(first)
	second, err := ask(ctx, g, http.MethodPost, newResponse, yes(first))
	if err != nil {
		return err
	}
	k.came(second)
	return nil
}

// stream notes the id of a response as soon as it is there.
func stream(ctx context.Context, g *gateway.Gateway, k *known) error {
	body := question(k.mark())
	body["tools"], body["stream"] = tools("never"), true
	_, reply, err := send(ctx, g, http.MethodPost, newResponse, body)
	for line := range bytes.Lines(reply) {
		var ev struct {
			Type     string   `json:"type"`
			Response response `json:"response"`
		}
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		if !ok || json.Unmarshal(data, &ev) != nil {
			continue
		}
		switch ev.Type {
		case "response.created":
			k.saw(ev.Response.ID)
		case "response.completed":
			ev.Response.code = http.StatusOK
			k.came(&ev.Response)
		}
	}
	return err
}

// compare reads every response that a client knows of.
func (k *known) compare(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	told := map[string]bool{}
	for _, want := range k.whole {
		if want.code != http.StatusOK {
			t.Errorf("under load: status %d: %s", want.code, want.raw)
			continue
		}
		told[want.ID] = true
		got := must(t, g, http.MethodGet, newResponse+"/"+want.ID, nil)
		if got.Status != "completed" || got.text() != want.text() || !slices.Equal(ids(got), ids(want)) {
			t.Errorf("%s is kept as %s", want.ID, got.raw)
		}
	}
	lost := 0
	for _, id := range k.begun {
		if told[id] {
			continue
		}
		lost++
		got, err := ask(t.Context(), g, http.MethodGet, newResponse+"/"+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		half := got.Status != "completed" || len(got.Usage) == 0 || got.text() == ""
		if got.code != http.StatusNotFound && (got.code != http.StatusOK || half) {
			t.Errorf("%s is kept half-written: %d %s", id, got.code, got.raw)
		}
	}
	t.Logf("%d responses came whole, %d streams were cut, %d calls waited for approval", len(k.whole), lost, len(k.asked))
}

func ids(r *response) []string {
	var all []string
	for _, i := range r.Output {
		all = append(all, i.Type+" "+i.ID)
	}
	return all
}

// approveAgain gives every approval twice more. A call that had not run may run now, once; one that was approved before a
// crash need not have run, but it never runs again.
func (k *known) approveAgain(t *testing.T, g *gateway.Gateway, p *peers) {
	t.Helper()
	fresh := 0
	for _, first := range k.asked {
		var args struct {
			Output []struct {
				Arguments string `json:"arguments"`
			} `json:"output"`
		}
		var mark struct {
			Mark string `json:"mark"`
		}
		_ = json.Unmarshal(first.raw, &args)
		_ = json.Unmarshal([]byte(args.Output[len(args.Output)-1].Arguments), &mark)
		before := p.runs(mark.Mark)
		if before > 1 {
			t.Errorf("%s: the call ran %d times before it was approved again", mark.Mark, before)
		}
		again, err := ask(t.Context(), g, http.MethodPost, newResponse, yes(first))
		if err != nil {
			t.Fatal(err)
		}
		ran := p.runs(mark.Mark) - before
		switch {
		case again.code == http.StatusOK && ran == 1 && before == 0:
			fresh++
		case again.code == http.StatusOK || ran != 0:
			t.Errorf("%s: status %d, the call ran %d times, now %d more", mark.Mark, again.code, before, ran)
		}
		refused(t, g, http.MethodPost, newResponse, yes(first))
		if total := p.runs(mark.Mark); total > 1 {
			t.Errorf("%s: the call ran %d times", mark.Mark, total)
		}
	}
	t.Logf("%d approvals were still open", fresh)
}

// goOn goes on from every answer that was complete, and the model is told what came before.
func (k *known) goOn(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	for _, r := range k.whole {
		if r.asked() != "" {
			continue
		}
		next := must(t, g, http.MethodPost, newResponse, map[string]any{"model": "m", "input": "go on", "previous_response_id": r.ID})
		var mark string
		if _, err := fmt.Sscanf(next.text(), "You said: mark %s go on", &mark); err != nil || !strings.Contains(r.text(), strings.TrimSuffix(mark, ",")) {
			t.Errorf("%s, which says %q, goes on with %q", r.ID, r.text(), next.text())
		}
	}
}
