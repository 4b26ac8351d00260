package llm

// Without forgets what is asked for by the member with this name, and reports whether anything was. Names are those of
// OpenAI's chat completions, as in Left.
func (p *Params) Without(name string) bool {
	for _, number := range []struct {
		name string
		at   *[]byte
	}{
		{"temperature", &p.Temperature},
		{"top_p", &p.TopP},
		{"top_k", &p.TopK},
		{"frequency_penalty", &p.FrequencyPenalty},
		{"presence_penalty", &p.PresencePenalty},
		{"seed", &p.Seed},
		{"logprobs", &p.TopLogprobs},
	} {
		if number.name == name {
			asked := *number.at != nil
			*number.at = nil
			return asked
		}
	}
	return p.withoutWord(name)
}

func (p *Params) withoutWord(name string) bool {
	asked := false
	switch name {
	case "n":
		asked, p.N = p.N > 1, 0
	case "stop":
		asked, p.Stop = p.Stop != nil, nil
	case "response_format":
		asked, p.Format, p.JSON = p.Format != nil || p.JSON, nil, false
	case "reasoning_effort":
		asked, p.Effort, p.ThinkTokens = p.Effort != "" || p.ThinkTokens > 0, "", 0
	case "verbosity":
		asked, p.Verbosity = p.Verbosity != "", ""
	case "service_tier":
		asked, p.ServiceTier = p.ServiceTier != "", ""
	case "parallel_tool_calls":
		asked, p.OneByOne = p.OneByOne, false
	}
	return asked
}
