// Package providertest has a scripted model behind HTTP: it speaks OpenAI's chat completions as real vendors do, plays
// what it was told to, remembers what it was asked and refuses what real vendors refuse. Tests use it as a provider, and
// the demo as its stand-in model. It does not import testing.
package providertest

import (
	"net/http"
	"slices"
	"time"
)

// Step is one reply of the model. Steps are values: a method returns a changed copy.
//
// A step is played as a stream or as one document, as the request asks. What it consists of comes first, then what every
// reply ends with: the reason why the model stopped, the usage (in a stream only where the request asks for it), [DONE].
type Step struct {
	pieces   []piece
	stop     string
	usage    Usage
	header   http.Header
	status   int     // 0: 200
	body     *string // the whole body, verbatim
	refused  *refusal
	code     string // with refused
	open     bool   // nothing comes after the pieces
	noFinish bool
	noDone   bool
	crlf     bool
	pace     time.Duration
}

type pieceKind int

const (
	textPiece pieceKind = iota
	reasoningPiece
	callPiece  // id, name
	argsPiece  // text
	rawPiece   // text, verbatim, in streams only
	headPiece  // sends the reply's head
	waitPiece  // gate
	stallPiece // until the client leaves
	cutPiece   // ends the connection as if the server had died
	resetPiece // the same, so that the client sees a reset
)

type piece struct {
	kind pieceKind
	text string
	id   string
	name string
	gate *Gate
}

// Usage is what a reply says that it has cost.
type Usage struct {
	Input     int // prompt_tokens, Cached among them
	Cached    int
	Output    int // completion_tokens, Reasoning among them
	Reasoning int
}

// Text says pieces, each in a chunk of its own.
func Text(pieces ...string) Step {
	var s Step
	for _, p := range pieces {
		s.pieces = append(s.pieces, piece{kind: textPiece, text: p})
	}
	return s
}

// Reasoning thinks pieces, each in a chunk of its own, as reasoning_content.
func Reasoning(pieces ...string) Step {
	var s Step
	for _, p := range pieces {
		s.pieces = append(s.pieces, piece{kind: reasoningPiece, text: p})
	}
	return s
}

// Call calls a tool. The pieces of args together are the arguments; each comes in a chunk of its own.
func Call(id, name string, args ...string) Step {
	s := Step{pieces: []piece{{kind: callPiece, id: id, name: name}}}
	for _, a := range args {
		s.pieces = append(s.pieces, piece{kind: argsPiece, text: a})
	}
	return s
}

// Frames is a stream of these data lines and nothing else: the caller writes [DONE], too, where it wants it.
func Frames(data ...string) Step {
	s := Step{open: true}
	for _, d := range data {
		s.pieces = append(s.pieces, piece{kind: rawPiece, text: "data: " + d + "\n\n"})
	}
	return s
}

// Frame is one data line among other pieces.
func Frame(data string) Step { return Bytes("data: " + data + "\n\n") }

// Bytes puts raw, as it is, into a stream: comments, garbage, half a frame.
func Bytes(raw string) Step { return Step{pieces: []piece{{kind: rawPiece, text: raw}}} }

// Reply is a whole reply, verbatim, whether the request asks for a stream or not.
func Reply(status int, contentType, body string) Step {
	return Step{status: status, body: &body, header: http.Header{"Content-Type": {contentType}}}
}

// JSON is a reply of status 200 with this document, verbatim.
func JSON(body string) Step { return Reply(http.StatusOK, "application/json", body) }

// Error is a refusal in the form of the wire that the request came over.
func Error(status int, code, message string) Step {
	return Step{status: status, code: code, refused: &refusal{message: message}}
}

// Head sends the reply's head, which otherwise goes with the first piece.
func Head() Step { return Step{pieces: []piece{{kind: headPiece}}} }

// Pause waits for the gate, or until the client leaves. As the first piece it holds back the reply's head.
func Pause(g *Gate) Step { return Step{pieces: []piece{{kind: waitPiece, gate: g}}} }

// Stall sends nothing more until the client leaves.
func Stall() Step { return Step{pieces: []piece{{kind: stallPiece}}} }

// Cut ends the connection in the middle of the reply.
func Cut() Step { return Step{pieces: []piece{{kind: cutPiece}}} }

// Reset resets the connection.
func Reset() Step { return Step{pieces: []piece{{kind: resetPiece}}} }

// Then adds what others consist of.
func (s Step) Then(others ...Step) Step {
	s.pieces = slices.Clone(s.pieces)
	for _, o := range others {
		s.pieces = append(s.pieces, o.pieces...)
		s.open = s.open || o.open
	}
	return s
}

// Stop sets the reason why the model stopped. The default is tool_calls where there is a call, else stop.
func (s Step) Stop(reason string) Step {
	s.stop = reason
	return s
}

// Costs sets the usage. The default is 10 tokens in and 5 out.
func (s Step) Costs(u Usage) Step {
	s.usage = u
	return s
}

// Header adds a header to the reply.
func (s Step) Header(name, value string) Step {
	s.header = s.header.Clone()
	if s.header == nil {
		s.header = http.Header{}
	}
	s.header.Set(name, value)
	return s
}

// NoFinish leaves out the reason why the model stopped, the usage and [DONE]: the reply ends as if all were well.
func (s Step) NoFinish() Step {
	s.noFinish = true
	return s
}

// NoDone leaves out [DONE].
func (s Step) NoDone() Step {
	s.noDone = true
	return s
}

// CRLF ends lines of a stream with CR LF.
func (s Step) CRLF() Step {
	s.crlf = true
	return s
}

// Pace waits for d before each chunk of a stream, for people who watch.
func (s Step) Pace(d time.Duration) Step {
	s.pace = d
	return s
}

// Gate holds a reply until it is opened.
type Gate struct {
	opened  chan struct{}
	reached chan struct{}
}

// NewGate returns a closed gate. It is good for one reply.
func NewGate() *Gate { return &Gate{make(chan struct{}), make(chan struct{})} }

// Open lets the reply go on. Call it once.
func (g *Gate) Open() { close(g.opened) }

// Reached is closed when the reply stands before the gate.
func (g *Gate) Reached() <-chan struct{} { return g.reached }
