package chat

import (
	"fmt"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// A paramReader reads the value of one top-level member that is not null.
type paramReader func(r *reader, name string, v []byte) error

// paramReaders are the members that have a word in llm.Params, and those that are left out without a word (nil). Names and
// forms are those of OpenAI's API reference; top_k and thinking are what other chat providers added to it.
var paramReaders = map[string]paramReader{
	"max_tokens": func(r *reader, name string, v []byte) error {
		if r.p.MaxOutput > 0 {
			return nil // the newer name counts
		}
		return tokens(&r.p.MaxOutput, name, v)
	},
	"max_completion_tokens": func(r *reader, name string, v []byte) error { return tokens(&r.p.MaxOutput, name, v) },
	"temperature":           func(r *reader, name string, v []byte) error { return number(&r.p.Temperature, name, v) },
	"top_p":                 func(r *reader, name string, v []byte) error { return number(&r.p.TopP, name, v) },
	"top_k":                 func(r *reader, name string, v []byte) error { return number(&r.p.TopK, name, v) },
	"frequency_penalty":     func(r *reader, name string, v []byte) error { return number(&r.p.FrequencyPenalty, name, v) },
	"presence_penalty":      func(r *reader, name string, v []byte) error { return number(&r.p.PresencePenalty, name, v) },
	"seed":                  func(r *reader, name string, v []byte) error { return number(&r.p.Seed, name, v) },
	"top_logprobs":          func(r *reader, name string, v []byte) error { return number(&r.p.TopLogprobs, name, v) },
	"logprobs":              (*reader).logprobs,
	"stop":                  (*reader).stop,
	"response_format":       (*reader).format,
	"reasoning_effort":      func(r *reader, name string, v []byte) error { return word(&r.p.Effort, name, v) },
	"thinking":              (*reader).thinking,
	"verbosity":             func(r *reader, name string, v []byte) error { return word(&r.p.Verbosity, name, v) },
	"service_tier":          func(r *reader, name string, v []byte) error { return word(&r.p.ServiceTier, name, v) },
	"prompt_cache_key":      func(r *reader, name string, v []byte) error { return word(&r.p.CacheKey, name, v) },
	"safety_identifier":     func(r *reader, name string, v []byte) error { return word(&r.p.User, name, v) },
	"user": func(r *reader, name string, v []byte) error {
		if r.p.User != "" {
			return nil // the newer name counts
		}
		return word(&r.p.User, name, v)
	},
	"modalities": (*reader).modalities,
	"n": func(r *reader, name string, _ []byte) error {
		if r.p.N > 1 && !r.looped { // read by Decode; with tools of the gateway it is refused by its own code
			r.left(name)
		}
		return nil
	},

	"model": nil, "messages": nil, "tools": nil, "tool_choice": nil, "functions": nil, "function_call": nil, "stream": nil,
	"parallel_tool_calls": nil, "max_tool_calls": nil, "mock_response": nil, "mock_tool_calls": nil, // read elsewhere
	"metadata": nil, "store": nil, "stream_options": nil, "prompt_cache_retention": nil,
}

// params reads all members that are no part of the conversation.
func (r *reader) params(body []byte) error {
	for key, v := range jsonedit.Members(body) {
		if jsonedit.IsNull(v) {
			continue
		}
		name, _ := jsonedit.Unquote(append(append([]byte{'"'}, key...), '"'))
		read, known := paramReaders[name]
		switch {
		case !known && !empty(v):
			r.left(name)
		case read == nil:
		default:
			if err := read(r, name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// empty reports whether v asks for nothing: an empty text, list or object.
func empty(v []byte) bool {
	switch string(jsonedit.Compact(nil, v)) {
	case `""`, "[]", "{}":
		return true
	}
	return false
}

func number(to *[]byte, name string, v []byte) error {
	if jsonedit.Kind(v) != '0' {
		return fault.Invalidf(name, "%s must be a number", name)
	}
	*to = v
	return nil
}

func tokens(to *int64, name string, v []byte) error {
	n, ok := jsonedit.Int(v)
	if !ok || n < 1 {
		return fault.Invalidf(name, "%s must be a whole number above 0", name)
	}
	*to = n
	return nil
}

func word(to *string, name string, v []byte) error {
	s, ok := jsonedit.Unquote(v)
	if !ok {
		return fault.Invalidf(name, "%s must be a string", name)
	}
	*to = s
	return nil
}

func (r *reader) logprobs(name string, v []byte) error {
	asked, err := boolean(v, name)
	if asked && r.p.TopLogprobs == nil {
		r.p.TopLogprobs = []byte("0")
	}
	return err
}

func (r *reader) stop(name string, v []byte) error {
	if s, ok := jsonedit.Unquote(v); ok {
		r.p.Stop = []string{s}
		return nil
	}
	if jsonedit.Kind(v) != '[' {
		return fault.Invalidf(name, "%s must be a string or a list of strings", name)
	}
	r.p.Stop = nil
	for el := range jsonedit.Elements(v) {
		s, ok := jsonedit.Unquote(el)
		if !ok {
			at := fmt.Sprintf("%s[%d]", name, len(r.p.Stop))
			return fault.Invalidf(at, "%s must be a string", at)
		}
		r.p.Stop = append(r.p.Stop, s)
	}
	return nil
}

func (r *reader) format(name string, v []byte) error {
	kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type"))
	switch kind {
	case "text":
	case "json_object":
		r.p.Format = &llm.Format{}
	case "json_schema":
		s := jsonedit.Get(v, "json_schema")
		if jsonedit.Kind(s) != '{' {
			return fault.Invalidf(name+".json_schema", "%s.json_schema must be an object", name)
		}
		f := &llm.Format{}
		f.Name, _ = jsonedit.Unquote(jsonedit.Get(s, "name"))
		f.Description, _ = jsonedit.Unquote(jsonedit.Get(s, "description"))
		if schema := jsonedit.Get(s, "schema"); !jsonedit.IsNull(schema) {
			f.Schema = schema
		}
		if strict, ok := jsonedit.Bool(jsonedit.Get(s, "strict")); ok {
			f.Strict = &strict
		}
		r.p.Format = f
	default:
		r.left(name)
	}
	return nil
}

// thinking reads the switch that several chat providers took over from Anthropic: {"type":"enabled","budget_tokens":N}.
func (r *reader) thinking(name string, v []byte) error {
	kind, _ := jsonedit.Unquote(jsonedit.Get(v, "type"))
	switch kind {
	case "disabled":
		r.p.Effort = "none"
	case "enabled", "adaptive", "auto":
		if budget := jsonedit.Get(v, "budget_tokens"); !jsonedit.IsNull(budget) {
			return tokens(&r.p.ThinkTokens, name+".budget_tokens", budget)
		}
	default:
		return fault.Invalidf(name+".type", "%s.type must be enabled or disabled", name)
	}
	return nil
}

// modalities leaves what is more than text, and with it the settings of the voice.
func (r *reader) modalities(name string, v []byte) error {
	for el := range jsonedit.Elements(v) {
		if s, _ := jsonedit.Unquote(el); s != "text" {
			r.left(name)
		}
	}
	return nil
}
