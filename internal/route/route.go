// Package route asks one of several deployments of a model, another one when it fails, and other models when all do. Its
// Model stands around the providers' clients and below the tool loop: each round of a loop is one request here, so that a
// change of deployments in the middle of a loop keeps what tools have said and runs none of them twice.
//
// Nothing is tried again once an event has been passed on. What is tried, and where, follows from what the error says
// (judge): a deployment that is rate limited rests for as long as it asks for; one that fails three times in a row is left
// alone for a break, then asked by one request, and each answer lets one more wait for it side by side. Where there is nobody
// else to ask, the break is interrupted by one request a second.
package route

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
)

// Deployment is one place where a model runs.
type Deployment struct {
	Name     string // "openai/gpt-5.4": what clients and the log are told
	Provider string
	Wire     string // what is spoken there
	// WireFor is what is spoken there for one request, which offers tools or not; nil: Wire is.
	WireFor func(req *llm.Request, tools bool) string
	Model   llm.Model
	Weight  int // 0 is 1
	Health  *Health
	// Price is what it costs, in any unit that all deployments of a model share; nil or not known: more than any price.
	Price func() (price float64, known bool)
}

// Strategy says which of the deployments that can be asked is asked. Where several are equal, weights decide.
type Strategy string

// The strategies. An empty one is Weighted.
const (
	Weighted Strategy = "weighted"
	Busy     Strategy = "least_busy"     // the fewest requests in flight for its weight
	Latency  Strategy = "lowest_latency" // the shortest way to the first event, times the requests in flight
	Cheapest Strategy = "cheapest"
)

// Options are what a Model is made of.
type Options struct {
	Name        string // as clients know it
	Deployments []Deployment
	Strategy    Strategy
	Retries     int // how often one request may come back to deployments that have failed it
	// DropUnknown has a deployment of another wire asked without what its wire has no word for; else it is not asked.
	DropUnknown bool
	// Affinity returns what requests have in common that are best answered in one place, since prompts are cached there; empty
	// for nothing. A nil Affinity has nothing in common.
	Affinity func(*llm.Request) string
	Log      *slog.Logger
}

// Model is a model with several deployments. It serves many requests at once.
type Model struct {
	o         Options
	wire      string
	varies    bool // a request decides what is spoken somewhere
	fallbacks [causes][]*Model

	mu    sync.Mutex
	turns []int // of weighted choice
}

var _ llm.Model = (*Model)(nil)

// New returns a Model. There must be at least one deployment.
func New(o Options) *Model {
	o.Deployments = slices.Clone(o.Deployments)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for i := range o.Deployments {
		d := &o.Deployments[i]
		d.Weight = max(d.Weight, 1)
		if d.Health == nil {
			d.Health = new(Health)
		}
	}
	m := &Model{o: o, turns: make([]int, len(o.Deployments)), wire: o.Deployments[0].Wire}
	for _, d := range o.Deployments {
		if d.Wire != m.wire {
			m.wire = ""
		}
		m.varies = m.varies || d.WireFor != nil
	}
	return m
}

// FallBack sets the models that are asked, in this order, when m fails for that cause. It comes before the first request, and
// after to have got their own.
func (m *Model) FallBack(cause Cause, to ...*Model) {
	m.fallbacks[cause] = to
	for _, f := range to {
		if f.wire != m.wire {
			m.wire = ""
		}
		m.varies = m.varies || f.varies
	}
}

// WireFor is what is spoken wherever a request may go, which offers tools or not; empty when that is not one wire.
func (m *Model) WireFor(req *llm.Request, tools bool) string {
	if !m.varies {
		return m.wire
	}
	wire := m.o.Deployments[0].wireFor(req, tools)
	for i := range m.o.Deployments {
		if m.o.Deployments[i].wireFor(req, tools) != wire {
			return ""
		}
	}
	for _, list := range m.fallbacks {
		for _, f := range list {
			if f.WireFor(req, tools) != wire {
				return ""
			}
		}
	}
	return wire
}

func (d *Deployment) wireFor(req *llm.Request, tools bool) string {
	if d.WireFor != nil {
		return d.WireFor(req, tools)
	}
	return d.Wire
}

// Wire is what is spoken wherever a request may go; empty when that is not one wire. Requests must then be decoded whole.
func (m *Model) Wire() string { return m.wire }

// Generate answers req from one of the deployments.
func (m *Model) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) { m.serve(ctx, req, nil, yield) }
}

// Session returns the model for the rounds of one tool loop: it asks the deployment that has answered before for as long as
// it can be asked, since reasoning and cached prompts are good only there.
func (m *Model) Session() llm.Model {
	s := new(seat)
	return llm.Func(func(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) { m.serve(ctx, req, s, yield) }
	})
}

// seat is where the last round was answered.
type seat struct {
	m      *Model
	d      *Deployment
	opened int // so many messages of the loop go without what another deployment has sealed
}

// choose picks the deployment that w asks next and lets w through to it. nil: there is none that w may ask now. soonest is
// then when one may be asked again, and why it rests; zero when there is none at all.
func (m *Model) choose(w *walk, now time.Time) (d *Deployment, p pass, soonest look) {
	var out []*Deployment
	for {
		best, at := m.best(w, now, out, &soonest)
		if len(best) == 0 {
			return nil, pass{}, soonest
		}
		if w.affinity != "" {
			d = rendezvous(w.affinity, best)
		} else {
			d = m.turn(best)
		}
		if p, ok := d.Health.enter(now, at); ok {
			return d, p, look{}
		}
		out = append(out, d) // another request was quicker
	}
}

// best are the deployments that are equally good, and how willingly they are asked.
func (m *Model) best(w *walk, now time.Time, out []*Deployment, soonest *look) (best []*Deployment, at readiness) {
	least := math.Inf(1)
	best = w.roomBest[:0]
	for i := range m.o.Deployments {
		d := &m.o.Deployments[i]
		if slices.Contains(out, d) || w.has(d) || !w.speaks(m, d) {
			continue
		}
		l := d.Health.look(now)
		if l.readiness == never || l.readiness == last && len(m.fallbacks[Outage]) > 0 {
			if soonest.at.IsZero() || l.at.Before(soonest.at) {
				*soonest = l
			}
			continue
		}
		cost := m.cost(d, &l)
		if w.affinity != "" && m.o.Strategy != Cheapest {
			cost = 0
		}
		if c := cmp.Or(cmp.Compare(at, l.readiness), cmp.Compare(cost, least)); c < 0 {
			best, at, least = append(best[:0], d), l.readiness, cost
		} else if c == 0 {
			best = append(best, d)
		}
	}
	return best, at
}

// cost is what the strategy looks at: less is better.
func (m *Model) cost(d *Deployment, l *look) float64 {
	switch m.o.Strategy {
	case Busy:
		return float64(l.flight) / float64(d.Weight)
	case Latency:
		if l.latency == 0 && l.flight > 0 {
			return math.MaxFloat64 // it is being found out
		}
		return l.latency * float64(l.flight+1)
	case Cheapest:
		if d.Price != nil {
			if price, known := d.Price(); known {
				return price
			}
		}
		return math.MaxFloat64
	default:
		return 0
	}
}

// turn picks one of equals by weight, so that the picks of each lie evenly among the others': everybody gains its weight,
// the one with the most is picked and pays what all have gained.
func (m *Model) turn(equals []*Deployment) *Deployment {
	if len(equals) == 1 {
		return equals[0]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	most, sum := -1, 0
	for i := range m.o.Deployments {
		d := &m.o.Deployments[i]
		if !slices.Contains(equals, d) {
			continue
		}
		m.turns[i] += d.Weight
		sum += d.Weight
		if most < 0 || m.turns[i] > m.turns[most] {
			most = i
		}
	}
	m.turns[most] -= sum
	return &m.o.Deployments[most]
}

// rendezvous picks the same one of ds for the same key, whoever else is among them; weights hold over many keys.
func rendezvous(key string, ds []*Deployment) *Deployment {
	var best *Deployment
	most := math.Inf(-1)
	for _, d := range ds {
		if score := -float64(d.Weight) / math.Log(fraction(key, d.Name)); score > most {
			best, most = d, score
		}
	}
	return best
}

// fraction is a number between 0 and 1 that follows from the texts (FNV-1a, with a finish that spreads it).
func fraction(texts ...string) float64 {
	h := uint64(14695981039346656037)
	for _, t := range texts {
		for i := range len(t) {
			h = (h ^ uint64(t[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return (float64(h>>11) + 0.5) / (1 << 53)
}
