package policy

import (
	"strings"
	"sync"
)

// memo remembers what was foreseen, for lists of tools are asked for again and again.
type memo struct {
	mu sync.RWMutex
	by map[subject]Verdict
}

// maxMemo bounds what is remembered.
const maxMemo = 1 << 16

// subject is all that a verdict on what is in a list can depend on.
type subject struct {
	principal, subject, scopes, server, tool   string
	external, untrusted                        bool
	readOnly, destructive, idempotent, opensUp bool
}

func (m *memo) get(f *Facts, find func() Verdict) Verdict {
	k := subject{f.Principal, f.Subject, strings.Join(f.Scopes, " "), f.Server, f.Tool, f.External, f.Untrusted, f.ReadOnly, f.Destructive, f.Idempotent, f.OpensUp}
	m.mu.RLock()
	v, ok := m.by[k]
	m.mu.RUnlock()
	if ok {
		return v
	}
	v = find()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil || len(m.by) >= maxMemo {
		m.by = map[subject]Verdict{}
	}
	m.by[k] = v
	return v
}
