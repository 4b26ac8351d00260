package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/vet"
)

func pin(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`")
	accept := f.Bool("accept", false, "accept what the servers show now")
	return func(ctx context.Context, out, log io.Writer) error {
		if *path == "" {
			return fmt.Errorf("%w: --config FILE is missing", errUsage)
		}
		l, _, flush := logger(log, slog.LevelError)
		defer flush()
		v, _ := built()
		r, err := app.Pin(ctx, app.Options{Path: *path, Version: v, Getenv: os.Getenv, Log: l}, *accept)
		if err != nil {
			return err
		}
		p := pinPrinter{out: out, log: log, config: *path}
		return p.report(r)
	}
}

// pinPrinter tells a person what fairlead pin has found. Everything that a server says is in quotes, with whatever a terminal
// would not show escaped.
type pinPrinter struct {
	out, log io.Writer
	config   string
}

func (p *pinPrinter) f(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format, args...) }

func (p *pinPrinter) report(r *app.PinReport) error {
	failed := false
	for i := range r.Servers {
		s := &r.Servers[i]
		if s.Err != nil {
			failed = true
			_, _ = fmt.Fprintf(p.log, "fairlead pin: the server %s could not be asked, and what was accepted of it stays: %s\n", s.Name, plain(app.Explain(s.Err)))
			continue
		}
		p.server(s, r.First)
	}
	switch {
	case r.Wrote:
		p.f("%s is written\n", r.Path)
	case r.Withheld == 0 && !failed:
		p.f("everything is as it was accepted in %s\n", r.Path)
	}
	if r.Wrote && !r.Named {
		name := r.Path
		if filepath.Dir(name) == filepath.Dir(p.config) {
			name = filepath.Base(name)
		}
		p.f("add this line to the config, so that the gateway holds its servers to it: pins: %s\n", name)
	}
	if r.Withheld > 0 {
		p.f("%d withheld until: fairlead pin --config %s --accept\n", r.Withheld, p.config)
	}
	if r.Withheld > 0 || failed {
		return errTold
	}
	return nil
}

func (p *pinPrinter) server(s *app.PinnedServer, first bool) {
	counts := map[app.PinState]int{}
	for _, it := range s.Items {
		counts[it.State]++
	}
	p.f("%s: %d as accepted", s.Name, s.Same)
	for _, state := range []app.PinState{app.PinNew, app.PinChanged, app.PinRenamed, app.PinGone} {
		if counts[state] > 0 {
			p.f(", %d %s", counts[state], state)
		}
	}
	p.f("\n")
	for i := range s.Items {
		if it := &s.Items[i]; !first || it.Findings != nil {
			p.item(it)
		}
	}
}

func (p *pinPrinter) item(it *app.PinnedItem) {
	word := string(it.State)
	if it.Withheld {
		word = "withheld, " + word
	}
	p.f("  %s: %s %s", word, it.Kind, shown(it.Name))
	if it.Was != "" {
		p.f(", before %s", shown(it.Was))
	}
	p.f("\n")
	for _, c := range it.Changes {
		if it.State == app.PinChanged || c.Field == "description" || c.Field == "text" {
			p.change(&c)
		}
	}
	for _, f := range it.Findings {
		p.f("    FLAGGED %s in %s: %s\n", f.Rule, shown(f.Field), f.Excerpt)
	}
}

func (p *pinPrinter) change(c *vet.Change) {
	switch {
	case c.New == "":
		p.f("    %s: gone (it was %.12s)\n", shown(c.Field), c.Old)
	case c.Old == "":
		p.f("    %s: %s\n", shown(c.Field), value(c.Raw))
	default:
		p.f("    %s: now %s (it was %.12s)\n", shown(c.Field), value(c.Raw), c.Old)
	}
}

// shown is a server's word in quotes.
func shown(s string) string { return fmt.Sprintf("%+q", cutText(s)) }

// value is a server's JSON value: a text in quotes, anything else in one line of it.
func value(raw []byte) string {
	if s, ok := jsonedit.Unquote(raw); ok {
		return shown(s)
	}
	quoted := fmt.Sprintf("%+q", cutText(string(vet.AppendCanonical(nil, raw))))
	return "JSON " + quoted
}

// cutText is a text of a length that people read.
func cutText(s string) string {
	const most = 400
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
