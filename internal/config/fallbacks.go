package config

import (
	"slices"
	"strings"
)

// lists are the lists of f by their keys.
func (f *Fallbacks) lists() []struct {
	key   string
	names []string
} {
	return []struct {
		key   string
		names []string
	}{{"rate_limit", f.RateLimit}, {"context_window", f.ContextWindow}, {"content_filter", f.ContentFilter}, {"outage", f.Outage}}
}

// checkFallbacks holds fallbacks to models that there are, and that do not lead back.
func (d *decoder) checkFallbacks(models []Model) {
	g := fallbackGraph{d: d, models: models, state: make([]int, len(models)), names: d.modelNames(models)}
	for i := range models {
		g.visit(i)
	}
}

// fallbackGraph looks for circles: a model is new, on the way (its fallbacks are being followed) or done.
type fallbackGraph struct {
	d      *decoder
	models []Model
	names  names
	state  []int
	way    []int
}

const (
	onTheWay = iota + 1
	followed
)

func (g *fallbackGraph) visit(i int) {
	if g.state[i] != 0 {
		return
	}
	g.state[i] = onTheWay
	g.way = append(g.way, i)
	for _, l := range g.models[i].Fallbacks.lists() {
		for k, name := range l.names {
			g.follow(name, item(item("models", i)+".fallbacks."+l.key, k))
		}
	}
	g.way = g.way[:len(g.way)-1]
	g.state[i] = followed
}

// follow looks at one name of a list, which stands at path.
func (g *fallbackGraph) follow(name, path string) {
	if name == "" {
		return
	}
	if strings.HasSuffix(name, "*") {
		g.d.wrong(path, "must be the name of one model, without * at its end")
		return
	}
	to := ModelFor(g.models, name)
	switch {
	case to < 0:
		g.d.known(path, name, g.names)
	case g.state[to] == onTheWay:
		g.d.wrong(path, "leads in a circle: %s", g.circle(to))
	default:
		g.visit(to)
	}
}

// circle shows the way from a model back to itself.
func (g *fallbackGraph) circle(from int) string {
	var b strings.Builder
	for _, i := range g.way[slices.Index(g.way, from):] {
		b.WriteString(g.d.quote(item("models", i)+".name", g.models[i].Name) + " → ")
	}
	b.WriteString(g.d.quote(item("models", from)+".name", g.models[from].Name))
	return b.String()
}

// ModelFor returns the index of the model that answers to name, or -1: the one of that name, else the last whose name ends in
// * and has the beginning.
func ModelFor(models []Model, name string) int {
	if i := slices.IndexFunc(models, func(m Model) bool { return m.Name == name }); i >= 0 {
		return i
	}
	for i, m := range slices.Backward(models) {
		if m.Takes() && strings.HasPrefix(name, strings.TrimSuffix(m.Name, "*")) {
			return i
		}
	}
	return -1
}
