package llm

import (
	"context"
	"slices"
)

// What outlives a reply. Everything belongs to a principal, and expires: an id that is wrong, foreign or expired is not
// found, and no two of these can be told apart.

// Kept is the hidden part of a mixed turn: the messages that stand, for the model, where the client has one assistant
// message with Calls. IDs are the ids of Calls.
type Kept struct {
	IDs      []string  `json:"ids"`
	Calls    []Call    `json:"calls"`
	Messages []Message `json:"messages"`
}

// Turn is k for a client that has sent our calls back itself: the turn of the Calls alone. It reports false when that has
// nothing that the client does not have, or calls of ours.
func (k Kept) Turn() (Kept, bool) {
	for _, m := range slices.Backward(k.Messages) {
		if len(m.Calls) == 0 {
			continue
		}
		k.Messages = []Message{m}
		return k, len(m.Extra) > 0 && len(m.Calls) == len(k.Calls)
	}
	return k, false
}

// Pending is a call that waits for the client's word.
type Pending struct {
	ID     string `json:"id"`    // "mcpr_…", what the client is told
	Label  string `json:"label"` // what the client calls the server
	Server string `json:"server"`
	Tool   string `json:"tool"` // the server's own name for it
	Call   Call   `json:"call"` // complete, as the model made it
	Wire   string `json:"wire,omitempty"`
	Reason string `json:"reason,omitempty"` // why it is asked, where a rule of the gateway's says so
	// Tainted are the servers of no trust whose results the model had read when it made the call.
	Tainted []string `json:"tainted,omitempty"`
}

// Answer is the client's word on a call that was asked about.
type Answer struct {
	Param   string // where the client wrote it, "input[3]" say; used in errors
	Pending Pending
	Approve bool
	Reason  string
}

// Approvals are the questions to one principal.
type Approvals interface {
	Ask(ctx context.Context, p Pending) error
	// Pending finds a question that has not been used up.
	Pending(ctx context.Context, id string) (Pending, bool, error)
	// Claim uses a question up. Of all that claim it, on whatever replica, one gets true.
	Claim(ctx context.Context, id string) (bool, error)
}

// Reply is a reply that clients may come back to.
type Reply struct {
	ID       string
	Previous string // the reply that it goes on from; empty for none
	Model    string
	Status   string // the wire's word: "completed", "in_progress"
	Input    []byte // JSON array: what the client said, without what Previous stands for
	Items    []byte // JSON array: what was answered
	Body     []byte // the whole reply as its wire shows it
}

// Replies are the kept replies of one principal.
type Replies interface {
	Save(ctx context.Context, r Reply) error
	Reply(ctx context.Context, id string) (Reply, bool, error)
	// Chain returns the reply and those that it goes on from, oldest first. With one of them gone there is no chain.
	Chain(ctx context.Context, id string) ([]Reply, bool, error)
	// Item finds one item of a kept reply's Input or Items by its member "id".
	Item(ctx context.Context, id string) ([]byte, bool, error)
}
