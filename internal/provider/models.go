package provider

import (
	"cmp"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// The file says what models take, and where that is told.
//
//go:embed models.json
var modelsFile []byte

// modelRow is one row of the file.
type modelRow struct {
	Match  []string `json:"match"`
	Source string   `json:"source"`
	ModelRules
}

// ModelRules are rules of a model as somebody has written them. What is nil or empty is not said.
type ModelRules struct {
	Unsupported []string          `json:"unsupported"`
	Rename      map[string]string `json:"rename"`
	MaxOutput   int64             `json:"max_output"`
	Reasoning   string            `json:"reasoning"`
	Bridge      string            `json:"bridge"` // "none" takes back what is said elsewhere
}

// over are the rules with those of o in place of what o says, too.
func (r ModelRules) over(o *ModelRules) ModelRules {
	if o.Unsupported != nil {
		r.Unsupported = o.Unsupported
	}
	if o.Rename != nil {
		r.Rename = o.Rename
	}
	r.MaxOutput, r.Reasoning, r.Bridge = cmp.Or(o.MaxOutput, r.MaxOutput), cmp.Or(o.Reasoning, r.Reasoning), cmp.Or(o.Bridge, r.Bridge)
	return r
}

// rules are what a wire obeys.
func (r ModelRules) rules() (*wire.Rules, error) {
	renames, err := wire.NewParams(&wire.Quirks{RenameParams: r.Rename})
	if err != nil {
		return nil, err
	}
	out := &wire.Rules{Unsupported: r.Unsupported, Renames: renames, MaxOutput: r.MaxOutput, Reasoning: r.Reasoning, Bridge: r.Bridge}
	if out.Bridge == "none" {
		out.Bridge = ""
	}
	return out, nil
}

// builtInModels reads the file, once.
var builtInModels = sync.OnceValue(func() []modelRow {
	var file struct {
		Models []modelRow `json:"models"`
	}
	if err := json.Unmarshal(modelsFile, &file); err != nil {
		panic("provider: models.json: " + err.Error()) // a test reads it
	}
	return file.Models
})

// ModelSet is what is known of the models of one provider. It may be shared.
type ModelSet struct {
	rows  []knownModels
	other *wire.Rules // of models that no row has; nil: none
}

type knownModels struct {
	match []string
	rules *wire.Rules
}

// Models returns what is known of the models of a provider: the built-in rules with own in their place where own says something.
func Models(provider string, own ModelRules) (*ModelSet, error) {
	s := new(ModelSet)
	for _, row := range builtInModels() {
		k := knownModels{}
		for _, m := range row.Match {
			if name, ok := strings.CutPrefix(m, provider+"/"); ok {
				k.match = append(k.match, name)
			}
		}
		if k.match == nil {
			continue
		}
		var err error
		if k.rules, err = row.over(&own).rules(); err != nil {
			return nil, err
		}
		s.rows = append(s.rows, k)
	}
	other, err := own.rules()
	if err == nil && !own.empty() {
		s.other = other
	}
	return s, err
}

// Of are the rules of the model that the provider knows by that name, or nil.
func (s *ModelSet) Of(model string) *wire.Rules {
	for i := range s.rows {
		if slices.ContainsFunc(s.rows[i].match, func(m string) bool { return fits(m, model) }) {
			return s.rows[i].rules
		}
	}
	return s.other
}

// Bridges reports whether the model has a Bridge, or, if model is empty, whether one of the provider's may have one.
func (s *ModelSet) Bridges(model string) bool {
	bridged := func(r *wire.Rules) bool { return r != nil && r.Bridge != "" }
	if model != "" {
		return bridged(s.Of(model))
	}
	return bridged(s.other) || slices.ContainsFunc(s.rows, func(k knownModels) bool { return bridged(k.rules) })
}

// Wire makes the codecs that obey the rules, of those that make makes.
func (s *ModelSet) Wire(make func(name string, q wire.Quirks) (wire.Upstream, error)) func(name string, q wire.Quirks) (wire.Upstream, error) {
	return func(name string, q wire.Quirks) (wire.Upstream, error) {
		q.Rules = s.Of
		u, err := make(name, q)
		if err != nil {
			return nil, err
		}
		return Ruled(u, &q), nil
	}
}

func (r *ModelRules) empty() bool {
	return r.Unsupported == nil && r.Rename == nil && r.MaxOutput == 0 && r.Reasoning == "" && r.Bridge == ""
}

// fits reports whether a name is the one of a pattern, which may end in *.
func fits(pattern, name string) bool {
	start, open := strings.CutSuffix(pattern, "*")
	return name == pattern || open && strings.HasPrefix(name, start)
}

// Ruled is u with the rules of its models obeyed: q are the quirks that it was made with.
func Ruled(u wire.Upstream, q *wire.Quirks) wire.Upstream {
	r := ruled{Upstream: u, q: q}
	if p, ok := u.(wire.Pather); ok {
		return ruledPather{r, p}
	}
	return r
}

type ruled struct {
	wire.Upstream
	q *wire.Quirks
}

type ruledPather struct {
	ruled
	paths wire.Pather
}

// PathFor is where req goes.
func (r ruledPather) PathFor(req *llm.Request) string { return r.paths.PathFor(req) }

// AppendRequest appends the body that is sent. Of a request that came over another wire, what the model does not take is
// refused, and so it is of one over the same wire whose owner wants it dropped: Client does that. Else the provider hears what
// its client has said.
func (r ruled) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	rules := r.q.RulesOf(cmp.Or(r.q.Model, req.Model))
	same := req.Raw.Wire == r.Name()
	for _, name := range rules.Unsupported {
		says := !same && req.Params.Says(name) || same && req.Drops && !slices.Contains(req.Without, name) && memberSays(req.Raw.Bytes, name)
		if says {
			return dst, unsupported(name, "the model "+strconv.Quote(cmp.Or(r.q.Model, req.Model))+" does not take "+name)
		}
	}
	at := len(dst)
	dst, err := r.Upstream.AppendRequest(dst, req)
	if err != nil || rules.Renames == nil && (!same || len(req.Without) == 0) {
		return dst, err
	}
	body, err := without(dst[at:], req.Without)
	if err == nil {
		body, _, err = rules.Renames.Fit(body)
	}
	if err != nil {
		return dst, wire.ScanFault("provider.AppendRequest", err)
	}
	return append(dst[:at], body...), nil
}

func without(body []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return body, nil
	}
	p, err := wire.NewParams(&wire.Quirks{DropParams: names})
	if err != nil {
		return nil, err
	}
	body, _, err = p.Fit(body)
	return body, err
}

// memberSays reports whether a member of a body says something else than what holds without it.
func memberSays(body []byte, name string) bool {
	v := jsonedit.Get(body, name)
	if jsonedit.IsNull(v) || string(v) == "false" {
		return false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	switch name {
	case "temperature", "top_p":
		return err != nil || f != 1
	case "presence_penalty", "frequency_penalty":
		return err != nil || f != 0
	}
	return true
}
