package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// crashEnv holds, in a child process, the round and the address of the store that it is to write into until it is killed.
const crashEnv = "FAIRLEAD_STORE_CRASH"

const (
	crashRounds  = 3
	crashWorkers = 4
	crashItems   = 6
)

// CrashMain is called by the TestMain of a package that runs Crash. In the child it does not return.
func CrashMain(open func(ctx context.Context, address string) (store.Store, error)) {
	round, address, child := strings.Cut(os.Getenv(crashEnv), " ")
	if !child {
		return
	}
	ctx := context.Background()
	s, err := open(ctx, address)
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range crashWorkers {
		wg.Go(func() {
			for n := 0; ; n++ {
				if err := crashWork(ctx, s, round, w, n); err != nil {
					fmt.Println("failed", err)
					os.Exit(1)
				}
			}
		})
	}
	wg.Wait()
}

// crashWork saves a new reply, ends one of before, and uses up a question; it tells of each when it is done.
func crashWork(ctx context.Context, s store.Store, round string, w, n int) error {
	id := fmt.Sprintf("%s.%d.%d", round, w, n)
	if err := s.Save(ctx, "p", crashReply(id, store.InProgress)); err != nil {
		return err
	}
	fmt.Println("saved", id)
	if _, err := s.Append(ctx, "p", id, []store.Event{{Seq: 0}, {Seq: 1}}); err != nil {
		return err
	}
	if before := fmt.Sprintf("%s.%d.%d", round, w, n-5); n >= 5 {
		if did, err := s.Update(ctx, "p", crashReply(before, "completed"), store.Event{Seq: 2}, store.Event{Seq: 3}); err != nil || !did {
			return fmt.Errorf("%s was not ended: %w", before, err)
		}
		fmt.Println("ended", before)
	}
	if err := s.Ask(ctx, "p", llm.Pending{ID: id}); err != nil {
		return err
	}
	fmt.Println("asked", id)
	if n%3 == 0 {
		return nil
	}
	if did, err := s.Claim(ctx, "p", id); err != nil || !did {
		return fmt.Errorf("%s was not claimed: %w", id, err)
	}
	fmt.Println("claimed", id)
	return nil
}

// crashReply is a reply whose items all say its status.
func crashReply(id, status string) llm.Reply {
	list := []byte{'['}
	for i := range crashItems {
		list = fmt.Appendf(list, `{"id":"%s.%s.%d"},`, id, status, i)
	}
	list[len(list)-1] = ']'
	return llm.Reply{ID: id, Status: status, Items: list, Body: fmt.Appendf(nil, "%q", status)}
}

// Crash has child processes write into the store at address, kills them under load, and looks at what they left.
func Crash(t *testing.T, address string, open func(ctx context.Context, address string) (store.Store, error)) {
	for round := range crashRounds {
		told := crash(t, fmt.Sprint(round), address, 60*(round+1))
		s := must[store.Store](t)(open(t.Context(), address))
		crashed(t, s, fmt.Sprint(round), told)
		ok(t, s.Close())
	}
}

// crash runs a child until it has told of so many deeds, and kills it. It returns what the child told: deeds by id.
func crash(t *testing.T, round, address string, deeds int) map[string]map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), crashEnv+"="+round+" "+address)
	cmd.Stderr = os.Stderr
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	ok(t, cmd.Start())
	told := map[string]map[string]bool{"saved": {}, "ended": {}, "asked": {}, "claimed": {}}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == deeds {
			ok(t, cmd.Process.Kill())
		}
		deed, id, _ := strings.Cut(lines.Text(), " ")
		if told[deed] == nil {
			t.Fatal("the child says: ", lines.Text())
		}
		told[deed][id] = true
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child was not killed: %v", cmd.ProcessState)
	}
	return told
}

// crashed checks what a child left, and that it left what it told of.
func crashed(t *testing.T, s store.Store, round string, told map[string]map[string]bool) {
	t.Helper()
	ctx := t.Context()
	replies, open := 0, 0
	for w := range crashWorkers {
		for n := 0; ; n++ {
			id := fmt.Sprintf("%s.%d.%d", round, w, n)
			r, there, err := s.Reply(ctx, "p", id)
			ok(t, err)
			if !there && told["saved"][id] || r.Status != "completed" && told["ended"][id] {
				t.Errorf("%s is %q, and more was told of it", id, r.Status)
			}
			crashedReply(t, s, id, r)
			if crashedQuestion(t, s, id, told["asked"][id] && n%3 == 0, told["claimed"][id]) {
				open++
			}
			if !there {
				break
			}
			replies++
		}
	}
	if replies == 0 || open == 0 {
		t.Errorf("the child left %d replies and %d questions", replies, open)
	}
}

// crashedQuestion claims a question, which must be there if it was only asked, and must not be if it was claimed.
func crashedQuestion(t *testing.T, s store.Store, id string, asked, claimed bool) bool {
	t.Helper()
	got := must[bool](t)(s.Claim(t.Context(), "p", id))
	if got && claimed || !got && asked {
		t.Errorf("%s: claimed is %v", id, got)
	}
	if must[bool](t)(s.Claim(t.Context(), "p", id)) {
		t.Errorf("%s was claimed twice", id)
	}
	return got
}

// crashedReply checks that a reply is there as a whole, in one of its states, or not at all.
func crashedReply(t *testing.T, s store.Store, id string, r llm.Reply) {
	t.Helper()
	ctx := t.Context()
	events := map[string][]int{"": {0}, store.InProgress: {0, 2}, "completed": {4}}
	if n := len(must[[]store.Event](t)(s.Read(ctx, "p", id, -1, 10))); !slices.Contains(events[r.Status], n) {
		t.Errorf("%s is %q and has %d events", id, r.Status, n)
	}
	if r.ID != "" {
		same(t, id, crashReply(id, r.Status), r)
	}
	for _, status := range []string{store.InProgress, "completed"} {
		for i := range crashItems {
			name := fmt.Sprintf("%s.%s.%d", id, status, i)
			item, there, err := s.Item(ctx, "p", name)
			ok(t, err)
			if got, _ := jsonedit.Unquote(jsonedit.Get(item, "id")); there != (status == r.Status) || there && got != name {
				t.Errorf("%s is %q, and item %s is %s", id, r.Status, name, item)
			}
		}
	}
}
