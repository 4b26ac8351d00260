package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Keeper keeps the hidden halves of mixed turns until the client comes back with the answers to its own calls. What it
// holds belongs to a principal and is found by nobody else. A half that is gone is no error: the conversation goes on
// without it.
type Keeper interface {
	Keep(ctx context.Context, principal string, kept llm.Kept) error
	// Holds reports whether anything may be kept for the principal. It is cheap, and asked for every request.
	Holds(principal string) bool
	// Among returns those of some call ids under which something is kept.
	Among(ctx context.Context, principal string, callIDs []string) ([]string, error)
	// Recall returns what is kept under a call id.
	Recall(ctx context.Context, principal, callID string) (llm.Kept, bool, error)
}

// keep puts away what the client does not see, or cannot bring back, of a conversation that goes on with its answers to its
// own calls. A client that sees our calls brings them back itself: of its turns those are kept that have none.
func (r *run) keep(ctx context.Context, t *turn, results []llm.Result) {
	mine, shows := t.calls(clients), r.req.Params.Shows
	hidden := !shows && len(r.added)+len(results) > 0
	if len(mine) == 0 || r.loop.Keeper == nil || !hidden && (!t.foreign() || shows && len(mine) < len(t.made)) {
		return
	}
	kept := llm.Kept{Calls: mine}
	if shows {
		kept.Messages = []llm.Message{t.message()}
	} else {
		r.add(t, results)
		kept.Messages = r.added
	}
	for _, c := range mine {
		kept.IDs = append(kept.IDs, c.ID)
	}
	if err := r.loop.Keeper.Keep(ctx, r.loop.Principal, kept); err != nil {
		r.loop.Log.Warn("the hidden half of a turn could not be kept; the conversation will go on without it", "error", err)
	}
}

// Restore sets req.Restored to the hidden halves that belong to the calls in its conversation. A call that the client has
// changed since does not count as the same. Where the client has sent our calls back, the turn of its own alone is put back.
func Restore(ctx context.Context, k Keeper, principal string, req *llm.Request) error {
	if len(req.Params.PastCalls) == 0 || !k.Holds(principal) {
		return nil
	}
	past, ids := map[string]llm.Call{}, make([]string, 0, len(req.Params.PastCalls))
	for _, c := range req.Params.PastCalls {
		if _, twice := past[c.ID]; !twice {
			ids = append(ids, c.ID)
		}
		past[c.ID] = c
	}
	ids, err := k.Among(ctx, principal, ids)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, id := range ids {
		if told[id] {
			continue
		}
		kept, ok, err := k.Recall(ctx, principal, id)
		if err != nil {
			return err
		}
		if !ok || !sameCalls(past, kept.Calls) {
			continue
		}
		if slices.Contains(req.Params.SentBack, id) {
			if kept, ok = kept.Turn(); !ok {
				continue
			}
		}
		for _, id := range kept.IDs {
			told[id] = true
		}
		req.Restored = append(req.Restored, kept)
	}
	return nil
}

func sameCalls(past map[string]llm.Call, kept []llm.Call) bool {
	for _, k := range kept {
		p, ok := past[k.ID]
		if !ok || p.Name != k.Name || !sameJSON(p.Arguments, k.Arguments) {
			return false
		}
	}
	return true
}

func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	return string(jsonedit.Compact(nil, []byte(a))) == string(jsonedit.Compact(nil, []byte(b)))
}

// Memory is a Keeper in this process: bounded in bytes and age.
type Memory struct {
	max int
	ttl time.Duration

	mu    sync.Mutex
	items map[memoryKey]*memoryItem
	order []memoryKey // oldest first
	bytes int
	held  map[string]int // ids of each principal
}

type memoryKey struct{ principal, id string }

type memoryItem struct {
	kept    llm.Kept
	size    int
	expires time.Time
}

var _ Keeper = (*Memory)(nil)

// NewMemory returns a Memory that holds about limit bytes at most, each turn for ttl.
func NewMemory(limit int, ttl time.Duration) *Memory {
	return &Memory{max: limit, ttl: ttl, items: map[memoryKey]*memoryItem{}, held: map[string]int{}}
}

// Keep puts kept away under each of its ids.
func (m *Memory) Keep(_ context.Context, principal string, kept llm.Kept) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, id := range kept.IDs {
		k := memoryKey{principal, id}
		if m.items[k] != nil {
			m.order = slices.DeleteFunc(m.order, func(o memoryKey) bool { return o == k })
			m.drop(k)
		}
		it := &memoryItem{kept: kept, size: size(kept), expires: now.Add(m.ttl)}
		m.items[k] = it
		m.order = append(m.order, k)
		m.bytes += it.size
		m.held[principal]++
	}
	m.sweep(now)
	return nil
}

// Holds reports whether anything is kept for the principal.
func (m *Memory) Holds(principal string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held[principal] > 0
}

// Among returns the ids under which something is kept.
func (m *Memory) Among(_ context.Context, principal string, ids []string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var held []string
	for _, id := range ids {
		if m.items[memoryKey{principal, id}] != nil {
			held = append(held, id)
		}
	}
	return held, nil
}

// Recall finds what is kept under id.
func (m *Memory) Recall(_ context.Context, principal, id string) (llm.Kept, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it := m.items[memoryKey{principal, id}]
	if it == nil || time.Now().After(it.expires) {
		return llm.Kept{}, false, nil
	}
	return it.kept, true, nil
}

// sweep forgets what has expired, and the oldest beyond the limit.
func (m *Memory) sweep(now time.Time) {
	n := 0
	for _, k := range m.order {
		it := m.items[k]
		if m.bytes <= m.max && now.Before(it.expires) {
			break
		}
		m.drop(k)
		n++
	}
	m.order = m.order[n:]
}

func (m *Memory) drop(k memoryKey) {
	m.bytes -= m.items[k].size
	delete(m.items, k)
	if m.held[k.principal]--; m.held[k.principal] == 0 {
		delete(m.held, k.principal)
	}
}

// size is about what kept weighs in memory.
func size(kept llm.Kept) int {
	n := 256
	for _, m := range kept.Messages {
		n += 256 + len(m.Text) + len(m.Extra)
		for _, c := range m.Calls {
			n += 64 + len(c.Arguments) + len(c.Extra)
		}
		if m.Result != nil {
			n += len(m.Result.Text)
			for _, p := range m.Result.Parts {
				n += len(p.Data) + len(p.Text)
			}
		}
	}
	return n
}
