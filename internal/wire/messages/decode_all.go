package messages

import (
	"context"
	"slices"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// DecodeAll reads the conversation, the tools and all controls too. What only this API has a word for is told in Params.Left.
func (d Door) DecodeAll(ctx context.Context, req *llm.Request) error {
	if err := d.Decode(ctx, req); err != nil {
		return err
	}
	env, body, p := indexOf(req), req.Raw.Bytes, &req.Params
	p.Left = nil
	conv := conversation{}
	if err := conv.readSystem(env.value(body, "system")); err != nil {
		return err
	}
	i := 0
	for m := range jsonedit.Elements(env.value(body, "messages")) {
		if err := conv.read(m, at("messages", i)); err != nil {
			return err
		}
		i++
	}
	req.Messages = conv.out
	tools := toolList{}
	if err := tools.read(env.value(body, "tools")); err != nil {
		return err
	}
	req.Tools = append(tools.out, conv.tools.out...)
	left := leftMembers(env, body)
	p.Left = slices.Concat(left, conv.left, tools.left, conv.tools.left)
	return readParams(env, body, req)
}

// advisory are the members without which the answer is the same, or nearly so, and those that others read.
var advisory = []string{
	"model", "stream", "messages", "system", "tools", "tool_choice", "mcp_servers", "max_tokens", "temperature", "top_p", "top_k",
	"stop_sequences", "thinking", "output_config", "output_format", "metadata", "service_tier", "mock_response", "mock_tool_calls",
	"cache_control", "context_management", "betas", "anthropic_beta", "anthropic_version", "speed", "diagnostics",
	"user_profile_id", "workspace_id", "billing_policy", "fallback_credit_token", "thread",
}

// leftMembers names the top-level members that no other wire has a word for.
func leftMembers(env *envelope, body []byte) []string {
	var left []string
	for key, v := range jsonedit.Members(body) {
		if !jsonedit.IsNull(v) && !slices.Contains(advisory, string(key)) {
			left = append(left, memberName(key))
		}
	}
	for key, v := range jsonedit.Members(env.value(body, "output_config")) {
		switch name := memberName(key); name {
		case "effort", "format", "task_budget":
		default:
			if !jsonedit.IsNull(v) {
				left = append(left, "output_config."+name)
			}
		}
	}
	return left
}

// memberName returns a raw key as text.
func memberName(key []byte) string {
	name, _ := jsonedit.Unquote([]byte(`"` + string(key) + `"`))
	return name
}

func readParams(env *envelope, body []byte, req *llm.Request) error {
	p := &req.Params
	var err error
	if p.MaxOutput, err = readMaxTokens(env.value(body, "max_tokens"), req.Op); err != nil {
		return err
	}
	for _, n := range []struct {
		name string
		to   *[]byte
	}{{"temperature", &p.Temperature}, {"top_p", &p.TopP}, {"top_k", &p.TopK}} {
		if *n.to, err = number(env.value(body, n.name), n.name); err != nil {
			return err
		}
	}
	if stop := env.value(body, "stop_sequences"); !jsonedit.IsNull(stop) {
		if p.Stop, err = texts(stop, "stop_sequences"); err != nil {
			return err
		}
	}
	if p.Choice, err = readChoice(env.value(body, "tool_choice")); err != nil {
		return err
	}
	if err := readThinking(env.value(body, "thinking"), p); err != nil {
		return err
	}
	if p.Format, err = readFormat(env, body); err != nil {
		return err
	}
	p.Effort, _ = jsonedit.Unquote(jsonedit.Get(env.value(body, "output_config"), "effort"))
	p.User, _ = jsonedit.Unquote(jsonedit.Get(env.value(body, "metadata"), "user_id"))
	if jsonedit.Says(env.value(body, "service_tier"), "standard_only") {
		p.ServiceTier = "default" // other providers' word for no better one
	}
	return nil
}

// readMaxTokens reads a member that a reply cannot do without.
func readMaxTokens(lit []byte, op string) (int64, error) {
	if jsonedit.IsNull(lit) && op == countOp {
		return 0, nil
	}
	n, ok := jsonedit.Int(lit)
	if !ok || n < 1 {
		return 0, fault.Invalidf("max_tokens", "max_tokens must be a whole number from 1 on: the most tokens that the answer may have")
	}
	return n, nil
}

// number returns a number as it was written.
func number(lit []byte, param string) ([]byte, error) {
	if jsonedit.IsNull(lit) {
		return nil, nil
	}
	if jsonedit.Kind(lit) != '0' {
		return nil, fault.Invalidf(param, "%s must be a number", param)
	}
	return lit, nil
}

func readChoice(choice []byte) (llm.ToolChoice, error) {
	if jsonedit.IsNull(choice) {
		return llm.ToolChoice{}, nil
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(choice, "type"))
	switch kind {
	case "auto", "none":
		return llm.ToolChoice{Mode: kind}, nil
	case "any":
		return llm.ToolChoice{Mode: "required"}, nil
	case "tool":
		name, err := needText(jsonedit.Get(choice, "name"), "tool_choice.name")
		return llm.ToolChoice{Mode: "tool", Name: name}, err
	}
	return llm.ToolChoice{}, fault.Invalidf("tool_choice.type", "tool_choice.type must be auto, any, tool or none")
}

// readThinking reads the budget of the reasoning. Adaptive thinking leaves it to the model, and output_config.effort.
func readThinking(v []byte, p *llm.Params) error {
	if jsonedit.IsNull(v) {
		return nil
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type"))
	switch kind {
	case "enabled":
		n, ok := jsonedit.Int(jsonedit.Get(v, "budget_tokens"))
		if !ok || n < 1 {
			return fault.Invalidf("thinking.budget_tokens", "thinking.budget_tokens must be a whole number from 1 on")
		}
		p.ThinkTokens = n
	case "adaptive", "disabled":
	default:
		return fault.Invalidf("thinking.type", "thinking.type must be enabled, adaptive or disabled")
	}
	return nil
}

func readFormat(env *envelope, body []byte) (*llm.Format, error) {
	v := formatOf(env, body)
	if jsonedit.IsNull(v) {
		return nil, nil
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type"))
	schema := jsonedit.Get(v, "schema")
	if kind != "json_schema" || jsonedit.Kind(schema) != '{' {
		return nil, fault.Invalidf("output_config.format", `output_config.format must be {"type":"json_schema","schema":{…}}`)
	}
	strict := true // the API holds the answer to the schema
	return &llm.Format{Name: "answer", Schema: schema, Strict: &strict}, nil
}
