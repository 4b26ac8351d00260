package front

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// A requestState that a client holds is sealed, and good for the one request that it was given out for: the same method with
// the same params, of the same principal at the same address. It says what is to be done when the request comes again.
const (
	stateServer  = 's' // give the server its own state back, which follows
	stateParked  = 'p' // go on with the call that waits under the name that follows
	stateConsent = 'c' // a person was asked whether the request may be made at all
	stateAgain   = 'a' // make the request once more: the client has visited an address that the server wanted it to
)

// stateLife is how long a client may take to find out what a server asks for.
const stateLife = time.Hour

const digestSize = sha256.Size

// state is a requestState that has been opened.
type state struct {
	handle  [sha256.Size]byte // a hash of it
	kind    byte
	content []byte
}

// sealState makes a handle, as a JSON text.
func (x *exchange) sealState(kind byte, content []byte, life time.Duration) []byte {
	sum := x.digest()
	all := append(append([]byte{kind}, sum[:]...), content...)
	return jsonedit.AppendQuote(nil, x.d.o.Seal.Seal(scope("state", x.v), all, life))
}

// openState opens the handle that a request brings back. All that may be wrong with it looks the same.
func (x *exchange) openState(handle []byte) (state, bool) {
	text, ok := jsonedit.Unquote(handle)
	if !ok {
		return state{}, false
	}
	all, ok := x.d.o.Seal.Open(scope("state", x.v), text)
	if !ok || len(all) < 1+digestSize || [digestSize]byte(all[1:]) != x.digest() {
		return state{}, false
	}
	return state{handle: sha256.Sum256([]byte(text)), kind: all[0], content: all[1+digestSize:]}, true
}

func unknownState() answer {
	return failed(http.StatusOK, jsonrpc.CodeInvalidParams, "params.requestState is not known")
}

// digest is what a request must have in common with the one that it repeats: all but what it adds. The order of members does
// not matter.
func (x *exchange) digest() [digestSize]byte {
	v := jsontext.Value(slices.Clone(x.m.Params))
	if v == nil {
		v = jsontext.Value("{}")
	}
	if o, err := jsonedit.Scan(v, callKeys); err == nil {
		var edits []jsonedit.Edit
		for _, key := range []string{"_meta", "requestState", "inputResponses"} {
			edits = o.Delete(edits, v, key)
		}
		v = jsonedit.Apply(nil, v, edits)
	}
	_ = v.Compact(jsontext.ReorderRawObjects(true)) // it is JSON, and has been read before
	return sha256.Sum256(append([]byte(x.m.Method+"\x00"), v...))
}

// spent are the states of servers that a call has been made with, so that an answer of a user has its effect once. It is known
// to this process; what other processes may do is for the server to decide, whose state it is.
type spent struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]time.Time // until when the state would be good
}

// spend reports whether a state may be used. undo makes it good again.
func (s *spent) spend(st *state) (undo func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if _, twice := s.by[st.handle]; twice {
		return nil, false
	}
	if s.by == nil {
		s.by = map[[sha256.Size]byte]time.Time{}
	}
	if len(s.by) >= maxLive {
		for h, until := range s.by {
			if until.Before(now) || len(s.by) >= maxLive {
				delete(s.by, h)
			}
		}
	}
	s.by[st.handle] = now.Add(stateLife)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.by, st.handle)
	}, true
}
