package responses

import (
	"bytes"
	"slices"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// acted are the members of a request that the gateway itself acts on, or that are read elsewhere.
var acted = []string{
	"model", "stream", "stream_options", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls",
	"previous_response_id", "background", "store", "mock_response", "mock_tool_calls",
}

// advice are the members that only advise: without them the answer is the same. The package's comment lists them.
var advice = []string{
	"include", "metadata", "client_metadata", "prompt_cache_retention", "prompt_cache_options", "context_management", "truncation",
}

// readAllParams reads the controls that other wires have words for, and names those that they do not.
func readAllParams(body []byte, p *llm.Params) error {
	for key, v := range jsonedit.Members(body) {
		name, _ := jsonedit.Unquote([]byte(`"` + string(key) + `"`))
		if name == "include" && !jsonedit.IsNull(v) && jsonedit.Kind(v) != '[' {
			return fault.Invalidf(name, "%s must be a list of strings", name)
		}
		if jsonedit.IsNull(v) || slices.Contains(acted, name) || slices.Contains(advice, name) {
			continue
		}
		if err := readOneParam(name, v, p); err != nil {
			return err
		}
	}
	return nil
}

func readOneParam(name string, v []byte, p *llm.Params) (err error) {
	switch name {
	case "max_output_tokens":
		var n int
		n, err = integer(v, name, 0)
		p.MaxOutput = int64(n)
	case "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "top_logprobs":
		err = readNumber(p, name, v)
	case "text":
		err = readText(v, p)
	case "reasoning":
		if jsonedit.Kind(v) != '{' {
			return fault.Invalidf(name, "%s must be an object", name)
		}
		p.Effort, err = optional(jsonedit.Get(v, "effort"), "reasoning.effort")
	case "user":
		var user string
		if user, err = optional(v, name); p.User == "" {
			p.User = user
		}
	case "safety_identifier":
		p.User, err = optional(v, name)
	case "service_tier":
		p.ServiceTier, err = optional(v, name)
	case "prompt_cache_key":
		p.CacheKey, err = optional(v, name)
	default:
		p.Left = append(p.Left, name)
	}
	return err
}

func readNumber(p *llm.Params, name string, v []byte) error {
	if jsonedit.Kind(v) != '0' {
		return fault.Invalidf(name, "%s must be a number", name)
	}
	v = bytes.Clone(v)
	switch name {
	case "temperature":
		p.Temperature = v
	case "top_p":
		p.TopP = v
	case "top_k":
		p.TopK = v
	case "frequency_penalty":
		p.FrequencyPenalty = v
	case "presence_penalty":
		p.PresencePenalty = v
	case "seed":
		p.Seed = v
	case "top_logprobs":
		if n, ok := jsonedit.Int(v); !ok || n > 0 {
			p.TopLogprobs = v
		}
	}
	return nil
}

// optional reads a text that may be null or absent.
func optional(v []byte, param string) (string, error) {
	if jsonedit.IsNull(v) {
		return "", nil
	}
	s, ok := jsonedit.Unquote(v)
	if !ok {
		return "", fault.Invalidf(param, "%s must be a string", param)
	}
	return s, nil
}

// readText reads what form the answer has.
func readText(v []byte, p *llm.Params) error {
	if jsonedit.Kind(v) != '{' {
		return fault.Invalidf("text", "text must be an object")
	}
	var err error
	if p.Verbosity, err = optional(jsonedit.Get(v, "verbosity"), "text.verbosity"); err != nil {
		return err
	}
	format := jsonedit.Get(v, "format")
	if jsonedit.IsNull(format) {
		return nil
	}
	kind, _ := jsonedit.Unquote(jsonedit.Get(format, "type"))
	switch kind {
	case "text":
		return nil
	case "json_object":
		p.Format = &llm.Format{}
		return nil
	case "json_schema":
	default:
		return fault.Invalidf("text.format.type", "text.format.type must be text, json_object or json_schema")
	}
	f := &llm.Format{Schema: bytes.Clone(jsonedit.Get(format, "schema"))}
	if jsonedit.Kind(f.Schema) != '{' {
		return fault.Invalidf("text.format.schema", "text.format.schema must be a JSON Schema")
	}
	if f.Name, err = optional(jsonedit.Get(format, "name"), "text.format.name"); err != nil {
		return err
	}
	if f.Description, err = optional(jsonedit.Get(format, "description"), "text.format.description"); err != nil {
		return err
	}
	f.Strict, err = readStrict(jsonedit.Get(format, "strict"), "text.format.strict")
	p.Format = f
	return err
}

func readStrict(v []byte, param string) (*bool, error) {
	if jsonedit.IsNull(v) {
		return nil, nil
	}
	b, err := boolean(v, param, false)
	return &b, err
}
