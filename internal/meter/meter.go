// Package meter says what the turns of models cost. A Model stands around the client of each place where a model runs, below
// routing and the tool loop, so that every round is metered at the price of the place that has answered it.
//
// What a turn has used stands in its End event, in buckets that do not overlap (llm.Usage); each wire's package says how its
// own counts become those. A reply that is relayed as bytes has such an event, too. Usage that a reply tells at its start
// comes again at its end and is not counted.
//
// A cost that cannot be told is unknown, never nothing: that of a model without a price, of a turn that did not say what it
// used, and of a bucket that its model has no price for.
package meter

import (
	"context"
	"iter"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// Model is a model whose turns are metered.
type Model struct {
	inner llm.Model
	place string // "openai/gpt-5.4"; ends in "/" when the request names the model
	price *Price // of the one model that runs there; nil: it has none, or the request names the model
	table *Table
}

var _ llm.Model = (*Model)(nil)

// New meters what inner answers at a provider. name is the provider's name for the model, empty when requests name it.
func New(inner llm.Model, table *Table, provider, name string) *Model {
	m := &Model{inner: inner, table: table, place: provider + "/" + name}
	if name != "" {
		m.price = table.Of(provider, name)
	}
	return m
}

// Generate has inner answer. The usage of its End event gets its cost, and the call of ctx is told of both. An errand that does
// not say what it used costs nothing that the gateway knows of, and says nothing.
func (m *Model) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	reply := m.inner.Generate(ctx, req)
	if req.Op != "" {
		return reply // an answer that is no turn
	}
	return func(yield func(llm.Event, error) bool) {
		reply(func(ev llm.Event, err error) bool {
			if ev.Kind == llm.End && err == nil && (req.Errand == nil || ev.Usage != nil) {
				ev.Usage = m.charge(ctx, req, ev.Usage)
			}
			return yield(ev, err)
		})
	}
}

// charge notes what a turn costs.
func (m *Model) charge(ctx context.Context, req *llm.Request, u *llm.Usage) *llm.Usage {
	place, price := m.place, m.price
	if place[len(place)-1] == '/' {
		price = m.table.Of(place[:len(place)-1], req.Model)
		place += req.Model
	}
	own := new(llm.Usage)
	if u != nil {
		*own = *u
	}
	own.Cost = price.Of(own)
	obs.From(ctx).Spend(place, own)
	return own
}
