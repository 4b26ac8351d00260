package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/h1"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/secret"
)

// Options are what a command says about the gateway to run.
type Options struct {
	Path    string // the config file; empty: providers of the environment
	Listen  string // overrides the config's; empty: it stands
	Version string
	Getenv  func(string) string
	Log     *slog.Logger
	Access  obs.Access // nil: requests are told of in Log

	listTime time.Duration // how long a server may take to start and to list its tools; 0: the default
}

// drain is how long requests may take to end when the gateway stops.
const drain = 30 * time.Second

// LoadConfig reads the config that o names.
func LoadConfig(o Options) (*config.Config, error) {
	cfg, err := load(o)
	if err != nil || o.Listen == "" {
		return cfg, err
	}
	return cfg.WithListen(o.Listen)
}

func load(o Options) (*config.Config, error) {
	if o.Path == "" {
		return FromEnv(o.Getenv)
	}
	return config.Load(o.Path, ConfigOptions(o.Getenv))
}

// Run serves until ctx ends, and then lets the running requests end. SIGHUP and changes of the file load the config anew; a
// bad one is refused and the old one stays.
func Run(ctx context.Context, o Options) error {
	cfg, err := LoadConfig(o)
	if err != nil {
		return err
	}
	a, err := Open(cfg, o)
	if err != nil {
		return err
	}
	defer a.Close()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (--listen names another address)", cfg.Listen, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Path != "" {
		stop := a.follow(ctx, o)
		defer stop()
		defer cancel()
	}
	return a.Serve(ctx, l)
}

// Serve serves l until ctx ends, and then lets the running requests end.
func (a *App) Serve(ctx context.Context, l net.Listener) error {
	srv := &h1.Server{Handler: a, Log: a.log}
	at := l.Addr().String()
	a.listening.Store(&at)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	a.log.Info("listening", "addr", l.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.log.Info("stopping", "drain", drain.String())
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		a.log.Warn("requests were cut off", "error", err)
		_ = srv.Close()
	}
	a.later.Drain(end)
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// follow loads the config anew whenever its file changes or SIGHUP comes, until ctx ends. stop waits for the end.
func (a *App) follow(ctx context.Context, o Options) (stop func()) {
	changed := make(chan struct{}, 1)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	stopPins := a.followPins(ctx)
	watched, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		if err := config.Watch(ctx, o.Path, poke); err != nil && ctx.Err() == nil {
			a.log.Warn("the config file is not watched; SIGHUP still loads it anew", "error", err)
		}
	}()
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			case <-changed:
			}
			path := a.pins.now.Load().path
			if a.reload(o); a.pins.now.Load().path != path {
				stopPins()
				stopPins = a.followPins(ctx)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		<-watched
		<-done
		stopPins()
	}
}

func (a *App) reload(o Options) {
	old := a.now.Load().cfg
	cfg, err := LoadConfig(o)
	if err == nil {
		err = a.Apply(cfg)
	}
	if err != nil {
		a.log.Error("the new config is refused; the old one stays", "error", err)
		return
	}
	a.log.Info("config loaded", "models", len(cfg.Models), "mcp_servers", len(cfg.Servers), "keys", len(cfg.Keys))
	if cfg.Listen != old.Listen {
		a.log.Warn("a new listen address takes a restart", "listen", cfg.Listen)
	}
	if cfg.Store.Reveal() != old.Store.Reveal() {
		a.log.Warn("a new store takes a restart")
	}
	if !slices.EqualFunc(cfg.Secrets, old.Secrets, func(a, b secret.String) bool { return a.Reveal() == b.Reveal() }) {
		a.log.Warn("new secrets take a restart")
	}
}
