package cohere

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"io"
	"iter"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Upstream is the half of the wire that faces providers. It keeps nothing between requests and may be shared.
type Upstream struct {
	q      wire.Quirks
	params *wire.Params
	newID  func() string // makes up ids that a provider left out
	now    func() time.Time
	relay  wire.Relay
}

var _ wire.Upstream = (*Upstream)(nil)

// NewUpstream returns the codec for a provider with these quirks. Of the quirks Model, DropParams and RenameParams mean
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

// Path is where requests go, below the base URL, which is without a version as the vendor's own SDKs take it.
func (*Upstream) Path() string { return "/v2/chat" }

// model is the name that the provider knows the model by.
func (u *Upstream) model(req *llm.Request) string { return cmp.Or(u.q.Model, req.Model) }

// AppendRequest appends a body made of the decoded fields.
func (u *Upstream) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	return u.build(dst, req)
}

// ReadReply reads a reply of status 200, streamed or not, whatever was asked for: what body holds decides. An Opaque reply is
// relayed. A stream that ends before message-end is an error.
func (u *Upstream) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	if req.Opaque {
		w := watcher{stream: wire.IsStream(contentType)}
		return func(yield func(llm.Event, error) bool) { u.relay.Pass(contentType, body, &w, yield) }
	}
	return func(yield func(llm.Event, error) bool) { u.readTyped(req, contentType, body, yield) }
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
func appendMember(dst []byte, key string, v []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), key...), '"', ':')
	return append(dst, v...)
}

// quote is a JSON string.
func quote(s string) []byte { return jsonedit.AppendQuote(nil, s) }

// word is the text of a JSON string, "" for anything else.
func word(lit []byte) string {
	s, _ := jsonedit.Unquote(lit)
	return s
}
