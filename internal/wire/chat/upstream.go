package chat

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"iter"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Upstream is the half of the chat wire that faces providers. It keeps nothing between requests and may be shared.
type Upstream struct {
	q      wire.Quirks
	params *wire.Params
	newID  func() string // makes up the random part of ids that a provider left out
	relay  wire.Relay
}

var _ wire.Upstream = (*Upstream)(nil)

// NewUpstream returns the codec for a provider with these quirks.
func NewUpstream(q wire.Quirks) (*Upstream, error) {
	params, err := wire.NewParams(&q)
	if err != nil {
		return nil, err
	}
	return &Upstream{q: q, params: params, newID: randomID}, nil
}

// Name is the wire's name.
func (*Upstream) Name() string { return Name }

// Path is where requests go, below the base URL.
func (*Upstream) Path() string { return "/chat/completions" }

// AppendRequest appends the body that is sent: the client's own bytes with the edits that req asks for, or, for a request
// of another wire or made in process, a body encoded from the decoded fields.
func (u *Upstream) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	if req.Raw.Wire == Name {
		return u.edit(dst, req)
	}
	return u.build(dst, req)
}

// ReadReply reads a reply of status 200, streamed or not, whatever was asked for: what body holds decides. An Opaque reply
// is relayed, and its usage is read from its end. Else the events obey the grammar of llm.Kind, and all Extra are of this
// wire. A reply that breaks off before it says why it stopped ends in an error.
func (u *Upstream) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	if req.Opaque {
		return func(yield func(llm.Event, error) bool) { u.relayReply(req, contentType, body, yield) }
	}
	return func(yield func(llm.Event, error) bool) { u.readTyped(contentType, body, yield) }
}

// asksForUsage reports whether the gateway asks for a stream's usage although the client did not.
func (u *Upstream) asksForUsage(req *llm.Request) bool {
	return req.Stream && !u.q.NoStreamUsage && req.Raw.Wire == Name && !asksUsage(req)
}

func randomID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
