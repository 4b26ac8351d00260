package messages

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"iter"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Upstream is the half of the Messages wire that faces providers. It keeps nothing between requests and may be shared.
//
// The package's doc says what of a reply travels in llm.Extra. Beside that, Start has in Extra.Top the members of the message
// that no field says, End has there those beside the delta of message_delta too, "context_management" say, a text or thinking block that follows another one of its kind begins with an event of its own, and a
// ToolCall event that opens a call has in Call.Extra the members of the block that no field says, "caller" say. A call for
// which no arguments came has "{}".
type Upstream struct {
	q      wire.Quirks
	params *wire.Params
	newID  func() string // makes up the random part of ids that a provider left out
	now    func() time.Time
	relay  wire.Relay
}

var _ wire.Upstream = (*Upstream)(nil)

// NewUpstream returns the codec for a provider with these quirks. Of the quirks Model, DropParams, RenameParams and Rules mean
// something on this wire.
func NewUpstream(q wire.Quirks) (*Upstream, error) {
	params, err := wire.NewParams(&q)
	if err != nil {
		return nil, err
	}
	return &Upstream{q: q, params: params, newID: randomID, now: time.Now}, nil
}

// Name is the wire's name.
func (*Upstream) Name() string { return Name }

// Path is where requests go, below the base URL, which is without /v1 as the vendor's own SDKs take it.
func (*Upstream) Path() string { return "/v1/messages" }

// AppendRequest appends the body that is sent: the client's own bytes with the edits that req asks for, or, for a request
// of another wire or made in process, a body encoded from the decoded fields.
func (u *Upstream) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	if req.Raw.Wire == Name {
		return u.edit(dst, req)
	}
	return u.build(dst, req)
}

// ReadReply reads a reply of status 200, streamed or not, whatever was asked for: what body holds decides. An Opaque reply,
// and the answer to an Op, is relayed; its usage is read from its start and its end. Else the events obey the grammar of
// llm.Kind. A stream that ends before message_stop is an error.
func (u *Upstream) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	if req.Opaque || req.Op != "" {
		w := watcher{stream: wire.IsStream(contentType), bare: req.Op != ""}
		return func(yield func(llm.Event, error) bool) { u.relay.Pass(contentType, body, &w, yield) }
	}
	return func(yield func(llm.Event, error) bool) { u.readTyped(contentType, body, yield) }
}

func randomID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// comma appends a comma unless nothing stands before it.
func comma(dst []byte, n int) []byte {
	if n > 0 {
		return append(dst, ',')
	}
	return dst
}

// appendMember appends a member of an object, with a comma before it unless dst is empty or ends in the opening brace.
func appendMember(dst, key, v []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), key...), '"', ':')
	return append(dst, v...)
}

// word is the text of a JSON string, "" for anything else.
func word(lit []byte) string {
	s, _ := jsonedit.Unquote(lit)
	return s
}
