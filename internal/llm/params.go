package llm

import "strconv"

// Params are the controls of a request that more than its wire must know. The first ones are the loop's, and every Decode
// fills them. The others are for wires that the request did not come over, and only DecodeAll fills them: a codec of the
// same wire has the client's bytes.
type Params struct {
	N          int      // replies asked for; 0 when not said
	JSON       bool     // the answer must be a JSON document
	ForcedTool bool     // the tool choice demands a call
	OneByOne   bool     // parallel_tool_calls: false
	MaxCalls   int      // max_tool_calls; -1 when not said
	PastCalls  []Call   // the calls that the conversation's assistant messages made
	SentBack   []string // ids of PastCalls beside which the client has sent our calls back itself: the turns of these are not hidden
	Shown      []Call   // the calls of ours whose results the conversation shows, each by Label and Tool
	Shows      bool     // the client sees our calls with their results and sends them back: no hidden halves are kept
	Asks       bool     // the dialect has a word for the question whether a call may run
	Pauses     bool     // the dialect has a word for a reply that a limit stopped and that the client may have continued

	MaxOutput        int64  // tokens of the answer; 0 when not said
	Temperature      []byte // numbers as the client wrote them; nil when not said
	TopP             []byte
	TopK             []byte
	FrequencyPenalty []byte
	PresencePenalty  []byte
	Seed             []byte
	TopLogprobs      []byte // nil: none are asked for
	Stop             []string
	Choice           ToolChoice
	Format           *Format // of the answer; nil: text
	Effort           string  // of the reasoning: none | minimal | low | medium | high | xhigh | max; empty when not said
	ThinkTokens      int64   // budget of the reasoning; 0 when not said
	Verbosity        string  // low | medium | high
	User             string  // the end user, for the provider's abuse checks
	ServiceTier      string
	CacheKey         string
	// Left are the members that no field has a word for and that change what is answered, by name. A target of another wire
	// cannot be asked for them.
	Left []string
}

// ToolChoice says whether the model is to call tools, and which.
type ToolChoice struct {
	Mode    string   // auto | none | required | tool; empty when not said
	Name    string   // tool: the function, as offered
	Label   string   // tool: the server's label, where one of ours is meant; Name is then the server's own name, or empty for any of its tools
	Allowed []string // auto and required: the only ones that may be called, as offered; nil: all
	// Servers are tools of ours that are allowed beside Allowed.
	Servers []ServerTool
}

// ServerTool means tools of ours in the caller's own words.
type ServerTool struct {
	Label string // what the caller calls the server
	Name  string // the server's own name of the tool, or the offered one; empty: any of its tools
}

// Means reports whether t is one of the tools that are meant.
func (s ServerTool) Means(t *Tool) bool {
	return t.Label == s.Label && (s.Name == "" || s.Name == t.Tool || s.Name == t.Name)
}

// Ours are the choice's tools of ours, in the caller's words.
func (c *ToolChoice) Ours() []ServerTool {
	if c.Mode == "tool" && c.Label != "" {
		return []ServerTool{{c.Label, c.Name}}
	}
	return c.Servers
}

// Format is the form that an answer must have.
type Format struct {
	Name        string
	Description string
	Schema      []byte // nil: any JSON object
	Strict      *bool
}

// Says reports whether the parameter that OpenAI's chat completions have this name for is said, and is not what holds when it
// is not.
func (p *Params) Says(name string) bool {
	switch name {
	case "n":
		return p.N > 1
	case "max_tokens", "max_completion_tokens":
		return p.MaxOutput > 0
	case "stop":
		return len(p.Stop) > 0
	case "response_format":
		return p.Format != nil || p.JSON
	case "reasoning_effort":
		return p.Effort != "" || p.ThinkTokens > 0
	case "verbosity":
		return p.Verbosity != ""
	case "service_tier":
		return p.ServiceTier != ""
	case "parallel_tool_calls":
		return p.OneByOne
	}
	return p.saysNumber(name)
}

func (p *Params) saysNumber(name string) bool {
	switch name {
	case "temperature":
		return differs(p.Temperature, 1)
	case "top_p":
		return differs(p.TopP, 1)
	case "frequency_penalty":
		return differs(p.FrequencyPenalty, 0)
	case "presence_penalty":
		return differs(p.PresencePenalty, 0)
	case "top_k":
		return len(p.TopK) > 0
	case "seed":
		return len(p.Seed) > 0
	case "logprobs", "top_logprobs":
		return len(p.TopLogprobs) > 0
	}
	return false
}

// differs reports whether a number is said and is another one.
func differs(number []byte, from float64) bool {
	if len(number) == 0 {
		return false
	}
	f, err := strconv.ParseFloat(string(number), 64)
	return err != nil || f != from
}
