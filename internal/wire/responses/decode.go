package responses

import (
	"context"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// Decode reads what the tool loop must know: the names of the client's own tools, the controls, the calls that the
// conversation's assistant made, and the client's answers about calls that it was asked about. What the request refers to in
// earlier replies of this gateway takes its place in Raw; a previous_response_id or an item_reference that a provider made is left
// where it stands.
func (Door) Decode(ctx context.Context, req *llm.Request) error {
	_, err := decode(ctx, req, false)
	return err
}

// DecodeAll reads the conversation, the tools and all controls too. Nothing that a provider keeps can be referred to.
func (Door) DecodeAll(ctx context.Context, req *llm.Request) error {
	env, err := decode(ctx, req, true)
	if err != nil {
		return err
	}
	t := env.talk
	req.Params.Left = nil
	if err := readAllParams(t.body, &req.Params); err != nil {
		return err
	}
	if req.Tools, err = readAllTools(t, &req.Params); err != nil {
		return err
	}
	if err := readChoice(t.value("tool_choice"), t.tools, &req.Params); err != nil {
		return err
	}
	req.Messages, err = readMessages(t)
	return err
}

// decode does what both have in common. It returns the request's envelope, whose talk is set.
func decode(ctx context.Context, req *llm.Request, cross bool) (*envelope, error) {
	env := indexOf(req)
	if env.talk == nil || cross && !env.talk.cross {
		var err error
		if env, err = resolve(ctx, req, env, cross); err != nil {
			return nil, err
		}
	}
	req.Tools = readTools(env.talk.tools)
	if err := readParams(env, req.Raw.Bytes, &req.Params); err != nil {
		return nil, err
	}
	env.talk.pastCalls(&req.Params)
	return env, nil
}

// resolve puts what a request refers to in its place: in Raw, and in the talk of the envelope that it returns. The envelope that
// ReadRequest made is not changed, since others may hold it.
func resolve(ctx context.Context, req *llm.Request, env *envelope, cross bool) (*envelope, error) {
	first := *req
	if first.Answers = nil; env.talk != nil { // the body as it came
		first.Raw.Bytes = env.talk.body
		again, err := scan(first.Raw.Bytes)
		if err != nil {
			return nil, err
		}
		env = again
	}
	t, err := converse(ctx, &first, env, cross)
	if err != nil {
		return nil, err
	}
	t.cross = cross
	body, changed := t.edited(env)
	if changed {
		if env, err = scan(body); err != nil {
			return nil, err
		}
	}
	env = &envelope{obj: env.obj, talk: t}
	req.Answers, req.Raw.Bytes, req.Raw.Index = first.Answers, body, env
	return env, nil
}

// readParams reads the controls of the loop.
func readParams(env *envelope, body []byte, p *llm.Params) error {
	var err error
	if p.MaxCalls, err = integer(env.value(body, "max_tool_calls"), "max_tool_calls", -1); err != nil {
		return err
	}
	parallel, err := boolean(env.value(body, "parallel_tool_calls"), "parallel_tool_calls", true)
	if err != nil {
		return err
	}
	p.OneByOne = !parallel
	format, _ := jsonedit.Unquote(jsonedit.Get(env.value(body, "text"), "format", "type"))
	p.JSON = format == "json_object" || format == "json_schema"
	p.ForcedTool = forces(env.value(body, "tool_choice"))
	p.Asks = true
	return nil
}

// showsItems reports whether the client sees the gateway's calls as items: it has named MCP servers in the request's own words,
// and has not asked to have them hidden. Who has servers attached beside the request knows nothing of them.
func showsItems(req *llm.Request) bool { return len(req.MCP) > 0 && req.Show != llm.ShowHidden }

// pastCalls reads the calls of the client's. Whether a client sends the items of the gateway's calls back is known when it
// does: some do not know the items, and the AI SDK leaves them out with store: false. So nothing is said in llm.Params.Shows.
func (t *talk) pastCalls(p *llm.Params) {
	p.PastCalls, p.SentBack, p.Shown = nil, nil, nil
	begun, back := 0, false // since somebody else than the model had a message
	for i := range t.said {
		s := &t.said[i]
		if s.kind == kindMCPCall {
			p.Shown = append(p.Shown, llm.Call{Label: s.text("server_label"), Tool: s.text("name")})
		}
		switch {
		case s.kind == kindMessage && !s.byModel():
			begun, back = len(p.PastCalls), false
		case s.kind == kindMCPCall && !t.providers(s.id) && !back:
			back = true
			for _, c := range p.PastCalls[begun:] {
				p.SentBack = append(p.SentBack, c.ID)
			}
		case s.kind == kindCall || s.kind == kindCustom:
			c := readCall(s, t.tools, t.cross)
			p.PastCalls = append(p.PastCalls, c)
			if back {
				p.SentBack = append(p.SentBack, c.ID)
			}
		}
	}
}

// readCall reads a call of one of the client's tools: for a target of another wire as a call of the function that the tool is
// offered as.
func readCall(s *said, tools []ownTool, cross bool) llm.Call {
	c := llm.Call{ID: s.text("call_id"), Name: s.text("name"), Arguments: s.text("arguments")}
	custom := s.kind == kindCustom
	if custom {
		c.Arguments = s.text("input")
	}
	if !cross {
		return c
	}
	if t := findTool(tools, s.text("namespace"), c.Name); t != nil {
		c.Name = t.offered
	}
	if custom {
		c.Arguments = string(append(jsonedit.AppendQuote([]byte(`{"input":`), c.Arguments), '}'))
	}
	return c
}

// forces reports whether a tool choice demands a call.
func forces(choice []byte) bool {
	if word, ok := jsonedit.Unquote(choice); ok {
		return word == "required"
	}
	if jsonedit.Kind(choice) != '{' {
		return false
	}
	if jsonedit.Says(jsonedit.Get(choice, "type"), "allowed_tools") {
		mode, _ := jsonedit.Unquote(jsonedit.Get(choice, "mode"))
		return mode == "required"
	}
	return true
}

func integer(lit []byte, param string, absent int) (int, error) {
	if jsonedit.IsNull(lit) {
		return absent, nil
	}
	n, ok := jsonedit.Int(lit)
	if !ok || n < 0 || n > 1<<20 {
		return 0, fault.Invalidf(param, "%s must be a whole number that is not negative", param)
	}
	return int(n), nil
}

// ownTool is a tool of the client's: a function or a custom tool, alone or in a namespace.
type ownTool struct {
	raw       []byte
	kind      string // function | custom
	name      string // as the client calls it
	namespace string
	offered   string // the name under which a model of another wire knows it
	param     string
}

// toolTable lists the client's functions and custom tools in order. Those of a namespace are offered under their own names
// where these are free, since that is how a model of another wire calls them.
func toolTable(tools []byte) []ownTool {
	var out []ownTool
	taken := map[string]bool{}
	add := func(t []byte, namespace, param string) {
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		name, ok := jsonedit.Unquote(jsonedit.Get(t, "name"))
		if !ok || kind != "function" && kind != "custom" {
			return
		}
		offered := name
		if namespace != "" && taken[name] {
			offered = namespace + "-" + name
		}
		taken[offered] = true
		out = append(out, ownTool{raw: t, kind: kind, name: name, namespace: namespace, offered: offered, param: param})
	}
	i := -1
	for t := range jsonedit.Elements(tools) {
		i++
		param := at("tools", i)
		if kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type")); kind != "namespace" {
			add(t, "", param)
			continue
		}
		namespace, _ := jsonedit.Unquote(jsonedit.Get(t, "name"))
		n := -1
		for f := range jsonedit.Elements(jsonedit.Get(t, "tools")) {
			n++
			add(f, namespace, at(param+".tools", n))
		}
	}
	return out
}

// findTool returns the client's tool that a call or a choice means, or nil.
func findTool(own []ownTool, namespace, name string) *ownTool {
	var found *ownTool
	for i := range own {
		t := &own[i]
		switch {
		case t.name != name:
		case t.namespace == namespace:
			return t
		case found == nil && namespace == "":
			found = t
		}
	}
	return found
}

// offeredTool returns the client's tool that is offered under a name, or nil.
func offeredTool(own []ownTool, name string) *ownTool {
	for i := range own {
		if own[i].offered == name {
			return &own[i]
		}
	}
	return nil
}

// readTools returns the client's own tools, by name.
func readTools(own []ownTool) []llm.Tool {
	tools := []llm.Tool{}
	for i := range own {
		tools = append(tools, llm.Tool{Name: own[i].offered})
	}
	return tools
}
