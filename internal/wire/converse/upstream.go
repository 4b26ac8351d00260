package converse

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Upstream is the half of the wire that faces providers. It keeps nothing between requests and may be shared.
type Upstream struct {
	q      wire.Quirks
	params *wire.Params
	newID  func() string // the random part of ids: a reply has none of its own
	now    func() time.Time
	relay  wire.Relay
}

var _ wire.Pather = (*Upstream)(nil)

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

// Path is what all paths begin with. Where a request goes says PathFor.
func (*Upstream) Path() string { return "/model" }

// PathFor is /model/{id}/converse, or converse-stream. The model's id, which may be an ARN, is one segment of the path.
func (u *Upstream) PathFor(req *llm.Request) string {
	action := "/converse"
	if req.Stream {
		action = "/converse-stream"
	}
	return u.Path() + "/" + wire.Segment(u.model(req)) + action
}

func (u *Upstream) model(req *llm.Request) string { return cmp.Or(u.q.Model, req.Model) }

// AppendRequest appends a body encoded from the decoded fields.
func (u *Upstream) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	if strings.Trim(u.model(req), ".") == "" {
		return dst, fault.Invalidf("model", "model names no model of Amazon Bedrock")
	}
	return u.build(dst, req)
}

// ReadReply reads a reply of status 200: a JSON document, or frames of application/vnd.amazon.eventstream. What body begins
// with decides. A stream that ends before messageStop is an error. An Opaque reply is relayed.
func (u *Upstream) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	if req.Opaque {
		return func(yield func(llm.Event, error) bool) { u.relay.Pass(contentType, body, watcher{}, yield) }
	}
	return func(yield func(llm.Event, error) bool) { u.read(req, contentType, body, yield) }
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

// member appends a member of an object, with a comma before it unless dst ends in the opening brace.
func member(dst []byte, key string, v []byte) []byte {
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
