package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// Params fits the top-level members of a request to what a provider takes, by DropParams and RenameParams of its Quirks. A nil
// *Params changes nothing.
type Params struct {
	drop   []string
	rename map[string]string
	from   []string // the keys of rename, in order
	keys   *jsonedit.Keys
}

// NewParams returns nil if there is nothing to fit.
func NewParams(q *Quirks) (*Params, error) {
	p := &Params{drop: q.DropParams, rename: q.RenameParams, from: slices.Sorted(maps.Keys(q.RenameParams))}
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	for _, name := range p.drop {
		add(name)
	}
	for _, from := range p.from {
		add(from)
		add(p.rename[from])
	}
	for _, name := range names {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "" {
			return nil, fmt.Errorf("wire: %q is not the name of a parameter", name)
		}
	}
	if len(names) > 32 {
		return nil, fmt.Errorf("wire: %d parameters to drop or rename are too many", len(names))
	}
	if len(names) == 0 {
		return nil, nil
	}
	p.keys = jsonedit.NewKeys(names...)
	return p, nil
}

// Fit leaves out the members that the provider refuses and renames those that it knows by another name. A member whose new
// name is taken already is left out. It reports whether it has changed something; body itself it does not change. An error
// is that of jsonedit.Scan.
func (p *Params) Fit(body []byte) ([]byte, bool, error) {
	if p == nil {
		return body, false, nil
	}
	obj, err := jsonedit.Scan(body, p.keys)
	if err != nil {
		return nil, false, err
	}
	var edits []jsonedit.Edit
	for _, name := range p.drop {
		if obj.Value(name).Found() {
			edits = obj.Delete(edits, body, name)
		}
	}
	for _, from := range p.from {
		member, to := obj.Member(from), p.rename[from]
		switch {
		case !member.Found() || slices.Contains(p.drop, from):
		case obj.Value(to).Found():
			edits = obj.Delete(edits, body, from)
		default:
			edits = append(edits, jsonedit.Edit{Start: member.Start + 1, End: member.Start + 1 + len(from), Text: []byte(to)})
		}
	}
	if len(edits) == 0 {
		return body, false, nil
	}
	return jsonedit.Apply(nil, body, edits), true, nil
}
