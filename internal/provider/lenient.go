package provider

import (
	"context"
	"iter"
	"slices"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// maxLeftOut bounds what is left out of one request.
const maxLeftOut = 16

// Lenient is m for requests that say more than it can be asked: what m's wire refuses to say, and what the model does not take,
// is left out, and noted in the call's Dropped by the names that the client has for it.
func Lenient(m llm.Model) llm.Model {
	return llm.Func(func(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
		return func(yield func(llm.Event, error) bool) {
			own := *req
			own.Drops = true
			for n := 0; ; n++ {
				unsaid := pass(m.Generate(ctx, &own), yield, n < maxLeftOut)
				if unsaid == nil {
					return
				}
				if !leaveOut(&own, unsaid.Param) {
					yield(llm.Event{}, unsaid)
					return
				}
				if c, name := obs.From(ctx), nameIn(own.Raw.Wire, unsaid.Param); !slices.Contains(c.Dropped, name) {
					c.Dropped = append(slices.Clone(c.Dropped), name)
				}
			}
		}
	})
}

// leaveOut takes a parameter out of a request: what a field says of it, or the member of a body that goes on as it is.
func leaveOut(req *llm.Request, param string) bool {
	if req.Params.Without(param) {
		return true
	}
	if req.Raw.Wire == "" || slices.Contains(req.Without, param) {
		return false
	}
	req.Without = append(slices.Clip(req.Without), param)
	return true
}

// pass passes a reply on. Where it begins with the wire's refusal to say something, that is returned instead.
func pass(reply iter.Seq2[llm.Event, error], yield func(llm.Event, error) bool, mayReturn bool) *fault.Error {
	begun := false
	for ev, err := range reply {
		if f := unsayable(err); f != nil && !begun && mayReturn {
			return f
		}
		begun = true
		if !yield(ev, err) {
			return nil
		}
	}
	return nil
}

// unsayable returns err if a wire says with it that it has no word for a member.
func unsayable(err error) *fault.Error {
	if err == nil {
		return nil
	}
	if f := fault.From(err); f.Kind == fault.Invalid && f.Code == "unsupported_parameter" {
		return f
	}
	return nil
}
