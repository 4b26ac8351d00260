// Command bench measures what the gateway costs: the CPU time of its process for each request, against a direct call and
// against nginx as a plain reverse proxy, all in one run and in turn, so that whatever else the machine does falls on all
// alike. The load, the upstreams and what is measured are processes of their own.
//
// Read the ratios: times differ from machine to machine and from minute to minute.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	gateway string
	rounds  int
	slice   time.Duration
	conns   int
	only    string
	enforce bool
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok { // a process that the bench has started
			if err := role(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, os.Args[1]+":", err)
				os.Exit(1)
			}
			return
		}
	}
	var o options
	flag.StringVar(&o.gateway, "gateway", "../bin/fairlead", "the gateway to measure; \"none\" for the baselines alone")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; each measures everything once")
	flag.DurationVar(&o.slice, "slice", time.Second, "how long one measurement lasts")
	flag.IntVar(&o.conns, "c", 16, "connections")
	flag.StringVar(&o.only, "only", "", "only the cases and targets whose names are in this list, as in 1KB,nginx,fairlead")
	flag.BoolVar(&o.enforce, "enforce", false, "exit with 1 when a floor is not held")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	held, err := run(ctx, o)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	case !held && o.enforce:
		os.Exit(1)
	}
}

// roles are what the bench's own processes do. Each ends when its standard input does.
var roles = map[string]func(args []string) error{
	"role-load": load, "role-model": model, "role-mcp": mcpServer, "role-relay": relay, "role-proxy": proxy,
}

// run measures and prints. It reports whether all floors were held.
func run(ctx context.Context, o options) (held bool, err error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{o: o, dir: dir, seen: map[string][]sample{}}
	defer b.close()
	if err := b.start(ctx); err != nil {
		return false, err
	}
	for round := range o.rounds {
		for _, c := range b.cases {
			for i := range b.targets {
				t := b.targets[(i+round)%len(b.targets)] // nobody is always the first
				if err := b.measure(ctx, c, t); err != nil {
					return false, fmt.Errorf("%s, %s: %w", c.name, t.name, err)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "\rround %d of %d", round+1, o.rounds)
	}
	fmt.Fprintln(os.Stderr)
	held = b.report(os.Stdout)
	if b.o.gateway == "none" || b.o.only != "" && !b.wants["idle"] {
		return held, nil
	}
	session, listening, err := b.idle(ctx, b.modelAddr, b.mcpAddr)
	if err != nil {
		return false, fmt.Errorf("idle sessions: %w", err)
	}
	fmt.Printf("an idle session of an MCP client: %.1f KiB, and %.1f KiB more while it listens for notifications (%d of them)\n", session, listening, idleSessions)
	return held, nil
}

// target is something that stands between the load and the upstreams.
type target struct {
	name string
	proc *process // nil: the load calls the upstreams itself
	addr string   // of the models
	mcp  string   // of the MCP server, through the target
	full bool     // a gateway, with keys and tools, not a relay
	only bool     // it knows the MCP server alone
}

// sample is one measurement.
type sample struct {
	cpu float64       // of the target's process, µs for one request
	p50 time.Duration // as the load saw it
}

type bench struct {
	o       options
	dir     string
	procs   []*process
	targets []target
	cases   []testCase
	seen    map[string][]sample // by case and target
	peak    map[string]int64    // resident memory in KiB, by target
	wants   map[string]bool     // what the user asked for

	modelAddr, mcpAddr string
}

func (b *bench) close() {
	for _, p := range b.procs {
		p.stop()
	}
}

// start starts the upstreams and the targets.
func (b *bench) start(ctx context.Context) error {
	model, modelAddr, err := b.role(ctx, "role-model")
	if err != nil {
		return err
	}
	mcp, mcpAddr, err := b.role(ctx, "role-mcp")
	if err != nil {
		return err
	}
	b.procs = append(b.procs, model, mcp)
	b.modelAddr, b.mcpAddr = modelAddr, mcpAddr
	b.targets = []target{{name: "direct", addr: modelAddr, mcp: mcpAddr}}
	nginx, addr, err := b.nginx(ctx, modelAddr, mcpAddr)
	if err != nil {
		return fmt.Errorf("nginx (Debian package nginx) is what the gateway is measured against: %w", err)
	}
	b.targets = append(b.targets, target{name: "nginx", proc: nginx, addr: addr, mcp: addr})
	for _, halves := range relays {
		p, addr, err := b.role(ctx, "role-relay", halves, modelAddr, mcpAddr)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{name: halves, proc: p, addr: addr, mcp: addr})
	}
	p, proxyAddr, err := b.role(ctx, "role-proxy", mcpAddr)
	if err != nil {
		return err
	}
	b.targets = append(b.targets, target{name: proxyName, proc: p, mcp: proxyAddr, only: true})
	if b.o.gateway != "none" {
		p, addr, err := b.gateway(ctx, modelAddr, mcpAddr)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{name: "fairlead", proc: p, addr: addr, mcp: addr, full: true})
	}
	for _, t := range b.targets[1:] {
		b.procs = append(b.procs, t.proc)
	}
	b.cases = cases()
	b.peak = map[string]int64{}
	return b.choose()
}

// choose leaves only what the user asked for.
func (b *bench) choose() error {
	if b.o.only == "" {
		return nil
	}
	want := map[string]bool{}
	for n := range strings.SplitSeq(b.o.only, ",") {
		want[n] = true
	}
	b.wants = want
	var cs []testCase
	for _, c := range b.cases {
		if want[c.name] {
			cs = append(cs, c)
		}
	}
	var ts []target
	for _, t := range b.targets {
		if want[t.name] {
			ts = append(ts, t)
		}
	}
	if len(cs) > 0 {
		b.cases = cs
	}
	if len(ts) > 0 {
		b.targets = ts
	}
	if len(cs) == 0 && len(ts) == 0 && !want["idle"] {
		return fmt.Errorf("nothing is called %q", b.o.only)
	}
	return nil
}

// yardstickDrops is of how many requests a relay may drop one and is still a yardstick. The gateway may drop none.
const yardstickDrops = 200

// measure runs one case against one target for one slice.
func (b *bench) measure(ctx context.Context, c testCase, t target) error {
	if !c.concerns(t) {
		return nil
	}
	addr := t.addr
	if c.mcp {
		addr = t.mcp
	}
	file := filepath.Join(b.dir, "request")
	if err := os.WriteFile(file, c.request(addr, t.full), 0o600); err != nil {
		return err
	}
	var before time.Duration
	var err error
	if t.proc != nil {
		if before, err = t.proc.cpu(); err != nil {
			return err
		}
	}
	got, err := b.load(ctx, addr, file, c.want)
	if err != nil {
		return err
	}
	if got.count == 0 || got.errors > 0 && (t.full || got.errors*yardstickDrops > got.count) {
		return fmt.Errorf("%d of %d requests failed: %s", got.errors, got.count+got.errors, got.first)
	}
	if got.errors > 0 {
		fmt.Fprintf(os.Stderr, "\r%s, %s: %d of %d requests failed: %.100s\n", c.name, t.name, got.errors, got.count+got.errors, got.first)
	}
	s := sample{p50: got.p50}
	if t.proc != nil {
		after, err := t.proc.cpu()
		if err != nil {
			return err
		}
		s.cpu = float64((after - before).Nanoseconds()) / 1e3 / float64(got.count)
		if b.peak[t.name], err = t.proc.peak(); err != nil {
			return err
		}
	}
	key := c.name + "/" + t.name
	b.seen[key] = append(b.seen[key], s)
	return nil
}

var errEnded = errors.New("it ended")
