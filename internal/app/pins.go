package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/vet"
)

// pins holds what servers show to what was accepted of it, and to the rules of package vet.
type pins struct {
	log *slog.Logger
	now atomic.Pointer[book]
}

// book is what one config and one lockfile say.
type book struct {
	path     string
	lock     *vet.Lock // nil: the config names none
	withhold bool      // what meets a rule, where the lockfile does not decide
	servers  map[string]config.Server
}

// openBook reads the lockfile that a config names.
func openBook(cfg *config.Config) (*book, error) {
	b := &book{path: cfg.Pins, withhold: cfg.WithholdFlagged, servers: map[string]config.Server{}}
	for _, s := range cfg.Servers {
		b.servers[s.Name] = config.Server{Name: s.Name, Pinned: s.Pinned}
	}
	if b.path == "" {
		return b, nil
	}
	var err error
	if b.lock, err = vet.ReadLock(b.path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pins: there is no lockfile %s; fairlead pin --config FILE writes it", b.path)
	} else if err != nil {
		return nil, fmt.Errorf("pins: %w", err)
	}
	return b, nil
}

// use makes b what holds, and reports whether it is another one than before.
func (p *pins) use(b *book) bool {
	old := p.now.Swap(b)
	return !reflect.DeepEqual(old, b)
}

// pinned reports whether the lockfile decides about an item.
func (b *book) pinned(server, kind string) bool {
	s := b.servers[server]
	return b.lock != nil && s.Pins(plural(kind))
}

func plural(kind string) string { return strings.TrimSuffix(kind, "s") + "s" }

// maxTexts is how much of all that one server shows the rules read at a time, in bytes.
const maxTexts = 1 << 20

// vet is [mcp.Vet].
func (p *pins) vet(server string, items []mcp.Shown) []mcp.Remark {
	b := p.now.Load()
	if b == nil {
		return nil
	}
	left := maxTexts
	var all []mcp.Remark
	for _, shown := range items {
		it := vet.Item{Kind: shown.Kind, Name: shown.Name, Raw: shown.Raw}
		var reasons []string
		pinned := b.pinned(server, shown.Kind)
		if pinned {
			if why := b.strange(server, it, shown.Back); why != "" {
				reasons = append(reasons, why)
			} else {
				continue // what its texts read like was looked at when it was accepted
			}
		}
		found := vet.Scan(it, min(vet.MaxText, left))
		left = max(0, left-len(it.Raw))
		if found != nil {
			reasons = append(reasons, tellFindings(found))
		}
		if reasons != nil {
			all = append(all, mcp.Remark{Kind: it.Kind, Name: it.Name, Withheld: pinned || b.withhold, Text: strings.Join(reasons, "; ")})
		}
	}
	return all
}

// suspect is [mcp.Suspect].
func (p *pins) suspect(server, kind, name string, raw []byte) bool {
	found := vet.Scan(vet.Item{Kind: kind, Name: name, Raw: raw}, vet.MaxText)
	if found == nil {
		return false
	}
	b := p.now.Load()
	withheld := b != nil && b.withhold
	p.log.Warn("what an MCP server says reads like orders to a model", "server", server, "kind", kind, "name", name, "withheld", withheld, "reason", tellFindings(found))
	return withheld
}

// strange says why an item is not one that was accepted.
func (b *book) strange(server string, it vet.Item, back bool) string {
	if !b.lock.Knows(server, it) {
		return "it is new, and nobody has accepted it"
	}
	changes := b.lock.Compare(server, it)
	if len(changes) == 0 {
		if back {
			return "it was gone and has come back, and nobody has accepted it since"
		}
		return ""
	}
	var names []string
	for i, c := range changes {
		if i == 5 {
			names = append(names, fmt.Sprintf("%d more", len(changes)-i))
			break
		}
		names = append(names, plainWord(c.Field))
	}
	return "it is not as it was accepted: " + strings.Join(names, ", ")
}

// tellFindings says which rules the texts of an item have met, and where.
func tellFindings(found []vet.Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s in %s: %s", f.Rule, plainWord(f.Field), f.Excerpt))
	}
	return strings.Join(all, "; ")
}

// plainWord is a server's word as a terminal may have it.
func plainWord(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// reloadPins reads the lockfile again. One that cannot be used changes nothing.
func (a *App) reloadPins() {
	old := a.pins.now.Load()
	if old == nil || old.path == "" {
		return
	}
	next := *old
	var err error
	if next.lock, err = vet.ReadLock(next.path); err != nil {
		a.log.Error("the lockfile cannot be used; what was accepted before still holds", "error", err)
		return
	}
	if a.pins.use(&next) {
		a.servers.Revet()
		a.log.Info("lockfile loaded", "accepted", next.lock.Accepted)
	}
}

// followPins reads the lockfile again whenever it changes. stop waits for the end.
func (a *App) followPins(ctx context.Context) (stop func()) {
	path := a.pins.now.Load().path
	if path == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := config.Watch(ctx, path, a.reloadPins); err != nil && ctx.Err() == nil {
			a.log.Warn("the lockfile is not watched; SIGHUP still loads it anew", "error", err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
