package llm

import "strconv"

// Kind says which fields of an Event hold.
type Kind int

// A reply is Start, then any of Text, Thinking, ToolCall, Other and Note, then End. The tool loop puts several turns into
// one reply: each but the last closes with a TurnEnd, followed by a ToolResult for each of the calls that the gateway
// ran. A Note that a call of ours has Started, with the whole call, precedes its ToolResult. Calls that the client let run
// come first, before Start. An Opaque reply is Opaque events and one End.
const (
	Opaque     Kind = iota + 1 // Raw: bytes of the client's own wire; the first carries Head.ContentType
	Start                      // Head: the reply's id and model; once a turn. Usage: what of it is known already; it comes again at the end
	Text                       // Text: the next piece of the answer
	Thinking                   // Text: the next piece of the model's reasoning
	ToolCall                   // Index, Call: the next piece of a call; Ours when the gateway will run it
	Other                      // Extra alone: a piece that only its own wire has a word for
	Note                       // Note: something that the gateway tells
	TurnEnd                    // Stop, Usage: a turn ended and the reply goes on
	ToolResult                 // Result: what came of one of our calls, in call order
	Asked                      // Pending: a call that the client must let run, after it has been kept
	End                        // Stop, Usage: the reply is complete
)

var kindNames = [...]string{"", "Opaque", "Start", "Text", "Thinking", "ToolCall", "Other", "Note", "TurnEnd", "ToolResult", "Asked", "End"}

// String names the kind.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Event is one piece of a reply: either bytes (Opaque) or meaning, never both.
type Event struct {
	Kind    Kind
	Index   int // ToolCall: the call's place in its turn, from 0 without gaps
	Text    string
	Call    Call
	Ours    bool
	Result  *Result
	Note    *Notice
	Pending *Pending
	Head    *Head
	Stop    string
	Usage   *Usage
	Extra   Extra
	Raw     []byte
	More    bool // another event follows without waiting for the model: a writer may put off its flush until then
}

// Head is what a turn says about itself when it starts.
type Head struct {
	ID          string
	Model       string
	Created     int64 // Unix seconds
	ContentType string
	Status      int      // of a reply to an Errand
	Headers     []Header // of a reply to an Errand: those that concern the client
	Length      int64    // of a reply to an Errand: of its body, in bytes; -1 when that is not known
}

// Extra holds members of a reply that the other fields have no word for, as Wire wrote them: `"k":v,"l":w`, without
// braces. A door of the same wire writes them out again; others leave them.
type Extra struct {
	Wire   string
	Top    []byte // beside choices
	Choice []byte // beside delta or message
	Delta  []byte // inside delta or message
}

// Empty reports whether there is nothing in it.
func (x Extra) Empty() bool { return len(x.Top)+len(x.Choice)+len(x.Delta) == 0 }

// The reasons why a model stopped, as Event.Stop has them. Others pass as the provider wrote them.
const (
	StopDone   = "stop"
	StopLength = "length"
	StopTools  = "tool_calls"
	StopFilter = "content_filter"
	StopPause  = "pause_turn" // a limit stopped the reply: the client may have it continued
)

// Usage counts a turn's tokens in buckets that do not overlap. Known is false when the provider did not say.
type Usage struct {
	Known          bool
	Input          int64 // neither read from nor written to a cache, and no audio
	CacheRead      int64
	CacheWrite     int64 // for minutes
	CacheWriteLong int64 // for an hour, where the provider tells that apart
	AudioInput     int64
	ToolInput      int64 // what the provider's own tools put before the model, where it is counted apart
	Output         int64 // without Reasoning and AudioOutput
	Reasoning      int64
	AudioOutput    int64
	ToolUses       int64 // uses of the provider's own tools that have a price of their own; no tokens
	Raw            Frame // the provider's own words, for a door of the same wire
	Cost           Cost  // what the meter makes of the counts
}

// Inputs are all tokens that the model has read.
func (u *Usage) Inputs() int64 {
	return u.Input + u.CacheRead + u.CacheWrite + u.CacheWriteLong + u.AudioInput + u.ToolInput
}

// Outputs are all tokens that the model has made.
func (u *Usage) Outputs() int64 { return u.Output + u.Reasoning + u.AudioOutput }

// Notice is something that the gateway tells beside the model's words.
type Notice struct {
	Tools   []Tool        // the tools of servers, as offered; told once, and good as long as the reply
	Errors  []ServerError // servers whose tools could not be listed; told once
	Started *Call         // a call of ours begins to run; complete
	Server  string        // with Started
	Tool    string        // with Started: the server's own name
	Label   string        // with Started: what the caller calls the server
	Round   int           // with Started
	Asked   string        // with Started: the id of the question that the client has answered; empty for none
	Held    *Held         // a call of ours that is handed to the client, which decides
}

// Held is a call that a rule of the gateway's leaves to the client.
type Held struct{ ID, Name, Server, Tool, Reason string }

// ServerError says why a server has no tools.
type ServerError struct {
	Server string `json:"server"`
	Error  string `json:"error"`
	Label  string `json:"-"` // what the caller calls the server
	Login  string `json:"-"` // where a user must log in first; empty when that is not why
}
