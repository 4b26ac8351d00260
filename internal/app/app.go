// Package app builds the gateway from a config and runs it: Open, Apply for a new config, Close.
package app

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/fairlead/fairlead/internal/agent"
	"github.com/fairlead/fairlead/internal/api"
	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/mcp"
	mcpall "github.com/fairlead/fairlead/internal/mcp/all"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/policy"
	"github.com/fairlead/fairlead/internal/route"
	"github.com/fairlead/fairlead/internal/store"
	storeall "github.com/fairlead/fairlead/internal/store/all"
	"github.com/fairlead/fairlead/internal/wire"
	wireall "github.com/fairlead/fairlead/internal/wire/all"
)

// App is a running gateway. What a config decides is in its snapshot, which Apply replaces as a whole; requests go on with
// the one that they began with.
type App struct {
	log       *slog.Logger
	access    obs.Access
	servers   *mcp.Catalogue
	front     *mcpall.Front
	logins    *mcpall.Logins
	listening atomic.Pointer[string] // the address that is served, once one is
	kept      store.Store
	later     *api.Background
	transport *h1.Transport
	healths   route.Healths
	pins      pins
	now       atomic.Pointer[snapshot]
}

// snapshot is what one config makes.
type snapshot struct {
	cfg     *config.Config
	handler http.Handler
	planner *plan.Planner
	keys    *auth.Keyring
	rules   *policy.Policy
	doors   []wire.Door
}

// Open builds a gateway of the version, with the logs, that o names. Servers that are down stop nothing: they are told of when a request needs them.
func Open(cfg *config.Config, o Options) (*App, error) {
	kept, err := storeall.Open(context.Background(), cfg.Store.Reveal(), store.Options{Log: o.Log})
	if err != nil {
		return nil, err
	}
	a := &App{log: o.Log, access: o.Access, kept: kept, later: api.NewBackground(kept, o.Log)}
	if a.access == nil {
		a.access = obs.LogAccess{Log: o.Log}
	}
	ring, err := ringOf(cfg)
	if err != nil {
		a.Close()
		return nil, err
	}
	a.keepLogins(ring, o)
	a.front = mcpall.NewFront(a.servers, mcpall.FrontOptions{Seal: ring, Version: o.Version, KeepAlive: cfg.Timeouts.KeepAlive, Log: o.Log})
	a.transport = h1.New(h1.Options{ConnectTimeout: cfg.Timeouts.Connect})
	if err := a.Apply(cfg); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Apply makes cfg the config. When it cannot be used the old one stays. The time to connect is that of the first config.
func (a *App) Apply(cfg *config.Config) error {
	var before *auth.Keyring
	if old := a.now.Load(); old != nil {
		before = old.keys
	}
	keys, err := auth.New(cfg, before)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	targets, err := a.targets(cfg)
	if err != nil {
		return err
	}
	if err := checkPrivateKeys(cfg); err != nil {
		return err
	}
	rules, err := policy.New(cfg, a.log)
	if err != nil {
		return err
	}
	pinned, err := openBook(cfg)
	if err != nil {
		return err
	}
	show, _ := api.ShowOf(cfg.StreamToolRounds)
	p := &plan.Planner{
		Now:     a.identity,
		Rules:   func() *policy.Policy { return a.now.Load().rules },
		Targets: targets, Servers: a.servers, Toolsets: toolsets(cfg), LongResults: cfg.Limits.LongResults, SpillBytes: int(cfg.Limits.SpillBytes),
		External: cfg.ExternalMCP.Allow, Doubtful: cfg.ExternalMCP.Untrusted, Keeper: a.kept, Kept: a.keptFor, Mocks: cfg.Mocks, Log: a.log,
		Limits: agent.Limits{Rounds: cfg.Limits.Rounds, Calls: cfg.Limits.Calls, Concurrent: cfg.Limits.ConcurrentCalls, Wall: cfg.Limits.WallTime},
	}
	doors := wireall.Doors(cfg.Timeouts.KeepAlive, a.log)
	front := &api.API{
		Doors: doors, Keys: keys, Planner: p, Log: a.log, Access: a.access, Body: cfg.Limits.BodyBytes, Show: show, Hosts: ownHosts(cfg.Listen, cfg.PublicURL),
		Kept: a.kept, Background: a.later, KeepAlive: cfg.Timeouts.KeepAlive, MCP: a.front, Logins: a.logins.Pages(),
	}
	front.Uploads = cfg.Limits.UploadBytes
	a.servers.Limit(cfg.Limits.CallTime, int(cfg.Limits.ResultBytes))
	strange := a.pins.use(pinned)
	a.servers.Apply(servers(cfg))
	if strange {
		a.servers.Revet()
	}
	a.servers.Warm()
	a.now.Store(&snapshot{cfg: cfg, handler: front.Handler(), planner: p, keys: keys, rules: rules, doors: doors})
	return nil
}

// identity is what the holder of an identity may use now, or nil if the key is gone.
func (a *App) identity(id *auth.Identity) *auth.Identity { return a.now.Load().keys.Now(id) }

// keptFor is what is kept for a principal.
func (a *App) keptFor(principal string) (llm.Replies, llm.Approvals) {
	return store.RepliesOf(a.kept, principal), store.ApprovalsOf(a.kept, principal)
}

// Close ends all sessions and connections. Requests should have ended before; replies in the background are stopped.
func (a *App) Close() {
	a.later.Close()
	if err := a.kept.Close(); err != nil {
		a.log.Warn("the store did not close well", "error", err)
	}
	if a.servers != nil {
		a.servers.Close()
	}
	if a.transport != nil {
		a.transport.CloseIdleConnections()
	}
}

// ServeHTTP serves the API.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.now.Load().handler.ServeHTTP(w, r) }

// Generate answers a request of this process, which may use everything that is configured. A request that carries a
// wire's body in Raw is read as its door would read it.
func (a *App) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		s := a.now.Load()
		own := *req
		m, err := s.planner.Plan(ctx, plan.Caller{Identity: auth.Anyone(), Header: http.Header{}}, s.decoder(req), &own)
		if err != nil {
			yield(llm.Event{}, err)
			return
		}
		own.Opaque = false
		for ev, err := range m.Generate(ctx, &own) {
			if !yield(ev, err) {
				return
			}
		}
	}
}

func (s *snapshot) decoder(req *llm.Request) plan.Decoder {
	for _, d := range s.doors {
		if d.Name() == req.Raw.Wire {
			return d
		}
	}
	return nil
}

// ReadRequest reads a request body of the named wire for Generate.
func (a *App) ReadRequest(wireName string, body []byte) (*llm.Request, error) {
	for _, d := range a.now.Load().doors {
		if d.Name() == wireName {
			return d.ReadRequest(http.Header{}, body)
		}
	}
	return nil, fmt.Errorf("there is no wire %q", wireName)
}

// ServeStdio serves one MCP client over a pair of streams. It may use what the key with this name may use; everything, if the name
// is empty. It returns when in has ended or ctx has.
func (a *App) ServeStdio(ctx context.Context, key string, in io.Reader, out io.Writer) error {
	id := auth.Anyone()
	if key != "" {
		var ok bool
		if id, ok = a.now.Load().keys.ByName(key); !ok {
			return fmt.Errorf("the config has no key with the name %q", key)
		}
	}
	return a.front.Stdio(ctx, in, out, func() *mcp.Visit {
		return a.now.Load().planner.Visit(plan.Caller{Identity: id, Header: http.Header{}}, "/mcp", "")
	})
}

// Tools lists the tools of all servers as they are offered, and the servers that failed.
func (a *App) Tools(ctx context.Context) ([]llm.Tool, []llm.ServerError, error) {
	return a.now.Load().planner.Tools(ctx, plan.Caller{Identity: auth.Anyone(), Header: http.Header{}})
}
