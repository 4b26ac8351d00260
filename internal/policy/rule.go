package policy

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/fairlead/fairlead/internal/config"
)

// Bounds of one rule.
const (
	maxText  = 8 << 10   // characters of an expression
	maxNodes = 2_000     // parts of one, macros expanded
	maxDepth = 100       // nested parts
	maxRegex = 1_000     // instructions of a pattern
	maxCost  = 200_000   // CEL's count of the work of one evaluation: about a tenth for each byte of a text that is looked through
	maxSize  = 2_000_000 // CEL's count of what one evaluation holds
)

// rule is a rule of the config, compiled.
type rule struct {
	name   string
	then   Decision
	reason string
	args   bool // it looks at the arguments
	full   cel.Program
	part   cel.Program
}

// language is the CEL that rules are written in.
var language = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.OptionalTypes(), ext.Strings(ext.StringsVersion(4)), cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxText), cel.ParserRecursionLimit(maxDepth), cel.ExpressionNodeLimit(maxNodes), cel.RegexProgramSizeLimit(maxRegex),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		function("within", cel.BoolType, []*cel.Type{cel.StringType, cel.StringType}, func(a []string) ref.Val { return types.Bool(within(a[0], a[1])) }),
		function("host", cel.StringType, []*cel.Type{cel.StringType}, func(a []string) ref.Val { return host(a[0]) }),
	}
	for i := range table {
		opts = append(opts, cel.Variable(table[i].name, table[i].kind))
	}
	return cel.NewEnv(opts...)
})

// Mistake is what is wrong with an expression.
type Mistake struct {
	Line, Column int // in the expression, from 1
	Message      string
}

// Check says what is wrong with an expression; nothing when a rule can have it.
func Check(expr string) []Mistake {
	_, _, bad := parse(expr)
	return bad
}

func parse(expr string) (*cel.Env, *cel.Ast, []Mistake) {
	env, err := language()
	if err != nil {
		return nil, nil, []Mistake{{1, 1, err.Error()}} // unreachable: the language is the same for all
	}
	ast, iss := env.Compile(expr)
	if iss.Err() != nil {
		var bad []Mistake
		for _, e := range iss.Errors() {
			bad = append(bad, Mistake{max(e.Location.Line(), 1), max(e.Location.Column()+1, 1), plain(e.Message)})
		}
		return nil, nil, bad
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, nil, []Mistake{{1, 1, "the expression is " + article(ast.OutputType().String()) + ", and must be true or false (bool)"}}
	}
	return env, ast, nil
}

// plain leaves out of CEL's words what says nothing here.
func plain(s string) string {
	s = strings.ReplaceAll(s, " (in container '')", "")
	return strings.TrimPrefix(s, "Syntax error: ")
}

func article(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

func compile(c config.Rule) (*rule, error) {
	env, ast, bad := parse(c.When)
	if bad != nil {
		return nil, fmt.Errorf("the rule %s: %s", c.Name, bad[0].Message)
	}
	r := &rule{name: c.Name, reason: c.Reason}
	switch c.Then {
	case config.ThenAllow:
		r.then = Allow
	case config.ThenAsk:
		r.then = Ask
	}
	for _, about := range ast.NativeRep().ReferenceMap() {
		r.args = r.args || about.Name == "args"
	}
	var err, partErr error
	bounds := []cel.ProgramOption{cel.CostLimit(maxCost), cel.MemoryLimit(maxSize)}
	r.full, err = env.Program(ast, append(bounds, cel.EvalOptions(cel.OptOptimize))...)
	r.part, partErr = env.Program(ast, append(bounds, cel.EvalOptions(cel.OptOptimize, cel.OptPartialEval))...)
	if err = cmp.Or(err, partErr); err != nil {
		return nil, fmt.Errorf("the rule %s: %w", c.Name, err)
	}
	return r, nil
}

func (r *rule) verdict() Verdict {
	return Verdict{Decision: r.then, Rule: r.name, Reason: r.reason}
}

// met reports whether the rule is true of a use of which all is known.
func (r *rule) met(v *vars) (bool, error) {
	out, _, err := r.full.Eval(v)
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("it comes to %s", out.Type().TypeName()) // unreachable: its type was checked
	}
	return bool(b), nil
}

// foresee reports whether the rule may be true, and whether it must be, whatever else will be known.
func (r *rule) foresee(v *vars, st stage) (may, must bool, err error) {
	part, err := cel.PartialVars(v, unknown(st)...)
	if err != nil {
		return false, false, err
	}
	out, _, err := r.part.Eval(part)
	switch b, known := out.(types.Bool); {
	case err != nil:
		return false, false, err
	case known:
		return bool(b), bool(b), nil
	}
	return true, false, nil
}
