package demo

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// asked is what the stand-in looks at in a conversation.
type asked struct {
	question string   // the last words of the user
	results  []result // of the tools that ran since
	tools    []string // offered names
}

type result struct{ tool, text string }

// think is the whole mind of the stand-in model: a script that looks for words. It is no language model, and says so when
// it is asked for anything else than the built-in tools can do.
func think(a asked) (text string, calls []llm.Call) {
	p := plan{asked: a, question: strings.ToLower(a.question)}
	if len(a.results) == 0 {
		p.look()
	}
	p.note()
	if len(p.calls) > 0 {
		return p.text, p.calls
	}
	return p.answer(), nil
}

type plan struct {
	asked

	question string
	text     string
	calls    []llm.Call
}

var (
	expression = regexp.MustCompile(`\d[\d.,]*(?:\s*[-+*/]\s*\(*\s*\d[\d.,]*\s*\)*)+`)
	percentage = regexp.MustCompile(`(\d+(?:\.\d+)?)\s*% of (\d[\d.,]*\d|\d)`)
)

// zones are the places that the stand-in has heard of.
var zones = []struct{ word, zone string }{
	{"tokyo", "Asia/Tokyo"},
	{"london", "Europe/London"},
	{"paris", "Europe/Paris"},
	{"berlin", "Europe/Berlin"},
	{"new york", "America/New_York"},
	{"san francisco", "America/Los_Angeles"},
	{"sydney", "Australia/Sydney"},
	{"singapore", "Asia/Singapore"},
	{"delhi", "Asia/Kolkata"},
}

// look asks for the facts that the question needs, side by side.
func (p *plan) look() {
	if strings.Contains(p.question, "time") || strings.Contains(p.question, "date") {
		zone := "UTC"
		for _, z := range zones {
			if strings.Contains(p.question, z.word) {
				zone = z.zone
			}
		}
		p.call("current_time", "zone", zone)
	}
	if m := percentage.FindStringSubmatch(p.question); m != nil {
		p.call("calculate", "expression", number(m[2])+" * "+m[1]+" / 100")
	} else if e := expression.FindString(p.question); e != "" {
		p.call("calculate", "expression", number(e))
	}
	if strings.Contains(p.question, "notes") && !strings.Contains(p.question, "note it") {
		p.call("read_notes")
	}
	if len(p.calls) > 0 {
		p.text = "Let me look that up."
	}
}

// note writes down what the tools found, when the question wants it and there is something to write.
func (p *plan) note() {
	wanted := strings.Contains(p.question, "note it") || strings.Contains(p.question, "note both") || strings.Contains(p.question, "write it down") || strings.Contains(p.question, "write both down")
	if !wanted || len(p.calls) > 0 || len(p.results) == 0 || p.has("add_note") {
		return
	}
	var found []string
	for _, r := range p.results {
		found = append(found, r.text)
	}
	p.text = "I will write that down."
	p.call("add_note", "text", strings.Join(found, " | "))
}

func (p *plan) has(tool string) bool {
	for _, r := range p.results {
		if strings.HasSuffix(r.tool, tool) {
			return true
		}
	}
	return false
}

// call makes a call of the offered tool whose name ends in tool, with one text argument or none.
func (p *plan) call(tool string, arg ...string) {
	for _, name := range p.tools {
		if !strings.HasSuffix(name, tool) {
			continue
		}
		args := []byte{'{'}
		if len(arg) == 2 {
			args = jsonedit.AppendQuote(append(jsonedit.AppendQuote(args, arg[0]), ':'), arg[1])
		}
		id := "call_" + strconv.Itoa(len(p.results)) + "_" + strconv.Itoa(len(p.calls))
		p.calls = append(p.calls, llm.Call{ID: id, Name: name, Arguments: string(append(args, '}'))})
		return
	}
}

func (p *plan) answer() string {
	if len(p.results) == 0 {
		return "I am a scripted stand-in, not a language model: I understand questions about the time in a city, sums such as 12 * 34 or 17% of 2340, and \"note it\" after them, when the demo's MCP server is among the tools. Point Fairlead at a real model for anything else."
	}
	var parts []string
	for _, r := range p.results {
		switch {
		case strings.HasSuffix(r.tool, "current_time"):
			parts = append(parts, "It is "+r.text+".")
		case strings.HasSuffix(r.tool, "calculate"):
			parts = append(parts, "The sum comes to "+r.text+".")
		case strings.HasSuffix(r.tool, "add_note"):
			parts = append(parts, "It is in the notes.")
		default:
			parts = append(parts, "The notes say: "+r.text+".")
		}
	}
	return strings.Join(parts, " ")
}

// number takes the separators of thousands out.
func number(s string) string { return strings.ReplaceAll(strings.TrimRight(s, ".,"), ",", "") }
