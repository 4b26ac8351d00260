// Package wiretest holds what every wire promises as tests that each of them runs: Door for the half that faces clients,
// Upstream for the half that faces providers.
package wiretest

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

// Grammar reads a reply to its end and fails the test where the events break the grammar of llm.Kind for one turn of a model:
// Start first and once, calls from 0 without gaps with id and name in their first piece and in no other, End or an error
// last. It returns the events as lines that can be compared and read.
func Grammar(tb testing.TB, reply iter.Seq2[llm.Event, error]) []string {
	tb.Helper()
	g := grammar{ids: map[string]bool{}}
	for ev, err := range reply {
		if g.over {
			tb.Fatalf("%v came after the end", ev.Kind)
		}
		if err != nil {
			g.over = true
			g.lines = append(g.lines, "error "+err.Error())
			continue
		}
		if why := g.take(&ev); why != "" {
			tb.Fatalf("%s, after:\n%s", why, strings.Join(g.lines, "\n"))
		}
		g.lines = append(g.lines, line(&ev))
	}
	if !g.over {
		tb.Fatal("the reply has neither an end nor an error")
	}
	return g.lines
}

type grammar struct {
	begun, opaque, over bool
	calls               int
	ids                 map[string]bool
	lines               []string
}

// take says what is wrong with an event, or nothing.
func (g *grammar) take(ev *llm.Event) string {
	first := !g.begun
	g.begun = true
	switch ev.Kind {
	case llm.Opaque:
		g.opaque = g.opaque || first
		return g.bytes(ev, first)
	case llm.End:
		g.over = true
		return says(first || ev.Stop == "" && !g.opaque, "an end that is out of place or says no reason")
	case llm.Start:
		return says(!first || ev.Head == nil || ev.Head.ID == "", "a start that is out of place or has no id")
	case llm.Text, llm.Thinking, llm.Other, llm.ToolCall:
	default:
		return fmt.Sprintf("%v is not a wire's to yield", ev.Kind)
	}
	if first || g.opaque {
		return fmt.Sprintf("%v before the start", ev.Kind)
	}
	if ev.Kind == llm.ToolCall {
		return g.call(ev)
	}
	return ""
}

// says returns why if it holds.
func says(wrong bool, why string) string {
	if wrong {
		return why
	}
	return ""
}

func (g *grammar) bytes(ev *llm.Event, first bool) string {
	switch {
	case first && (ev.Head == nil || ev.Head.ContentType == ""):
		return "the first opaque event has no content type"
	case !g.opaque || len(ev.Raw) == 0:
		return "an opaque event that is out of place or empty"
	}
	return ""
}

func (g *grammar) call(ev *llm.Event) string {
	switch c := &ev.Call; {
	case ev.Index > g.calls || ev.Index < 0:
		return fmt.Sprintf("call %d after %d calls", ev.Index, g.calls)
	case ev.Index < g.calls && c.ID+c.Name != "":
		return fmt.Sprintf("call %d has its id or name twice", ev.Index)
	case ev.Index == g.calls && (c.ID == "" || c.Name == "" || g.ids[c.ID]):
		return fmt.Sprintf("call %d begins with id %q and name %q", ev.Index, c.ID, c.Name)
	case ev.Index == g.calls:
		g.ids[c.ID] = true
		g.calls++
	}
	return ""
}

// line writes an event as one line.
func line(ev *llm.Event) string {
	b := fmt.Appendf(nil, "%v %d %q %q %q %q %q %q", ev.Kind, ev.Index, ev.Text, ev.Call.ID, ev.Call.Name, ev.Call.Arguments, ev.Call.Extra, ev.Stop)
	b = fmt.Appendf(b, " %s %s %s", ev.Extra.Top, ev.Extra.Choice, ev.Extra.Delta)
	if ev.Head != nil {
		h := ev.Head
		b = fmt.Appendf(b, " {ID:%s Model:%s Created:%d ContentType:%s}", h.ID, h.Model, h.Created, h.ContentType)
	}
	if u := ev.Usage; u != nil {
		b = fmt.Appendf(b, " %v %d %d %d %d %d %s", u.Known, u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning, u.Raw.Bytes)
	}
	return string(b)
}

// Pieces returns a reader that gives b in pieces of up to size bytes, cut by seed, and ends with err; nil stands for io.EOF.
func Pieces(b []byte, size int, seed uint64, err error) io.Reader {
	if err == nil {
		err = io.EOF
	}
	return &pieces{b, max(size, 1), rand.New(rand.NewPCG(seed, 1)), err}
}

type pieces struct {
	b    []byte
	size int
	rnd  *rand.Rand
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, p.err
	}
	n := copy(b, p.b[:min(len(p.b), 1+p.rnd.IntN(p.size))])
	p.b = p.b[n:]
	return n, nil
}

// errBody is what broken bodies end with.
var errBody = errors.New("the body broke")
