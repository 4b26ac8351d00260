package wiretest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/llm"
)

// Carry takes a conversation over a wire: it has it written for a provider, reads that, and returns what has arrived.
type Carry func(ms []llm.Message) ([]llm.Message, error)

// Order says what of the order within a message a reading can tell.
type Order int

// The orders. InOrder is the zero value.
const (
	InOrder    Order = iota // texts and images as they were
	TextsFirst              // texts, then images: the reading keeps them apart
)

// Conversations takes random conversations over a wire and wants them to mean the same when they have arrived: who says what,
// images, calls with their arguments, and each result with its own call. What fails is made as small as it fails, and shown.
func Conversations(t *testing.T, order Order, carry Carry) {
	t.Helper()
	for seed := range uint64(300) {
		talk := random(rand.New(rand.NewPCG(seed, 11)))
		if difference(talk, order, carry) == "" {
			continue
		}
		talk = shrink(talk, func(smaller conversation) bool { return difference(smaller, order, carry) != "" })
		t.Fatalf("conversation %d, made smaller, does not arrive as it was.\n%s", seed, difference(talk, order, carry))
	}
}

// difference shows a conversation and what has arrived of it, or nothing where they mean the same.
func difference(talk conversation, order Order, carry Carry) string {
	want := meaning(talk.messages(), order)
	arrived, err := carry(talk.messages())
	if err != nil {
		return fmt.Sprintf("said:\n%s\nfailed: %v", indent(want), err)
	}
	got := meaning(arrived, order)
	if slices.Equal(got, want) {
		return ""
	}
	return fmt.Sprintf("said:\n%s\narrived:\n%s", indent(want), indent(got))
}

func indent(lines []string) string { return "\t" + strings.Join(lines, "\n\t") }

// conversation is one that can be made smaller.
type conversation struct {
	system    string
	exchanges []exchange
}

// exchange is what the user says and what comes of it.
type exchange struct {
	says   []string // the first one in a message with the images
	images []string // base64
	rounds []round
}

// round is a turn of the model with the results of its calls.
type round struct {
	text  string
	calls []called
	order []int // in which the results come
}

type called struct{ id, name, args, result string }

// snippets are what texts are made of: whatever has a meaning in JSON, in event streams or in prompts.
var snippets = []string{"a", "Zoë", "\"q\"", "\\", "\n", "日本", "😀", "</s>", "{\"x\":1}", "data: y", "\t|", "'", "<b>&amp;", "0"}

// tools are the names of the tools that are called.
var tools = []string{"look", "docs-add", "f_2"}

// Tools are the tools that are called in conversations, for wires that want them on offer.
func Tools() []llm.Tool {
	var out []llm.Tool
	for _, name := range tools {
		out = append(out, llm.Tool{Name: name, Description: "Does.", Schema: []byte(`{"type":"object"}`)})
	}
	return out
}

// png begins images.
const png = "iVBORw0KGgo"

func random(r *rand.Rand) conversation {
	var c conversation
	if r.IntN(2) == 0 {
		c.system = words(r)
	}
	n := 0
	for range 1 + r.IntN(4) {
		e := exchange{says: []string{words(r)}}
		if r.IntN(4) == 0 {
			e.says = append(e.says, words(r))
		}
		for range max(0, r.IntN(4)-1) {
			e.images = append(e.images, png+strings.Repeat("A", 4*r.IntN(3))+"A")
		}
		for range r.IntN(4) {
			e.rounds = append(e.rounds, randomRound(r, &n))
		}
		if len(e.rounds) == 0 || r.IntN(2) == 0 {
			e.rounds = append(e.rounds, round{text: words(r)})
		}
		c.exchanges = append(c.exchanges, e)
	}
	c.exchanges = append(c.exchanges, exchange{says: []string{words(r)}})
	return c
}

func randomRound(r *rand.Rand, n *int) round {
	var out round
	if r.IntN(2) == 0 {
		out.text = words(r)
	}
	for i := range 1 + r.IntN(3) {
		*n++
		id := fmt.Sprintf("call_%d", *n)
		switch r.IntN(6) { // as some providers write them
		case 0:
			id = fmt.Sprintf("functions.f:%d%s", *n, strings.Repeat("x", r.IntN(90)))
		case 1:
			id = fmt.Sprintf("call_of_turn_%d", i)
		}
		out.calls = append(out.calls, called{id, tools[r.IntN(len(tools))], arguments(r), words(r)})
		out.order = append(out.order, i)
	}
	r.Shuffle(len(out.order), func(i, j int) { out.order[i], out.order[j] = out.order[j], out.order[i] })
	return out
}

// words is a text that is not blank, and that has no white space at its ends: some APIs take that off.
func words(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("w")
	for range r.IntN(4) {
		b.WriteString(snippets[r.IntN(len(snippets))])
	}
	return b.String() + "."
}

func arguments(r *rand.Rand) string {
	text, _ := jsontext.AppendQuote(nil, words(r))
	return []string{`{}`, `{"a":1.0}`, `{"b":[1,{"c":null}],"a":` + string(text) + `}`, `{"z":12345678901234567890,"é":true}`}[r.IntN(4)]
}

// messages are the conversation in the words of the gateway.
func (c conversation) messages() []llm.Message {
	var ms []llm.Message
	if c.system != "" {
		ms = append(ms, llm.Message{Role: llm.System, Text: c.system})
	}
	for _, e := range c.exchanges {
		for i, text := range e.says {
			m := llm.Message{Role: llm.User, Text: text}
			if i == 0 && len(e.images) > 0 {
				m.Text, m.Parts = "", []llm.Part{{Kind: "text", Text: text}}
				for _, data := range e.images {
					m.Parts = append(m.Parts, llm.Part{Kind: "image", MediaType: "image/png", Data: data})
				}
			}
			ms = append(ms, m)
		}
		for _, r := range e.rounds {
			m := llm.Message{Role: llm.Assistant, Text: r.text}
			for _, c := range r.calls {
				m.Calls = append(m.Calls, llm.Call{ID: c.id, Name: c.name, Arguments: c.args})
			}
			ms = append(ms, m)
			for _, i := range r.order {
				ms = append(ms, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: r.calls[i].id, Name: r.calls[i].name, Text: r.calls[i].result}})
			}
		}
	}
	return ms
}

// smaller yields conversations that say less, in the order in which they are tried.
func (c conversation) smaller(yield func(conversation) bool) {
	if c.system != "" && !yield(conversation{"", c.exchanges}) {
		return
	}
	for i, e := range c.exchanges {
		if len(c.exchanges) > 1 && !yield(conversation{c.system, slices.Delete(slices.Clone(c.exchanges), i, i+1)}) {
			return
		}
		for less := range e.smaller {
			changed := slices.Clone(c.exchanges)
			changed[i] = less
			if !yield(conversation{c.system, changed}) {
				return
			}
		}
	}
}

func (e exchange) smaller(yield func(exchange) bool) {
	for i := range e.rounds {
		if !yield(exchange{e.says, e.images, slices.Delete(slices.Clone(e.rounds), i, i+1)}) {
			return
		}
		for less := range e.rounds[i].smaller {
			changed := slices.Clone(e.rounds)
			changed[i] = less
			if !yield(exchange{e.says, e.images, changed}) {
				return
			}
		}
	}
	if len(e.images) > 0 && !yield(exchange{e.says, e.images[1:], e.rounds}) {
		return
	}
	if len(e.says) > 1 && !yield(exchange{e.says[:1], e.images, e.rounds}) {
		return
	}
	if len(e.says[0]) > 2 {
		yield(exchange{append([]string{"w."}, e.says[1:]...), e.images, e.rounds})
	}
}

func (r round) smaller(yield func(round) bool) {
	if r.text != "" && len(r.calls) > 0 && !yield(round{"", r.calls, r.order}) {
		return
	}
	if len(r.calls) < 2 {
		return
	}
	last := len(r.calls) - 1
	yield(round{r.text, r.calls[:last], slices.DeleteFunc(slices.Clone(r.order), func(i int) bool { return i == last })})
}

// shrink makes a conversation smaller for as long as it fails.
func shrink(c conversation, fails func(conversation) bool) conversation {
	for again := true; again; {
		again = false
		for less := range c.smaller {
			if fails(less) {
				c, again = less, true
				break
			}
		}
	}
	return c
}

// meaning is a conversation as lines that can be compared: neighbouring texts of one speaker are one, calls are numbered, and
// the results of a turn stand in the order of its calls.
func meaning(ms []llm.Message, order Order) []string {
	m := meant{order: order, calls: map[string]int{}}
	for i := range ms {
		m.take(&ms[i])
	}
	m.settle()
	return m.lines
}

type meant struct {
	order   Order
	lines   []string
	role    llm.Role
	text    string
	images  []string
	results []string
	calls   map[string]int // by their ids, the numbers of the last ones
	n       int
}

func (m *meant) take(msg *llm.Message) {
	if msg.Role == llm.ToolRole && msg.Result != nil {
		m.speaks(llm.ToolRole)
		m.results = append(m.results, fmt.Sprintf("result of call %03d: %q", m.calls[msg.Result.CallID], msg.Result.Text))
		return
	}
	m.speaks(msg.Role)
	m.text += msg.Text
	for i := range msg.Parts {
		p := &msg.Parts[i]
		m.text += p.Text
		if p.Kind != "image" {
			continue
		}
		if m.order == InOrder {
			m.say()
		}
		m.images = append(m.images, "shows "+p.MediaType+" "+p.Data)
		if m.order == InOrder {
			m.say()
		}
	}
	for i := range msg.Calls {
		m.say()
		c := &msg.Calls[i]
		m.n++
		m.calls[c.ID] = m.n
		args := jsontext.Value(c.Arguments)
		if args.Compact() != nil {
			args = jsontext.Value(c.Arguments + " (no JSON)")
		}
		m.lines = append(m.lines, fmt.Sprintf("call %03d: %s %s", m.n, c.Name, args))
	}
}

// speaks is called where somebody begins to speak.
func (m *meant) speaks(role llm.Role) {
	if m.role != role {
		m.settle()
		m.role = role
	}
}

func (m *meant) settle() {
	m.say()
	slices.Sort(m.results)
	m.lines = append(m.lines, m.results...)
	m.results = nil
}

func (m *meant) say() {
	if m.text != "" {
		m.lines = append(m.lines, fmt.Sprintf("%s: %q", m.role, m.text))
	}
	for _, image := range m.images {
		m.lines = append(m.lines, string(m.role)+" "+image)
	}
	m.text, m.images = "", nil
}
