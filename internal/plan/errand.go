package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// Errand returns the model that runs the errand of req, if the caller may use the one that req names.
func (p *Planner) Errand(ctx context.Context, c Caller, req *llm.Request) (llm.Model, error) {
	model, target, err := p.model(c, req)
	if err != nil {
		return nil, err
	}
	obs.From(ctx).Provider = target.Provider
	req.Principal, req.Opaque = c.Identity.Principal(), true
	return model, nil
}

// Sole returns a model of the one account at a provider that all of the identity's models belong to. ok is false where they
// belong to several.
func (p *Planner) Sole(id *auth.Identity) (name string, ok bool) {
	var account string
	for i, t := range p.Models(id) {
		if i > 0 && t.Account != account {
			return "", false
		}
		if i == 0 {
			name, account = t.Name, t.Account
		}
	}
	return name, name != ""
}

// AnyVendors is no model's name: who may use it at an account may use all that the vendor has.
const AnyVendors = "\x00"

// AllowsVendors reports whether the identity has, at the account of the model name, a model that the vendor knows as vendors.
func (p *Planner) AllowsVendors(id *auth.Identity, name, vendors string) bool {
	here, ok := p.Target(id, name)
	if !ok {
		return false
	}
	return slices.ContainsFunc(p.Targets, func(t Target) bool {
		if t.Account != here.Account {
			return false
		}
		if prefix, takes := strings.CutSuffix(t.Name, "*"); takes && len(t.Vendors) == 0 {
			return id.AllowsModel(t.Name) || id.AllowsModel(prefix+vendors)
		}
		return id.AllowsModel(t.Name) && slices.Contains(t.Vendors, vendors)
	})
}
