package providertest

import (
	"slices"
	"strings"
)

// isGemini3 reports whether a model is of the third generation, which is stricter about signatures and has levels of thinking.
func isGemini3(model string) bool { return strings.Contains(model, "-3") }

// rule is a rule, and what is said to whom breaks it.
type rule struct {
	broken         bool
	param, message string
}

// firstBroken is the refusal of the first rule that is broken.
func firstBroken(rules []rule) *refusal {
	for _, r := range rules {
		if r.broken {
			return refusef(r.param, "%s", r.message)
		}
	}
	return nil
}

// outside reports whether a number is said and not between two others.
func outside[N int | float64](n *N, from, to N) bool { return n != nil && (*n < from || *n > to) }

// checkConfig holds the generationConfig against what the model takes.
func (g *geminiRequest) checkConfig() *refusal {
	c := g.b.Config
	if c == nil {
		return nil
	}
	for _, bad := range []*refusal{
		c.Rest.unknown("generation_config"),
		firstBroken([]rule{
			{outside(c.MaxOutput, 1, 1<<30), "maxOutputTokens", "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive."},
			{outside(c.Temperature, 0, 2), "temperature", "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."},
			{outside(c.TopP, 0, 1), "topP", "* GenerateContentRequest.generation_config.top_p: top_p must be in the range [0.0, 1.0]."},
			{outside(c.Candidates, 1, 1), "candidateCount", "Multiple candidates is not enabled for this model"},
			{len(c.Stop) > 5, "stopSequences", "* GenerateContentRequest.generation_config.stop_sequences: the number of stop sequences must be at most 5."},
		}),
		g.checkForm(c),
		g.checkThinking(c.Thinking),
	} {
		if bad != nil {
			return bad
		}
	}
	return nil
}

// checkForm checks the form that the answer must have.
func (g *geminiRequest) checkForm(c *geminiConfig) *refusal {
	document := c.MediaType == "application/json"
	switch {
	case len(c.Schema)+len(c.JSONSchema) > 0 && !document && c.MediaType != "text/x.enum":
		return refusef("responseMimeType", "* GenerateContentRequest.generation_config.response_json_schema: only allowed when response_mime_type is `application/json`.")
	case document && len(g.Tools) > 0 && !isGemini3(g.Model):
		return refusef("responseMimeType", "Function calling with a response mime type: 'application/json' is unsupported")
	case len(c.Schema) > 0:
		return checkOpenAPI(c.Schema, "generation_config.response_schema")
	case len(c.JSONSchema) > 0:
		return checkJSONSchema(c.JSONSchema, "generation_config.response_json_schema")
	}
	return nil
}

func (g *geminiRequest) checkThinking(t *geminiThinking) *refusal {
	if t == nil {
		return nil
	}
	if bad := t.Rest.unknown("generation_config.thinking_config"); bad != nil {
		return bad
	}
	level := strings.ToLower(t.Level)
	is := func(part string) bool { return strings.Contains(g.Model, part) }
	levels := []string{"minimal", "low", "medium", "high"}
	if is("gemini-3-pro") {
		levels = []string{"low", "high"}
	}
	return firstBroken([]rule{
		{t.Budget != nil && level != "", "thinkingConfig", "You can only set only one of thinking budget and thinking level."},
		{is("-2.0") || is("-1."), "thinkingConfig", "Unable to submit request because thinking is not supported by this model."},
		{level != "" && (is("-2.5") || !slices.Contains(levels, level)), "thinkingConfig", "Thinking level " + t.Level + " is not supported for this model."},
		{is("-2.5-pro") && t.Budget != nil && *t.Budget == 0, "thinkingConfig", "Budget 0 is invalid. This model only works in thinking mode."},
		{outside(t.Budget, -1, 32768), "thinkingConfig", "The thinking budget is invalid. Please choose a value between 0 and 32768."},
	})
}
