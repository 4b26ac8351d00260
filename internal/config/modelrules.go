package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Rules are what a model takes, in place of what is built in. What is nil or empty is not said.
type Rules struct {
	Unsupported []string
	Rename      map[string]string
	MaxOutput   int
	Reasoning   string // none | budget | adaptive
	Bridge      string // none | tools | tools_effort
}

func ruleFields(r *Rules) []field {
	return []field{
		{name: "unsupported", to: texts{to: &r.Unsupported, each: oneParam, once: true}, doc: "Parameters that the model does not take, by the names of chat completions: such a request is refused, or they are left out, as unknown_params says."},
		{name: "rename", to: renames{&r.Rename}, doc: "Members of a request that the model knows by another name."},
		{name: "max_output", to: count{&r.MaxOutput, 1, 10_000_000}, doc: "The limit of an answer in tokens, for a wire that demands one and a request that names none."},
		{name: "reasoning", to: choice{&r.Reasoning, []string{"none", "budget", "adaptive"}}, doc: "How Anthropic's messages ask the model for reasoning: not at all, by a number of tokens, or by an effort."},
		{name: "bridge", to: choice{&r.Bridge, []string{"none", "tools", "tools_effort"}}, doc: "Which requests of chat completions go to a model of OpenAI's over its responses: none, those with tools unless they ask for no reasoning, or those with tools that ask for reasoning."},
	}
}

func oneParam(s *string) value { return text{s, paramName} }

func paramName(s string) string {
	if s == "" || len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "must be the name of a parameter, such as temperature"
	}
	return ""
}

// renames is a mapping of parameters to the names that they have instead.
type renames struct{ to *map[string]string }

func (r renames) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	out := make(map[string]string, len(n.Content)/2)
	for k, v := range d.members(path, n) {
		name := resolve(k).Value
		if w := paramName(name); w != "" {
			d.add(mark{k.Line, k.Column}, join(path, name), "the key %s", w)
		}
		var to string
		d.value(join(path, name), v, oneParam(&to))
		out[name] = to
	}
	*r.to = out
}

func (renames) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
}
