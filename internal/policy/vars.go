package policy

import (
	"bytes"
	"fmt"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/go-json-experiment/json/jsontext"
)

// variable is a word that rules know.
type variable struct {
	name string
	kind *cel.Type
	of   func(v *vars) ref.Val
	from stage // the first stage at which it is known
}

// stage says how much of a use is known when a rule is asked.
type stage int

// The stages, each with more that is known than the one before.
const (
	ofServer stage = iota // a server, whatever it has
	ofTool                // a tool, whatever its arguments
	whole
)

// table holds the variables of rules.
var table = [...]variable{
	{"principal.name", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Principal) }, ofServer},
	{"principal.subject", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Subject) }, ofServer},
	{"principal.scopes", cel.ListType(cel.StringType), func(v *vars) ref.Val { return types.DefaultTypeAdapter.NativeToValue(v.f.Scopes) }, ofServer},
	{"server.name", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Server) }, ofServer},
	{"server.untrusted", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.Untrusted) }, ofServer},
	{"server.external", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.External) }, ofServer},
	{"tool.name", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Tool) }, ofTool},
	{"tool.read_only", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.ReadOnly) }, ofTool},
	{"tool.destructive", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.Destructive) }, ofTool},
	{"tool.idempotent", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.Idempotent) }, ofTool},
	{"tool.open_world", cel.BoolType, func(v *vars) ref.Val { return types.Bool(v.f.OpensUp) }, ofTool},
	{"prompt", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Prompt) }, ofTool},
	{"resource", cel.StringType, func(v *vars) ref.Val { return types.String(v.f.Resource) }, ofTool},
	{"args", cel.MapType(cel.StringType, cel.DynType), func(v *vars) ref.Val { return v.args }, whole},
	{"tainted", cel.ListType(cel.StringType), func(v *vars) ref.Val { return types.DefaultTypeAdapter.NativeToValue(v.f.Tainted) }, whole},
}

// unknown are the patterns of what is not known at a stage.
func unknown(st stage) []*cel.AttributePatternType {
	var out []*cel.AttributePatternType
	for i := range table {
		if table[i].from > st {
			out = append(out, cel.AttributePattern(table[i].name))
		}
	}
	return out
}

// vars are the variables of one use.
type vars struct {
	f    *Facts
	args ref.Val // the decoded arguments
}

var _ cel.Activation = (*vars)(nil)

// ResolveName returns the value of a variable.
func (v *vars) ResolveName(name string) (any, bool) {
	for i := range table {
		if table[i].name == name {
			return table[i].of(v), true
		}
	}
	return nil, false
}

// Parent is nil.
func (*vars) Parent() cel.Activation { return nil }

// decode reads the arguments.
func (v *vars) decode() error {
	v.args = types.DefaultTypeAdapter.NativeToValue(map[string]any{})
	if v.f.Args == nil {
		return nil
	}
	args, err := decodeObject(v.f.Args)
	if err != nil {
		return err
	}
	v.args = types.DefaultTypeAdapter.NativeToValue(args)
	return nil
}

// maxArgs bounds the arguments that rules look at. Longer ones are an error.
const maxArgs = 1 << 20

// decodeObject reads a JSON object. What could be read in two ways is an error: a name that stands twice, text that is not
// UTF-8, anything behind the object. A number is a whole one where it is written so and fits 64 bits; else it is a double.
func decodeObject(doc []byte) (map[string]any, error) {
	if len(doc) > maxArgs {
		return nil, fmt.Errorf("the arguments are longer than 1 MiB")
	}
	d := jsontext.NewDecoder(bytes.NewReader(doc))
	if d.PeekKind() != '{' {
		return nil, fmt.Errorf("the arguments are not an object")
	}
	v, err := decodeValue(d)
	if err != nil {
		return nil, err
	}
	if d.InputOffset() != int64(len(bytes.TrimRight(doc, " \t\r\n"))) {
		return nil, fmt.Errorf("the arguments are more than one value")
	}
	m, _ := v.(map[string]any)
	return m, nil
}

func decodeValue(d *jsontext.Decoder) (any, error) {
	switch d.PeekKind() {
	case '{':
		return decodeMembers(d)
	case '[':
		return decodeElements(d)
	default: // one token, or a mistake
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case 'n':
		return types.NullValue, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	default: // a number
	}
	return number(t.String())
}

func number(literal string) (any, error) {
	if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return u, nil
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return nil, fmt.Errorf("a number is out of range")
	}
	return f, nil
}

func decodeMembers(d *jsontext.Decoder) (any, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	m := map[string]any{}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if m[key], err = decodeValue(d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return m, err
}

func decodeElements(d *jsontext.Decoder) (any, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	list := []any{}
	for k := d.PeekKind(); k != ']' && k != 0; k = d.PeekKind() {
		v, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.ReadToken()
	return list, err
}
