package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/vet"
)

// PinReport is what fairlead pin has found: how what servers show differs from what was accepted.
type PinReport struct {
	Path     string // of the lockfile
	First    bool   // there was none
	Wrote    bool
	Named    bool // the config names it
	Servers  []PinnedServer
	Withheld int // things that the gateway does not show as the lockfile stands now
}

// PinnedServer is what was found of one server.
type PinnedServer struct {
	Name  string
	Err   error // it could not be asked; what was accepted of it stays
	Same  int   // things that are as they were accepted
	Items []PinnedItem
}

// PinnedItem is one thing that is not as it was accepted.
type PinnedItem struct {
	Kind, Name string
	State      PinState
	Was        string // of a renamed one: its name before
	Changes    []vet.Change
	Findings   []vet.Finding
	Withheld   bool
}

// PinState says how a thing differs.
type PinState string

// The ways to differ.
const (
	PinNew     PinState = "new"
	PinChanged PinState = "changed"
	PinRenamed PinState = "renamed"
	PinGone    PinState = "gone"
)

// Pin compares what the config's servers show with the lockfile, or writes the lockfile when there is none. With accept, what
// they show now becomes what is accepted. What reads like orders to a model is never accepted without it.
func Pin(ctx context.Context, o Options, accept bool) (*PinReport, error) {
	cfg, err := LoadConfig(o)
	if err != nil {
		return nil, err
	}
	r := &PinReport{Path: cfg.Pins, Named: cfg.Pins != ""}
	if !r.Named {
		r.Path = filepath.Join(filepath.Dir(o.Path), "fairlead.lock")
	}
	lock, err := vet.ReadLock(r.Path)
	if r.First = errors.Is(err, fs.ErrNotExist); r.First {
		lock, err = vet.NewLock(), nil
	}
	if err != nil {
		return nil, err
	}
	shown, err := inventory(ctx, cfg, o.Log, o.Version)
	if err != nil {
		return nil, err
	}
	r.compare(cfg, lock, shown, accept)
	if r.First || accept {
		var names []string
		for _, s := range cfg.Servers {
			names = append(names, s.Name)
		}
		lock.Keep(names)
		lock.Accepted = later(lock.Accepted)
		if err := replaceFile(r.Path, lock.Append(nil)); err != nil {
			return nil, err
		}
		r.Wrote = true
	}
	return r, nil
}

// later is now, in whole seconds, and never the time that it was: a gateway sees by it that something was accepted again.
func later(than time.Time) time.Time {
	now := time.Now().Truncate(time.Second)
	if !now.After(than) {
		now = than.Add(time.Second)
	}
	return now
}

// inventory asks the config's servers, and nothing else of the config, for all that they show.
func inventory(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) ([]mcp.Inventory, error) {
	only := *config.Default()
	only.Servers, only.Secrets, only.PublicURL = cfg.Servers, cfg.Secrets, cfg.PublicURL
	a, err := Open(&only, Options{Version: version, Log: log, listTime: time.Minute})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.servers.Inventory(ctx), ctx.Err()
}

// compare fills in what differs, and takes into the lock what is accepted.
func (r *PinReport) compare(cfg *config.Config, lock *vet.Lock, shown []mcp.Inventory, accept bool) {
	for i, inv := range shown {
		s := PinnedServer{Name: inv.Server, Err: inv.Err}
		if inv.Err == nil {
			items := pinnedItems(&cfg.Servers[i], inv.Items)
			s.compare(lock, items)
			if r.First || accept {
				s.settle(accept)
				lock.Accept(s.Name, slices.DeleteFunc(items, s.withholds))
			}
		}
		for _, it := range s.Items {
			if it.Withheld {
				r.Withheld++
			}
		}
		r.Servers = append(r.Servers, s)
	}
}

// pinnedItems are those that the lockfile holds a server to.
func pinnedItems(s *config.Server, shown []mcp.Shown) []vet.Item {
	var items []vet.Item
	for _, it := range shown {
		if s.Pins(plural(it.Kind)) {
			items = append(items, vet.Item{Kind: it.Kind, Name: it.Name, Raw: it.Raw})
		}
	}
	return items
}

// compare finds what of a server's items is not as it was accepted.
func (s *PinnedServer) compare(lock *vet.Lock, items []vet.Item) {
	gone := lock.Missing(s.Name, items)
	for _, it := range items {
		p := PinnedItem{Kind: it.Kind, Name: it.Name, State: PinNew, Withheld: true, Changes: lock.Compare(s.Name, it)}
		switch {
		case lock.Knows(s.Name, it) && len(p.Changes) == 0:
			s.Same++
			continue
		case lock.Knows(s.Name, it):
			p.State = PinChanged
		default:
			if j := slices.IndexFunc(gone, func(g vet.Item) bool { return lock.Alike(s.Name, g, it) }); j >= 0 {
				p.State, p.Was = PinRenamed, gone[j].Name
				gone = slices.Delete(gone, j, j+1)
			}
		}
		p.Findings = vet.Scan(it, vet.MaxText)
		s.Items = append(s.Items, p)
	}
	for _, it := range gone {
		s.Items = append(s.Items, PinnedItem{Kind: it.Kind, Name: it.Name, State: PinGone})
	}
}

// settle decides what is accepted: everything, or what meets no rule.
func (s *PinnedServer) settle(everything bool) {
	for i := range s.Items {
		if it := &s.Items[i]; everything || it.Findings == nil {
			it.Withheld = false
		}
	}
}

func (s *PinnedServer) withholds(it vet.Item) bool {
	return slices.ContainsFunc(s.Items, func(p PinnedItem) bool { return p.Withheld && p.Kind == it.Kind && p.Name == it.Name })
}

// replaceFile writes a file as a whole or not at all. A link stays a link.
func replaceFile(path string, data []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fairlead-lock-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Explain is what may be told of why a server could not be asked: no address, no secret.
func Explain(err error) string { return mcp.SafeMessage(err) }
