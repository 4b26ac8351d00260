package chat

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// normaliser makes one stream of what providers send: it takes chunks, or one whole completion, and yields events in the
// grammar of llm.Kind.
type normaliser struct {
	u *Upstream
	wire.Teller

	head  llm.Head
	begun bool
	stop  string
	usage []byte
	calls calls

	text, think wire.Joiner
	marks       thinkMarks
	sent        []news // members as they were told last

	streamed       bool     // there are more chunks than one
	before, behind []byte   // of the choices in the last chunk that was read whole
	choices        [][]byte // of the chunk at hand
	one            [1][]byte
	counts         bool // the chunk at hand tells usage

	// of the chunk at hand
	top, choice, delta []byte // members that no event has a word for
	say, thought       string
}

func (u *Upstream) normaliser(contentType string, yield func(llm.Event, error) bool) *normaliser {
	n := &normaliser{u: u, Teller: wire.Teller{Yield: yield}, head: llm.Head{ContentType: contentType}}
	n.calls.n, n.choices = n, n.one[:0]
	return n
}

// failed ends the reply with an error that the provider tells in it. After the finish reason nothing of the answer is missing.
func (n *normaliser) failed(data []byte) {
	if n.stop != "" && n.stop != "error" {
		n.end(true)
		return
	}
	n.Fail(replyFault(data))
}

// chunk takes in one chunk.
func (n *normaliser) chunk(data []byte) {
	if n.alike(data) {
		n.top = n.top[:0]
		n.takeChoices()
		return
	}
	if jsonedit.Kind(data) != '{' || len(jsonedit.Get(data)) != len(data) {
		n.Fail(broken("the provider sent a piece of its reply that is not a JSON object"))
		return
	}
	if n.begun {
		n.top = n.top[:0]
	}
	n.counts = false
	choices, problem := n.members(data)
	if problem != nil {
		n.Fail(replyFault(problem))
		return
	}
	if path := n.u.q.UsageMember; path != "" {
		n.takeUsage(jsonedit.Get(data, strings.Split(path, ".")...))
	}
	n.choices, _ = jsonedit.AppendElements(n.choices[:0], choices)
	n.takeChoices()
	n.remember(data, choices)
}

// takeChoices takes in the one choice that there is for the gateway.
func (n *normaliser) takeChoices() {
	n.choice, n.delta = n.choice[:0], n.delta[:0]
	n.calls.next()
	for _, c := range n.choices {
		if bytes.HasPrefix(c, []byte(firstChoice)) || isFirst(c) {
			n.takeChoice(c)
		}
	}
}

// firstChoice is how nearly every choice begins.
const firstChoice = `{"index":0,`

// isFirst reports whether a choice is the first one, or the only one.
func isFirst(choice []byte) bool {
	i, ok := jsonedit.Int(jsonedit.Get(choice, "index"))
	return !ok || i == 0
}

// The chunks of a stream differ in their choices and in little else. What stood before and behind them in the last chunk that
// was read whole says nothing new when it comes again.

const choicesKey = `"choices":`

// remember keeps what stands around the choices of a chunk, once it has been told. It keeps nothing of a chunk that tells usage,
// which counts again after another one, nor of one that has choices twice, since the last ones count.
func (n *normaliser) remember(data, choices []byte) {
	n.before, n.behind = n.before[:0], nil
	i := bytes.Index(data, []byte(choicesKey))
	if i < 0 || !n.begun || !n.streamed || n.counts {
		return
	}
	i += len(choicesKey)
	if bytes.HasPrefix(data[i:], choices) && !bytes.Contains(data[i+len(choices):], []byte(choicesKey)) {
		b := append(slices.Grow(n.before, len(data)-len(choices)), data[:i]...)
		b = append(b, data[i+len(choices):]...)
		n.before, n.behind = b[:i], b[i:]
	}
}

// alike reports whether a chunk is like the one before but for its choices, and finds those.
func (n *normaliser) alike(data []byte) (ok bool) {
	if len(n.before) == 0 || !bytes.HasPrefix(data, n.before) || !bytes.HasSuffix(data, n.behind) {
		return false
	}
	end := len(data) - len(n.behind)
	if end < len(n.before) {
		return false
	}
	n.choices, ok = jsonedit.AppendElements(n.choices[:0], data[len(n.before):end])
	return ok
}

// members reads the members of a chunk, and returns its choices and the error that it tells.
func (n *normaliser) members(data []byte) (choices, problem []byte) {
	for key, v := range jsonedit.Members(data) {
		switch string(key) {
		case "choices":
			choices = v
		case "error":
			if !jsonedit.IsNull(v) && string(v) != `""` {
				problem = v
			}
		default:
			n.topMember(key, v)
		}
	}
	if choices == nil && string(jsonedit.Get(data, "object")) == `"error"` {
		problem = data
	}
	return choices, problem
}

func (n *normaliser) topMember(key, v []byte) {
	switch string(key) {
	case "id":
		if n.head.ID == "" {
			n.head.ID, _ = jsonedit.Unquote(v)
		}
	case "model":
		if n.head.Model == "" {
			n.head.Model, _ = jsonedit.Unquote(v)
		}
	case "created":
		if n.head.Created == 0 {
			n.head.Created, _ = jsonedit.Int(v)
		}
	case "usage":
		n.takeUsage(v)
	case "object", "obfuscation":
	default:
		if !jsonedit.IsNull(v) && n.isNews(key, v) {
			n.top = appendMember(n.top, key, v)
		}
	}
}

// maxSent and maxSentValue bound what isNews remembers.
const (
	maxSent      = 64
	maxSentValue = 64 << 10
)

// news is a member as it was told last.
type news struct{ key, value string }

// isNews reports whether a top-level member says something that the chunks before have not said: many repeat themselves in
// each chunk. Two are told once, whatever they say later.
func (n *normaliser) isNews(key, v []byte) bool {
	for i := range n.sent {
		s := &n.sent[i]
		switch {
		case s.key != string(key):
			continue
		case s.value == string(v), s.key == "system_fingerprint", s.key == "service_tier":
			return false
		case len(v) <= maxSentValue:
			s.value = string(v)
		}
		return true
	}
	if len(n.sent) < maxSent && len(v) <= maxSentValue {
		n.sent = append(n.sent, news{string(key), string(v)})
	}
	return true
}

// choiceIsNews is isNews for a member beside a delta: words are told when they change, objects each time unless they are empty.
func (n *normaliser) choiceIsNews(key, v []byte) bool {
	switch jsonedit.Kind(v) {
	case '{', '[':
		return len(v) > 2
	}
	return n.isNews(append([]byte("choice."), key...), v)
}

func (n *normaliser) takeUsage(v []byte) {
	if jsonedit.Kind(v) == '{' {
		n.counts = true
		n.usage = append(n.usage[:0], v...)
	}
}

func (n *normaliser) takeChoice(c []byte) {
	delta := n.choiceMembers(c)
	if n.Over {
		return
	}
	n.begin()
	calls, legacy := n.takeDelta(delta)
	if legacy != nil && calls == nil && len(n.calls.list) == 0 {
		n.delta = appendMember(n.delta, []byte("function_call"), legacy)
	}
	n.unmark(n.marks.split)
	n.tell()
	for call := range jsonedit.Elements(calls) {
		n.calls.take(call)
	}
}

// choiceMembers reads what stands beside the delta, or the message, of a choice, and returns that. Some send the whole message
// so far beside each delta.
func (n *normaliser) choiceMembers(c []byte) []byte {
	var delta, message []byte
	for key, v := range jsonedit.Members(c) {
		if jsonedit.IsNull(v) {
			continue
		}
		switch string(key) {
		case "index":
		case "delta":
			delta = v
		case "message":
			message = v
		case "finish_reason":
			if s, _ := jsonedit.Unquote(v); n.stop == "" {
				n.stop = s
			}
		case "usage":
			n.takeUsage(v)
		case "error":
			n.Fail(replyFault(v))
			return nil
		default:
			if n.choiceIsNews(key, v) {
				n.choice = appendMember(n.choice, key, v)
			}
		}
	}
	if delta == nil {
		return message
	}
	return delta
}

// takeDelta reads a delta, or a whole message, and returns its calls and its legacy call.
func (n *normaliser) takeDelta(delta []byte) (calls, legacy []byte) {
	for key, v := range jsonedit.Members(delta) {
		if jsonedit.IsNull(v) || string(v) == `""` {
			continue
		}
		switch string(key) {
		case "role", "obfuscation":
		case "content":
			n.content(v)
		case "tool_calls":
			if len(v) > 2 {
				calls = v
			}
		case "function_call":
			legacy = v
		case "reasoning_content", "reasoning":
			if n.thought == "" && jsonedit.Kind(v) == '"' {
				n.thought = n.decode(&n.think, v)
			}
			n.delta = appendMember(n.delta, key, v)
		default:
			n.delta = appendMember(n.delta, key, v)
		}
	}
	return calls, legacy
}

// unmark takes what the model has thought out of what it says, where both come as its text.
func (n *normaliser) unmark(split func(text string) (thought, says string)) {
	if !n.u.q.ThinkMarks {
		return
	}
	thought, says := split(n.say)
	n.say = says
	if thought == "" {
		return
	}
	n.thought += thought
	n.delta = appendMember(n.delta, []byte("reasoning_content"), jsonedit.AppendQuote(nil, thought))
}

// content reads content: a text, or a list of parts with text and thinking among them.
func (n *normaliser) content(v []byte) {
	if jsonedit.Kind(v) == '"' {
		n.say += n.decode(&n.text, v)
		return
	}
	for part := range jsonedit.Elements(v) {
		if s := jsonedit.Get(part, "text"); s != nil {
			n.say += n.decode(&n.text, s)
		}
		switch t := jsonedit.Get(part, "thinking"); jsonedit.Kind(t) {
		case '"':
			n.thought += n.decode(&n.think, t)
		case '[':
			for el := range jsonedit.Elements(t) {
				n.thought += n.decode(&n.think, jsonedit.Get(el, "text"))
			}
		}
	}
	if n.thought != "" {
		n.delta = appendMember(n.delta, []byte("reasoning_content"), jsonedit.AppendQuote(nil, n.thought))
	}
}

func (n *normaliser) decode(j *wire.Joiner, lit []byte) string {
	if jsonedit.IsNull(lit) {
		return ""
	}
	s, ok := j.Add(lit)
	if !ok {
		n.Fail(broken("the provider sent a text that is not a JSON string"))
	}
	return s
}
