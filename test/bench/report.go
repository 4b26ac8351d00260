package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// maxMemory is the floor for the gateway's resident memory.
const maxMemory = 40 << 10 // KiB

// spread is a set of ratios: the middle, and both ends.
type spread struct{ median, low, high float64 }

func (s spread) String() string { return fmt.Sprintf("%.2f [%.2f–%.2f]", s.median, s.low, s.high) }

func of(xs []float64) spread {
	slices.Sort(xs)
	n := len(xs)
	return spread{(xs[(n-1)/2] + xs[n/2]) / 2, xs[0], xs[n-1]}
}

// against compares two rows of measurements, round by round.
func against(a, b []sample) (spread, bool) {
	var xs []float64
	for i := range min(len(a), len(b)) {
		if b[i].cpu > 0 {
			xs = append(xs, a[i].cpu/b[i].cpu)
		}
	}
	if len(xs) == 0 {
		return spread{}, false
	}
	return of(xs), true
}

func median(s []sample) (cpu float64, p50 time.Duration) {
	var xs, ts []float64
	for _, x := range s {
		xs, ts = append(xs, x.cpu), append(ts, float64(x.p50))
	}
	return of(xs).median, time.Duration(of(ts).median)
}

// report prints the table and the floors, and reports whether all of them were held.
func (b *bench) report(out io.Writer) bool {
	fmt.Fprintf(out, "%d rounds of %v, %d connections; ratios are medians over rounds [least–most]\n\n", b.o.rounds, b.o.slice, b.o.conns)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\ttarget\tCPU µs/request\t× nginx\tmedian latency")
	for _, c := range b.cases {
		nginx := b.seen[c.name+"/nginx"]
		for _, t := range b.targets {
			s := b.seen[c.name+"/"+t.name]
			if len(s) == 0 {
				continue
			}
			cpu, p50 := median(s)
			cost, ratio := "-", "-"
			if t.proc != nil {
				cost = fmt.Sprintf("%.1f", cpu)
				if r, ok := against(s, nginx); ok && t.name != "nginx" {
					ratio = r.String()
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\n", c.name, t.name, cost, ratio, p50.Round(time.Microsecond))
		}
	}
	_ = w.Flush()
	return b.floors(out)
}

// floors prints what is promised and whether it was held.
func (b *bench) floors(out io.Writer) bool {
	held := true
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	check := func(what, got string, over bool, limit string) {
		word := "ok"
		if over {
			word, held = "OVER", false
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", what, got, limit, word)
	}
	for _, c := range b.cases {
		s := b.seen[c.name+"/fairlead"]
		if c.floor == 0 || len(s) == 0 {
			continue
		}
		base, name := b.seen[c.name+"/nginx"], "nginx"
		switch {
		case c.gatewayOnly:
			base, name = b.seen["1KB/nginx"], "nginx's relay of 1 KB"
		case c.against != "":
			base, name = b.seen[c.name+"/"+c.against], c.against
		}
		if r, ok := against(s, base); ok {
			check(c.name+": "+c.what, r.String()+" × "+name, r.median > c.floor, fmt.Sprintf("≤ %.1f", c.floor))
		}
	}
	if kib := b.peak["fairlead"]; kib > 0 {
		check("most resident memory", fmt.Sprintf("%.1f MB", float64(kib)/1024), kib > maxMemory, "≤ 40 MB")
	}
	b.toolRound(w)
	b.dialects(w)
	_ = w.Flush()
	return held
}

// dialects tells what the other dialects cost: a reply that is translated against one that is relayed, a tool round against
// one in a chat.
func (b *bench) dialects(w io.Writer) {
	for _, c := range b.cases {
		if c.likeWire == "" {
			continue
		}
		if r, ok := against(b.seen[c.name+"/fairlead"], b.seen[c.likeWire+"/fairlead"]); ok {
			fmt.Fprintf(w, "%s: %s\t%s × the gateway's own %s in chat\t\t\n", c.name, c.what, r, c.likeWire)
		}
	}
}

// toolRound compares a round with its hops, each relayed by nginx, and each called directly.
func (b *bench) toolRound(w io.Writer) {
	round := b.seen["tools/fairlead"]
	sum := make([]sample, len(round))
	direct := make([]sample, len(round))
	for _, h := range hops {
		relayed, called := b.seen[h+"/nginx"], b.seen[h+"/direct"]
		if len(round) == 0 || len(relayed) < len(round) || len(called) < len(round) {
			return
		}
		for i := range round {
			sum[i].cpu += relayed[i].cpu
			direct[i].p50 += called[i].p50
		}
	}
	if r, ok := against(round, sum); ok {
		fmt.Fprintf(w, "a tool round against its three hops\t%s × nginx relaying them\t\t\n", r)
	}
	_, p50 := median(round)
	_, bare := median(direct)
	fmt.Fprintf(w, "latency of a tool round\t%v; its hops called directly, one after the other: %v\t\t\n", p50.Round(time.Microsecond), bare.Round(time.Microsecond))
}
