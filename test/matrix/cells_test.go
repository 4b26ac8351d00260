package matrix

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// What a step costs by default.
const in, out = 10, 5

// answer: the model says something.
func answer(c *cell) {
	c.plays(providertest.Text("Hel", "lo."))
	c.says("Hi.")
	r := c.fine()
	c.wantText(r, "Hello.", "stop")
	c.wantUsage(r, 1)
	if c.stream && r.pieces < 2 {
		c.t.Errorf("the text came in %d pieces: %s", r.pieces, r.raw)
	}
	m := c.saw(1)
	if wire := map[string]string{"invoke": "messages", "predict": "messages"}[c.upstream]; m.Wire != c.upstream && m.Wire != wire || m.Stream != c.stream {
		c.t.Errorf("the model was asked over %s, streamed %v", m.Wire, m.Stream)
	}
	if !strings.Contains(string(m.Raw), system) || !strings.Contains(string(m.Raw), "Hi.") || !strings.Contains(string(m.Raw), ":2048") {
		c.t.Errorf("the model was asked %s", m.Raw)
	}
}

// finish: the model's answer is cut off at its limit, and then by a filter. Each wire has words of its own for that, and so has each
// dialect. The other ends are met in other rows: stop, tools, and pause.
func finish(c *cell) {
	c.approval = "never" // so that the gateway reads the reply
	c.plays(providertest.Text("Half").Stop("length"))
	c.says("Hi.")
	c.wantText(c.fine(), "Half", "length")
	c.plays(providertest.Text("Not").Stop("content_filter"))
	c.says("On.")
	c.wantText(c.fine(), "Not", "filter")
}

// clientTools: the model calls a tool of the client's, and goes on with its answer.
func clientTools(c *cell) {
	c.own = true
	c.plays(providertest.Text("Let me see.").Then(c.calls(1, "mine", `{"x":`, ` 1}`)), providertest.Text("Done."))
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Let me see.", "tools")
	c.wantCalls(r, "mine")
	c.answers([2]string{r.calls[0].id, "seven"})
	r = c.fine()
	c.wantText(r, "Done.", "stop")
	c.wantResults(2, "seven")
}

// twoAtOnce: the model calls two tools of the client's in one turn; each answer goes to its own call.
func twoAtOnce(c *cell) {
	c.own = true
	c.plays(c.calls(1, "mine", `{"x": 1}`).Then(c.calls(2, "mine", `{"x": 12}`)), providertest.Text("Done."))
	c.says("Go.")
	r := c.fine()
	if len(r.calls) != 2 || compact(r.calls[0].args) != `{"x":1}` || compact(r.calls[1].args) != `{"x":12}` || r.calls[0].id == r.calls[1].id || r.stop != "tools" {
		c.t.Fatalf("calls %+v, stop %s: %s", r.calls, r.stop, r.raw)
	}
	c.answers([2]string{r.calls[0].id, "one"}, [2]string{r.calls[1].id, "twelve"})
	c.wantText(c.fine(), "Done.", "stop")
	c.wantResults(2, "one", "twelve")
	for _, m := range c.saw(2).Messages {
		for i, made := range m.Calls {
			if c.saw(2).Results()[made.ID] != []string{"one", "twelve"}[i] {
				c.t.Errorf("the answers go to other calls: %s", c.saw(2).Raw)
			}
		}
	}
}

// rounds: the model calls tools of ours in three rounds, and then once more with all of that behind it.
func rounds(c *cell) {
	c.approval = "never"
	c.plays(
		providertest.Text("First.").Then(c.calls(1, "tools-echo", `{"n":1}`)),
		c.calls(2, "tools-echo", `{"n":2}`).Then(c.calls(3, "tools-fail", `{}`)),
		c.calls(4, "tools-echo", `{"n":4}`),
		providertest.Text("Done."),
		providertest.Text("Yes."),
	)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "First.\n\nDone.", "stop")
	c.wantUsage(r, 4)
	c.wantRuns(r, ran{"echo", `{"n":1}`, `{"n":1}`, false}, ran{"echo", `{"n":2}`, `{"n":2}`, false}, ran{"fail", `{}`, "Error: it broke", true}, ran{"echo", `{"n":4}`, `{"n":4}`, false})
	c.wantResults(2, `{"n":1}`)
	c.wantResults(4, `{"n":1}`, `{"n":2}`, "Error: it broke", `{"n":4}`)
	for n := 2; n <= 4; n++ {
		if !reflect.DeepEqual(c.saw(n).Tools, c.saw(1).Tools) {
			c.t.Errorf("the tools of round %d are others than those of round 1", n)
		}
	}
	c.says("Sure?")
	c.wantText(c.fine(), "Yes.", "stop")
	if c.d.showsRuns() {
		c.wantResults(5, `{"n":1}`, `{"n":2}`, "Error: it broke", `{"n":4}`)
	}
}

// attached: a mixed turn of a client that names no server: its server is attached by a header. A client then gets no blocks or
// items that it has not asked for, and the half of the turn that it does not see is put back.
func attached(c *cell) {
	c.attached, c.own = true, true
	c.plays(
		providertest.Text("Both.").Then(c.calls(1, "tools-echo", `{"n":1}`), c.calls(2, "mine", `{"x":1}`)),
		providertest.Text("After."),
	)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Both.", "tools")
	c.wantCalls(r, "mine")
	if c.d.showsRuns() { // as parts of the conversation, which it would have to send back
		c.wantRuns(r)
	} else {
		c.wantRuns(r, ran{"echo", `{"n":1}`, `{"n":1}`, false})
	}
	c.answers([2]string{r.calls[0].id, "seven"})
	c.wantText(c.fine(), "After.", "stop")
	c.wantSomeOrder(2, `{"n":1}`, "seven")
}

// mixedTurn: the model calls a tool of ours and one of the client's in one turn.
func mixedTurn(c *cell) {
	c.approval, c.own = "never", true
	c.plays(
		providertest.Text("Both.").Then(c.calls(1, "tools-echo", `{"n":1}`), c.calls(2, "mine", `{"x":1}`)),
		providertest.Text("After."),
	)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Both.", "tools")
	c.wantCalls(r, "mine")
	c.wantRuns(r, ran{"echo", `{"n":1}`, `{"n":1}`, false})
	c.answers([2]string{r.calls[0].id, "seven"})
	c.wantText(c.fine(), "After.", "stop")
	c.wantSomeOrder(2, `{"n":1}`, "seven")
}

// approval: a call waits for the client's word, and runs with it.
func approval(c *cell) {
	c.approval = "always"
	c.plays(providertest.Text("May I?").Then(c.calls(1, "tools-echo", `{"n":1}`)), providertest.Text("After."))
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "May I?", "stop")
	if len(r.asks) != 1 || r.asks[0].name != "echo" || compact(r.asks[0].args) != `{"n":1}` || len(r.ran)+len(r.calls) > 0 {
		c.t.Fatalf("asked %+v, ran %+v, handed over %+v: %s", r.asks, r.ran, r.calls, r.raw)
	}
	c.approves(r.asks[0].id, true)
	r = c.fine()
	c.wantText(r, "After.", "stop")
	c.wantRuns(r, ran{"echo", `{"n":1}`, `{"n":1}`, false})
	c.wantResults(2, `{"n":1}`)
}

// refusal: the client does not let a call run, and the model is told.
func refusal(c *cell) {
	c.approval = "always"
	c.plays(c.calls(1, "tools-echo", `{"n":1}`), providertest.Text("A pity."))
	c.says("Go.")
	r := c.fine()
	if len(r.asks) != 1 {
		c.t.Fatalf("%d questions: %s", len(r.asks), r.raw)
	}
	c.approves(r.asks[0].id, false)
	r = c.fine()
	c.wantText(r, "A pity.", "stop")
	c.wantRuns(r)
	results := c.saw(2).Results()
	if len(results) != 1 || !strings.Contains(fmt.Sprint(results), "did not allow") {
		c.t.Errorf("the model was told %v", results)
	}
}

// handedOver: a call that waits for the client's word, in a dialect without the question, is the client's to run.
func handedOver(c *cell) {
	c.approval = "always"
	c.plays(providertest.Text("May I?").Then(c.calls(1, "tools-echo", `{"n":1}`)), providertest.Text("After."))
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "May I?", "tools")
	c.wantCalls(r, "tools-echo")
	c.wantRuns(r)
	c.answers([2]string{r.calls[0].id, "seven"})
	c.wantText(c.fine(), "After.", "stop")
	c.wantResults(2, "seven")
}

// forces are how the wires say that the model must call a tool.
var forces = map[string]string{"chat": `"required"`, "responses": `"required"`, "messages": `{"type":"any"}`, "gemini": `{"mode":"ANY"}`, "cohere": `"REQUIRED"`, "converse": `{"any":{}}`, "invoke": `{"type":"any"}`, "predict": `{"type":"any"}`}

// forcedCall: the model must call a tool in the first round, and may answer in the next.
func forcedCall(c *cell) {
	c.approval, c.forced = "never", true
	c.plays(c.calls(1, "tools-echo", `{"n":1}`), providertest.Text("Done."))
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Done.", "stop")
	c.wantRuns(r, ran{"echo", `{"n":1}`, `{"n":1}`, false})
	if got := compact(c.saw(1).ToolChoice); got != forces[c.upstream] {
		c.t.Errorf("the first round has the choice %s", got)
	}
	if got := compact(c.saw(2).ToolChoice); got != "" && !strings.Contains(got, "auto") {
		c.t.Errorf("the second round has the choice %s", got)
	}
}

// documents are where the wires say the form of an answer.
var documents = map[string]string{"chat": `"response_format":{"`, "responses": `"format":{"`, "messages": `"output_config":{"format":{"`, "gemini": `"responseJsonSchema":{"`, "converse": `"textFormat":{"`, "invoke": `"output_config":{"format":{"`, "predict": `"output_config":{"format":{"`}

// formed: the answer must be a document of a schema. Of several rounds it is the last one.
func formed(c *cell) {
	c.approval, c.schema = "never", true
	c.plays(c.calls(1, "tools-echo", `{"n":1}`), providertest.Text(`{"answer"`, `:4}`))
	c.says("Go.")
	c.wantText(c.fine(), `{"answer":4}`, "stop")
	for n := 1; n <= 2; n++ {
		seen := strings.ReplaceAll(compact(string(c.saw(n).Raw)), `\"`, `"`) // it may be a text
		if !strings.Contains(seen, documents[c.upstream]) || !strings.Contains(seen, answerSchema) {
			c.t.Errorf("the model did not see the form: %s", seen)
		}
	}
}

// formRefused: a provider that cannot be asked for a form and tools together is not asked, and the client learns what it is.
func formRefused(c *cell) {
	c.approval, c.schema = "never", true
	c.says("Go.")
	r := c.asks()
	if r.status != http.StatusBadRequest || r.failed == nil || !strings.Contains(r.failed.message, "response_format") || !strings.Contains(r.raw, "unsupported_parameter") {
		c.t.Errorf("status %d: %s", r.status, r.raw)
	}
}

// efforts are how the wires say that a model is to reason a lot.
var efforts = map[string][]string{
	"chat":      {`"reasoning_effort":"high"`},
	"responses": {`"reasoning":{`, `"effort":"high"`},
	"messages":  {`"thinking":{`},
	"gemini":    {`"thinkingLevel":"high"`, `"includeThoughts":true`},
	"converse":  {`"thinking":{"type":"enabled"`},
	"invoke":    {`"thinking":{`},
	"predict":   {`"thinking":{`},
	"cohere":    {`"thinking":{"type":"enabled"`},
}

// seals are how the wires prove that reasoning is the model's own. What they hold, the scripted model checks byte for byte: it
// refuses a turn whose reasoning is another, and one that has lost it where the real one would.
var seals = map[string]string{
	"responses": `"encrypted_content":"`, "messages": `"signature":"`, "gemini": `"thoughtSignature":"`,
	"converse": `"signature":"`, "invoke": `"signature":"`, "predict": `"signature":"`,
}

// reasoning: the model thinks before it calls and before it answers. The client sees it, and the model gets it back.
func reasoning(c *cell) {
	c.approval, c.think = "never", true
	c.plays(
		providertest.Reasoning("First ", "this.").Then(c.calls(1, "tools-echo", `{"n":1}`)),
		providertest.Reasoning("Then that.").Then(providertest.Text("Done.")),
	)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Done.", "stop")
	if !strings.Contains(r.thought, "First this.") || !strings.Contains(r.thought, "Then that.") {
		c.t.Errorf("the client sees the reasoning %q: %s", r.thought, r.raw)
	}
	seen := compact(string(c.saw(1).Raw))
	for _, want := range efforts[c.upstream] {
		if !strings.Contains(seen, want) {
			c.t.Errorf("the model did not see %s: %s", want, seen)
		}
	}
	c.wantReasoning(2, "First this.")
}

// reasoningKept: the model thinks, and calls a tool of the client's. A client whose dialect sends reasoning back does so; of the
// others the gateway keeps it, so that a provider of another wire gets it as it was, too. chat has no place of its own for it.
func reasoningKept(c *cell) {
	c.own, c.think = true, true
	c.plays(
		providertest.Reasoning("First ", "this.").Then(c.calls(1, "mine", `{"x":1}`)),
		providertest.Reasoning("Then that.").Then(providertest.Text("Done.")),
	)
	c.says("Go.")
	r := c.fine()
	c.wantCalls(r, "mine")
	if !strings.Contains(r.thought, "First this.") {
		c.t.Errorf("the client sees the reasoning %q: %s", r.thought, r.raw)
	}
	c.answers([2]string{r.calls[0].id, "seven"})
	r = c.fine()
	c.wantText(r, "Done.", "stop")
	c.wantResults(2, "seven")
	if c.upstream != "chat" {
		c.wantReasoning(2, "First this.")
	}
}

// errorBefore: the model refuses. Its status, its words and its Retry-After reach the client, in the client's form.
func errorBefore(c *cell) {
	c.plays(providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "Slow down.").Header("Retry-After", "7"))
	c.says("Hi.")
	r := c.asks()
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") != "7" || r.failed == nil || !strings.Contains(r.failed.message, "Slow down.") {
		c.t.Errorf("status %d, headers %v: %s", r.status, r.header, r.raw)
	}
	if r.failed != nil && r.failed.kind != "rate_limit_error" {
		c.t.Errorf("an error of type %q", r.failed.kind)
	}
}

// errorAfter: the model's reply breaks off. A stream ends in an error of the dialect; a reply that is not streamed is one.
func errorAfter(c *cell) {
	c.approval = "never" // so that the gateway reads the reply
	c.plays(providertest.Text("Half").Then(providertest.Cut()))
	c.says("Hi.")
	r := c.asks()
	switch {
	case r.failed == nil:
		c.t.Errorf("no error: %s", r.raw)
	case c.stream && (r.status != http.StatusOK || !strings.Contains(r.raw, "Half")):
		c.t.Errorf("status %d: %s", r.status, r.raw)
	case !c.stream && r.status != http.StatusBadGateway:
		c.t.Errorf("status %d: %s", r.status, r.raw)
	}
}

// errorAfterTool: the model refuses after a tool has run. Nobody may send the request again by itself.
func errorAfterTool(c *cell) {
	c.approval = "never"
	c.plays(c.calls(1, "tools-echo", `{"n":1}`), providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "Slow down."))
	c.says("Hi.")
	r := c.asks()
	if r.failed == nil || !strings.Contains(r.failed.message, "Slow down.") {
		c.t.Fatalf("failed %+v: %s", r.failed, r.raw)
	}
	told := r.status == http.StatusFailedDependency && r.header.Get("X-Should-Retry") == "false"
	if !told && (!c.stream || r.status != http.StatusOK) {
		c.t.Errorf("status %d, headers %v: %s", r.status, r.header, r.raw)
	}
}

// cancel: the client leaves, and the model call ends.
func cancel(c *cell) {
	c.approval = "never"
	c.plays(providertest.Text("Hello").Then(providertest.Stall()))
	c.says("Hi.")
	c.leaves("Hello")
	c.within(c.saw(1).Gone(), "the end of the model call")
}

// toTheLimit has the model call a tool in as many rounds as the gateway allows, and then say something.
func toTheLimit(c *cell) {
	for i := range maxRounds {
		c.plays(c.calls(i, "tools-echo", fmt.Sprintf(`{"n":%d}`, i)))
	}
	c.plays(providertest.Text("Enough."))
}

// limit: the model calls tools for as long as it may. Then it is asked once more and may not, so that the reply ends in text.
func limit(c *cell) {
	c.approval = "never"
	toTheLimit(c)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "Enough.", "stop")
	if len(r.ran) != maxRounds {
		c.t.Errorf("%d calls ran: %s", len(r.ran), r.raw)
	}
	c.wantUsage(r, maxRounds+1)
	if last := c.saw(maxRounds + 1); len(last.Tools) > 0 && !strings.Contains(strings.ToLower(last.ToolChoice), "none") {
		c.t.Errorf("the last request may call tools: %s", last.Raw)
	}
}

// pause: the same where the dialect lets a reply pause. What the client sends back is gone on from.
func pause(c *cell) {
	c.approval = "never"
	toTheLimit(c)
	c.says("Go.")
	r := c.fine()
	c.wantText(r, "", "pause")
	if len(r.ran) != maxRounds {
		c.t.Errorf("%d calls ran: %s", len(r.ran), r.raw)
	}
	c.wantUsage(r, maxRounds)
	r = c.fine()
	c.wantText(r, "Enough.", "stop")
	if n := len(c.saw(maxRounds + 1).Results()); n != maxRounds {
		c.t.Errorf("the model has %d results, want %d", n, maxRounds)
	}
}
