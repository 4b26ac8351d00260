package llmtest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/fairlead/fairlead/internal/llm"
)

// Approvals are questions that are kept in memory, for one principal. The zero value is ready.
type Approvals struct {
	mu      sync.Mutex
	pending map[string]llm.Pending
	Err     error // when set, nothing can be kept or claimed
}

var _ llm.Approvals = (*Approvals)(nil)

// Ask keeps a question.
func (a *Approvals) Ask(_ context.Context, p llm.Pending) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Err != nil {
		return a.Err
	}
	if a.pending == nil {
		a.pending = map[string]llm.Pending{}
	}
	a.pending[p.ID] = p
	return nil
}

// Pending finds a question.
func (a *Approvals) Pending(_ context.Context, id string) (llm.Pending, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.pending[id]
	return p, ok, a.Err
}

// Claim uses a question up.
func (a *Approvals) Claim(_ context.Context, id string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.pending[id]
	delete(a.pending, id)
	return ok && a.Err == nil, a.Err
}

// All returns the questions that wait, by id.
func (a *Approvals) All() []llm.Pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.pending))
}
