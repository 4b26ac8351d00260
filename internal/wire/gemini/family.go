package gemini

import (
	"slices"
	"strings"
)

// family is what is known of models by the start of their names.
type family struct {
	prefix string
	reason string // how reasoning is asked for: "" not at all, "budget" by a number of tokens, "level" by a word
	// Of a budget: the least and the most that is taken, and whether 0 turns reasoning off.
	least, most int64
	off         bool
	levels      []string // of a level: the words that are taken
	signs       bool     // refuses calls of the model's that have lost their signatures
	mixes       bool     // takes a form of the answer beside tools
	media       bool     // takes media in the results of calls
}

var (
	allLevels = []string{"minimal", "low", "medium", "high"}
	proLevels = []string{"low", "medium", "high"}
)

// families begin with the longest prefix; what no prefix names does not reason. The figures are from
// https://ai.google.dev/gemini-api/docs/thinking and https://ai.google.dev/gemini-api/docs/gemini-3. Names without a version
// ("gemini-flash-latest") stand for the newest models.
var families = []family{
	{prefix: "gemini-1."},
	{prefix: "gemini-2.0"},
	{prefix: "gemini-2.5-flash-image"},
	{prefix: "gemini-2.5-flash-lite", reason: "budget", least: 512, most: 24576, off: true},
	{prefix: "gemini-2.5-flash", reason: "budget", least: 1, most: 24576, off: true},
	{prefix: "gemini-2.5", reason: "budget", least: 128, most: 32768},
	{prefix: "gemini-3-pro", reason: "level", levels: []string{"low", "high"}, signs: true, mixes: true, media: true},
	{prefix: "gemini-pro", reason: "level", levels: proLevels, signs: true, mixes: true, media: true},
	{prefix: "gemini-", reason: "level", levels: allLevels, signs: true, mixes: true, media: true},
	{},
}

func familyOf(model string) family {
	name := model[strings.LastIndexByte(model, '/')+1:]
	for _, f := range families {
		if !strings.HasPrefix(name, f.prefix) {
			continue
		}
		if len(f.levels) == len(allLevels) && strings.Contains(name, "-pro") {
			f.levels = proLevels
		}
		return f
	}
	return family{}
}

// level is the word of the family for an effort: the next one that it has, upwards.
func (f *family) level(effort string) string {
	if effort == "none" {
		effort = "minimal" // it cannot be turned off
	}
	at := slices.Index(allLevels, effort)
	if at < 0 {
		at = len(allLevels) - 1 // xhigh, max
	}
	for _, l := range allLevels[at:] {
		if slices.Contains(f.levels, l) {
			return l
		}
	}
	return "high"
}

// budgets are the tokens that stand for an effort, as Google's own endpoint for OpenAI's clients has them
// (https://ai.google.dev/gemini-api/docs/openai).
var budgets = map[string]int64{"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}

// budget fits a number of tokens to what the family takes.
func (f *family) budget(tokens int64) int64 {
	if tokens <= 0 && f.off {
		return 0
	}
	return min(max(tokens, f.least), f.most)
}
