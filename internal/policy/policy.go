// Package policy decides about uses of MCP servers by the rules of the config: expressions in CEL, the first one that is true
// decides. It also holds the rule of taint: what may be called after a server of no trust has been read.
//
// A Policy knows neither servers nor requests. It is given the facts of one use and answers with a verdict; what it permits
// may still be refused by others, whose word counts as well.
package policy

import (
	"log/slog"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
)

// Decision is what may become of a use.
type Decision uint8

// The decisions. What nobody has decided is denied.
const (
	Deny Decision = iota
	Ask           // a person must let it happen
	Allow
)

// Verdict is the answer to a use.
type Verdict struct {
	Decision Decision
	Rule     string // the name of the rule that has decided; "" when none has
	Reason   string // for the client and the log
}

// Facts are what rules can look at.
type Facts struct {
	Principal string   // the name of the key, or of the token's issuer
	Subject   string   // whom the issuer means; empty for keys
	Scopes    []string // of the token
	Server    string
	External  bool // named by the request and not by the config
	Untrusted bool // the server is marked so

	Tool                                       string
	ReadOnly, Destructive, Idempotent, OpensUp bool // of the tool, with the protocol's defaults where the server says nothing
	Prompt, Resource                           string
	// Args is the object of a call's arguments; nil: the tool is asked about for a list, whatever its arguments may be.
	Args    []byte
	Tainted []string // servers of no trust whose results were read before
}

// stage says how much is known.
func (f *Facts) stage() stage {
	switch {
	case f.Tool == "" && f.Prompt == "" && f.Resource == "":
		return ofServer
	case f.Tool != "" && f.Args == nil:
		return ofTool
	}
	return whole
}

// acts reports whether a tool writes or sends out. One that reads only does not write; but in an open world its arguments are
// seen outside, and may carry what was read before.
func (f *Facts) acts() bool { return f.Tool != "" && (!f.ReadOnly || f.OpensUp) }

// Policy holds the rules of one config. It does not change and may be asked by many at once.
type Policy struct {
	rules []*rule
	taint Decision // what acts after a server of no trust was read
	args  bool     // some rule looks at the arguments
	log   *slog.Logger
	seen  memo
}

// New makes the policy of a config. It is nil when the config has no rule and no server of no trust: then there is nothing to
// ask. The error says which rule cannot be used.
func New(cfg *config.Config, log *slog.Logger) (*Policy, error) {
	p := &Policy{log: log, taint: taintOf(cfg.Taint)}
	for _, c := range cfg.Rules {
		r, err := compile(c)
		if err != nil {
			return nil, err
		}
		p.rules = append(p.rules, r)
		p.args = p.args || r.args
	}
	if len(p.rules) == 0 && (p.taint == Allow || !cfg.Untrusted()) {
		return nil, nil //nolint:nilnil // a nil Policy is the one that has no say
	}
	return p, nil
}

func taintOf(word string) Decision {
	switch word {
	case config.TaintOff:
		return Allow
	case config.TaintDeny:
		return Deny
	}
	return Ask
}

// Decide is the verdict on a use. Where a list is asked for, Deny means that no call of the tool, and nothing of the server,
// could be let through. A rule that cannot be evaluated denies.
func (p *Policy) Decide(f *Facts) Verdict {
	if st := f.stage(); st != whole {
		return p.seen.get(f, func() Verdict { return p.foresee(f, st) })
	}
	v := vars{f: f}
	if p.args {
		if err := v.decode(); err != nil {
			return p.fails("", f, err)
		}
	}
	for _, r := range p.rules {
		met, err := r.met(&v)
		if err != nil {
			return p.fails(r.name, f, err)
		}
		if met {
			return r.verdict()
		}
	}
	if p.taint != Allow && len(f.Tainted) > 0 && f.acts() {
		return Verdict{Decision: p.taint, Rule: "taint", Reason: tainted(f.Tainted)}
	}
	return Verdict{Decision: Allow}
}

// tainted says why a tool that acts is held back.
func tainted(servers []string) string {
	if len(servers) == 1 {
		return "the tool writes or sends out, and the MCP server " + servers[0] + ", whose results were read before, is not trusted"
	}
	return "the tool writes or sends out, and the MCP servers " + strings.Join(servers, ", ") + ", whose results were read before, are not trusted"
}

// foresee is the verdict on what is in a list: the best that any use of it may come to.
func (p *Policy) foresee(f *Facts, st stage) Verdict {
	best := Verdict{}
	v := vars{f: f}
	for _, r := range p.rules {
		may, must, err := r.foresee(&v, st)
		if err != nil {
			return p.better(best, p.fails(r.name, f, err))
		}
		if may {
			best = p.better(best, r.verdict())
		}
		if must {
			return best
		}
	}
	return Verdict{Decision: Allow}
}

func (*Policy) better(a, b Verdict) Verdict {
	if a.Decision > b.Decision {
		return a
	}
	return b
}

// fails is the verdict when a rule cannot be evaluated.
func (p *Policy) fails(rule string, f *Facts, err error) Verdict {
	p.log.Warn("a rule cannot be evaluated, so that a use of an MCP server is denied", "rule", rule, "server", f.Server, "tool", f.Tool, "principal", f.Principal, "subject", f.Subject, "error", err)
	return Verdict{Rule: rule, Reason: "a rule of the gateway could not be evaluated"}
}
