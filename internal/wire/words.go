package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/llm"
)

// Chosen is the tool choice with a server's tools by the names under which they are offered. A choice that the loop has relaxed
// demands nothing any more; which tools are allowed holds on.
func Chosen(req *llm.Request) llm.ToolChoice {
	c := req.Params.Choice
	relaxed := req.ToolChoice == llm.ChoiceAuto
	one := c.Mode == "tool"
	if relaxed && one {
		return llm.ToolChoice{Mode: "auto"}
	}
	if relaxed && c.Mode == "required" {
		c.Mode = "auto"
	}
	ours := c.Ours()
	if len(ours) == 0 {
		if one {
			c.Name = offeredAs(req, c.Name)
		}
		return c
	}
	names := c.Allowed
	for i := range req.AddedTools {
		t := &req.AddedTools[i]
		if slices.ContainsFunc(ours, func(s llm.ServerTool) bool { return s.Means(t) }) {
			names = append(slices.Clip(names), t.Name)
		}
	}
	switch {
	case !one:
		return llm.ToolChoice{Mode: c.Mode, Allowed: names}
	case len(names) == 1:
		return llm.ToolChoice{Mode: "tool", Name: names[0]}
	}
	return llm.ToolChoice{Mode: "required", Allowed: names}
}

// offeredAs is the name under which a tool is offered that a choice calls by its server's own name, which is what some wires
// show. A name that is offered stays, and so does one that nobody knows.
func offeredAs(req *llm.Request, name string) string {
	known := func(t llm.Tool) bool { return t.Name == name }
	if slices.ContainsFunc(req.Tools, known) || slices.ContainsFunc(req.AddedTools, known) {
		return name
	}
	for i := range req.AddedTools {
		if req.AddedTools[i].Tool == name {
			return req.AddedTools[i].Name
		}
	}
	return name
}

// The budgets of reasoning up to which a model is asked for little and for some of it, where the caller gave a number of tokens
// and OpenAI has words only. They are those between the steps that Claude Code asks for: 4000, 10000 and 31999.
const (
	lowBudget    = 4096
	mediumBudget = 16384
)

// Effort is OpenAI's word for how much a model is to reason, empty when nothing is asked. "max" is Anthropic's; OpenAI's highest is "xhigh".
func Effort(p *llm.Params) string {
	switch {
	case p.Effort == "max":
		return "xhigh"
	case p.Effort != "" || p.ThinkTokens <= 0:
		return p.Effort
	case p.ThinkTokens <= lowBudget:
		return "low"
	case p.ThinkTokens <= mediumBudget:
		return "medium"
	}
	return "high"
}

// ShortID gives an identifier the length that OpenAI takes, 64 characters. The same one always becomes the same.
func ShortID(id string) string {
	if len(id) <= 64 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// AudioFormat is OpenAI's word for a media type of audio.
func AudioFormat(mediaType string) string {
	switch _, sub, _ := strings.Cut(mediaType, "/"); sub {
	case "mpeg", "mp3":
		return "mp3"
	case "", "wav", "wave", "x-wav", "vnd.wave":
		return "wav"
	default:
		return sub
	}
}
