// Package llm holds the words of the gateway: what is asked of a model and what it answers, in no wire's terms.
//
// It imports nothing of the project. Wires translate between these words and bytes; every policy (the tool loop,
// fallback, metering) is a Model around a Model.
package llm

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// Model answers requests. Providers, fallback, meter, cache, guard and the agent loop are all Models around Models.
type Model interface {
	// Generate yields one reply as it is made. Nothing happens until it is ranged over; what it opened is closed
	// when the range ends, by break, return, error or the end. An error is the last thing yielded. Range once.
	// An event and all it points to is good until the next event: what is kept must be copied.
	Generate(ctx context.Context, req *Request) iter.Seq2[Event, error]
}

// Func is a function used as a Model.
type Func func(ctx context.Context, req *Request) iter.Seq2[Event, error]

// Generate calls f.
func (f Func) Generate(ctx context.Context, req *Request) iter.Seq2[Event, error] { return f(ctx, req) }

// Frame is a piece of some wire as it came.
type Frame struct {
	Wire  string // the wire's name, "chat" say; empty for none
	Bytes []byte
	Index any // what the codec of that wire found in Bytes; means nothing to anybody else
}

// Request asks for one reply.
//
// A request that came over a wire keeps its body in Raw; a codec of the same wire edits that body, and the decoded
// fields are nil until Door.Decode fills them for somebody who must look inside. A request made in process leaves Raw
// empty and fills the decoded fields.
type Request struct {
	Model  string
	Stream bool // the client wants the reply as it is made
	Opaque bool // set once by plan: nobody on the way needs to read the reply

	Messages []Message  // the conversation; nil until decoded
	Tools    []Tool     // the caller's own tools; nil until decoded
	MCP      []MCPEntry // the servers whose tools the caller wants offered; nil until decoded
	Params   Params     // the controls that the loop must know; zero until decoded
	Mock     *Mock      // set when the request brings its own answer

	Raw           Frame
	Op            string    // what is asked of the model beside a reply, as a path below the wire's own: "/count_tokens"; empty for a reply
	Headers       []Header  // of the client's request: they go along to an upstream of the same wire
	Local         bool      // it refers to what this gateway keeps, or asks it to keep something that it must: never relayed
	Detached      bool      // the reply is made whether or not the client stays
	AddedTools    []Tool    // offered before the caller's own, in this order
	Behind        []Tool    // not offered, and called through one of AddedTools or by their own names
	AddedMessages []Message // what this request's earlier rounds added to the conversation
	Restored      []Kept    // hidden turns of earlier requests, to be put back into the conversation
	ToolChoice    Choice    // overrides the caller's tool choice; ChoiceAsIs leaves it alone
	Show          Show      // how tool rounds show in a stream

	Principal string    // whose request it is
	Replies   Replies   // what earlier replies left for the principal; nil: nothing is kept
	Approvals Approvals // questions to the principal whether a call may run; nil: none can be asked
	Drops     bool      // what the target cannot be asked for is left out, and told, in place of a refusal
	Without   []string  // members of Raw that are not sent
	Dropped   []string  // members of the request that the target could not be asked for and that were left out, by name
	Errand    *Errand   // set when no reply is asked for but something else: Model and Principal alone hold beside it
	Answers   []Answer  // what the client says about calls that were asked about: dealt with before the model is asked
}

// Header is one header of a request.
type Header struct{ Name, Value string }

// NameOf returns the name under which the call's tool is offered to the model. A call that an earlier reply showed by its
// server's label and the tool's own name is looked up among the tools of this request.
func (r *Request) NameOf(c *Call) string {
	if c.Name != "" || c.Tool == "" {
		return c.Name
	}
	for _, tools := range [2][]Tool{r.AddedTools, r.Behind} {
		for i := range tools {
			if t := &tools[i]; t.Label == c.Label && (t.Tool == c.Tool || t.Name == c.Tool) {
				return t.Name
			}
		}
	}
	return plainName(c.Label + "-" + c.Tool)
}

// plainName keeps the characters that every provider takes in the name of a function, and 64 of them.
func plainName(s string) string {
	b := []byte(s[:min(len(s), 64)])
	for i, c := range b {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			b[i] = '_'
		}
	}
	return string(b)
}

// Conversation is the decoded messages with hidden turns put back, and what the rounds so far have added.
func (r *Request) Conversation() []Message {
	if len(r.Restored) == 0 && len(r.AddedMessages) == 0 {
		return r.Messages
	}
	out := make([]Message, 0, len(r.Messages)+len(r.AddedMessages))
	told := make([]bool, len(r.Restored))
	for i := range r.Messages {
		m := &r.Messages[i]
		at := slices.IndexFunc(r.Restored, func(k Kept) bool {
			return slices.ContainsFunc(m.Calls, func(c Call) bool { return slices.Contains(k.IDs, c.ID) })
		})
		if at >= 0 && !told[at] && len(r.Restored[at].Messages) > 0 {
			told[at] = true
			kept := r.Restored[at].Messages
			out = append(withoutTexts(out, kept), kept...)
			continue
		}
		out = append(out, *m)
	}
	return append(out, r.AddedMessages...)
}

// withoutTexts takes from the end of a conversation what the client has seen of a hidden turn: the texts of its rounds, where
// a wire shows each as a message of its own.
func withoutTexts(out, kept []Message) []Message {
	for len(out) > 0 {
		m := &out[len(out)-1]
		if m.Role != Assistant || len(m.Calls) > 0 || !slices.ContainsFunc(kept, func(k Message) bool { return k.Role == Assistant && k.Text == m.Text }) {
			break
		}
		out = out[:len(out)-1]
	}
	return out
}

// Mock is an answer that the request brings along.
type Mock struct {
	Text  string
	Calls []Call
}

// Choice is a tool choice that the loop sets.
type Choice int

// The choices. ChoiceAsIs keeps the caller's.
const (
	ChoiceAsIs Choice = iota
	ChoiceAuto
	ChoiceNone
)

// Show says how tool rounds show in a streamed chat reply.
type Show int

// The stream modes of SURFACE §2. ShowStandard is the zero value.
const (
	ShowStandard Show = iota
	ShowHidden
	ShowAnnotated
	ShowLegacy
)

// Role says who speaks.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Message is one turn of a conversation.
type Message struct {
	Role   Role    `json:"role"`
	Text   string  `json:"text,omitempty"`
	Parts  []Part  `json:"parts,omitempty"`  // content that is not one text; Text is then empty
	Calls  []Call  `json:"calls,omitempty"`  // Assistant: the calls it made
	Result *Result `json:"result,omitempty"` // ToolRole: what came of one call
	Think  string  `json:"think,omitempty"`  // Assistant: the reasoning that came before, where the client sent it back as text
	Extra  []byte  `json:"extra,omitempty"`  // Assistant: members to send back as they came, `"k":v,"l":w`, in Wire's terms
	Wire   string  `json:"wire,omitempty"`   // the wire that Extra (and the calls' Extra) speak
}

// Part is one piece of content.
type Part struct {
	Kind      string `json:"kind"` // text | image | audio | file | resource | link
	Text      string `json:"text,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"` // base64
	URI       string `json:"uri,omitempty"`
	Name      string `json:"name,omitempty"`   // file: its name
	Detail    string `json:"detail,omitempty"` // image: low | high | auto
}

// Call is a model's wish to have a tool run. In a ToolCall event Arguments is the next fragment; ID and Name stand in
// the first event of an Index only.
type Call struct {
	ID        string `json:"id"`
	Name      string `json:"name"`            // as offered
	Arguments string `json:"arguments"`       // JSON text, as the model wrote it
	Extra     []byte `json:"extra,omitempty"` // members of the call that no other field says, as they came
	Label     string `json:"label,omitempty"` // with Tool and without Name: an earlier reply showed the call so; see Request.NameOf
	Tool      string `json:"tool,omitempty"`
	Approved  bool   `json:"-"` // the client has let it run
	// Tainted are the servers of no trust whose results the model had read when it made the call.
	Tainted []string `json:"-"`
}

// Review is what is said of a call before it runs, when its arguments are known.
type Review struct {
	Held    bool   // a person must let it run
	Refused bool   // it will not run, whoever lets it
	Reason  string // why, where a rule says so
}

// Result is what came of a call. A tool's own failure is a Result too.
type Result struct {
	CallID  string `json:"call_id"`
	Name    string `json:"name"`             // as offered
	Server  string `json:"server,omitempty"` // empty when no server was asked
	Tool    string `json:"tool,omitempty"`   // the server's own name for the tool
	Text    string `json:"text"`             // what the model reads
	Parts   []Part `json:"parts,omitempty"`  // the same with media kept, for wires that take media in results
	IsError bool   `json:"is_error,omitempty"`
	// Untrusted says that Server is one of no trust, and that the text may be that of strangers.
	Untrusted bool  `json:"untrusted,omitempty"`
	Round     int   `json:"round,omitempty"` // from 1
	Duration  int64 `json:"duration_ms,omitempty"`
}

// Tool is a function that is offered to the model.
type Tool struct {
	Name        string // as offered
	Description string
	Schema      []byte // JSON Schema of the arguments, as it came
	Strict      *bool  // the caller's own word on strict schemas
	ReadOnly    bool   // the server says that the tool changes nothing
	Label       string // what the caller calls the server: the entry's server_label, else the server's name
	Server      string // the server that runs it; empty for the caller's own
	Tool        string // the server's own name for it
	Ask         bool   // ours, but the client decides: a call is handed to it
	Through     bool   // a call of it runs another tool, which its arguments name
	Forms       *Forms // what wires have made of it; nil: nothing is kept
}

// Forms keeps what wires make of a tool, so that it is made once and not for each request. Its zero value is ready, and nil
// keeps nothing. It is shared by all requests that are offered the tool.
type Forms struct {
	mu   sync.Mutex // held while a form is added
	made atomic.Pointer[[]formed]
}

// Form says which of a tool's forms is meant: a wire's word for it, and the name under which the tool is offered.
type Form struct{ Wire, Name string }

type formed struct {
	Form
	bytes []byte
}

// maxForms bounds what is kept of one tool: the wires that there are, times the names that collisions give it.
const maxForms = 16

// Get returns the form, or nil if it is not kept. Nobody changes what it returns.
func (f *Forms) Get(key Form) []byte {
	if f == nil {
		return nil
	}
	list := f.all()
	for i := range list {
		if list[i].Form == key {
			return list[i].bytes
		}
	}
	return nil
}

func (f *Forms) all() []formed {
	if list := f.made.Load(); list != nil {
		return *list
	}
	return nil
}

// Keep keeps b as the form, and returns it. b is not changed any more.
func (f *Forms) Keep(key Form, b []byte) []byte {
	if f == nil {
		return b
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if list := f.all(); f.Get(key) == nil && len(list) < maxForms {
		list = append(slices.Clip(list), formed{key, b})
		f.made.Store(&list)
	}
	return b
}

// MCPEntry names servers whose tools the caller wants offered.
type MCPEntry struct {
	Param    string // where the caller wrote it, "tools[0]" say; used in errors
	Member   string // of Param, where URL stands; empty: server_url
	URL      string // server_url
	Label    string // server_label
	Allowed  []string
	Filtered bool // Allowed holds: an empty list then allows none
	Denied   []string
	ReadOnly *bool // allowed_tools.read_only
	Approval Approval
	Headers  map[string]string
}

// Approval says which calls run without asking. The zero value asks always.
type Approval struct {
	Never  bool // "never"
	AskFor Filter
	RunFor Filter
}

// Filter picks tools by name, or by their read-only hint.
type Filter struct {
	Names    []string
	ReadOnly *bool
	Set      bool // the filter was given
}
