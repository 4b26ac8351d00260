package responses

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"iter"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Upstream is the half of the responses wire that faces providers. It keeps nothing between requests and may be shared.
//
// Providers of this wire are asked to keep nothing either, in all that the gateway itself puts together: store is false, and
// the reasoning travels encrypted with the conversation.
type Upstream struct {
	q      wire.Quirks
	params *wire.Params
	newID  func() string // makes up the random part of ids that a provider left out
	relay  wire.Relay
}

var _ wire.Upstream = (*Upstream)(nil)

// NewUpstream returns the codec for a provider with these quirks. It obeys Model, DropParams, RenameParams and TopK; the
// others are about chat completions.
func NewUpstream(q wire.Quirks) (*Upstream, error) {
	params, err := wire.NewParams(&q)
	if err != nil {
		return nil, err
	}
	return &Upstream{q: q, params: params, newID: randomHex}, nil
}

// Name is the wire's name.
func (*Upstream) Name() string { return Name }

// Path is where requests go, below the base URL.
func (*Upstream) Path() string { return "/responses" }

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
// wire, as the package's comment says. A reply that breaks off before it says that it is complete ends in an error.
func (u *Upstream) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	if req.Opaque {
		return func(yield func(llm.Event, error) bool) {
			u.relay.Pass(contentType, body, &watcher{stream: wire.IsStream(contentType), fresh: true}, yield)
		}
	}
	return func(yield func(llm.Event, error) bool) { u.read(contentType, body, yield) }
}

// ReadError turns a reply of another status into a fault.Error of kind Refused, as [wire.Refusal] does.
func (*Upstream) ReadError(status int, body []byte) error {
	return wire.Refusal("responses.ReadError", status, body)
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
