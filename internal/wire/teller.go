package wire

import "github.com/fairlead/fairlead/internal/llm"

// Teller yields the events of one reply. It holds each back until it is known whether another follows at once, so that
// whoever writes them need not flush in between (llm.Event.More). The readers of all wires tell their replies through one.
type Teller struct {
	Yield func(llm.Event, error) bool
	Over  bool      // the reply has ended: told, failed, or nobody listens any more
	last  llm.Event // Kind 0: none
}

// Emit yields an event, unless the reply is over. It is held until the next one, or Release.
func (t *Teller) Emit(ev llm.Event) {
	t.Release(true)
	t.last = ev
}

// Settle is called between two events of a stream. While the next one is there already the last event is held on; bytes of
// the stream do not outlive it.
func (t *Teller) Settle(ready bool) {
	if !ready || !t.last.Extra.Empty() || len(t.last.Call.Extra) > 0 {
		t.Release(false)
	}
}

// Release yields the event that is held. more says whether another follows at once.
func (t *Teller) Release(more bool) {
	ev := t.last
	t.last = llm.Event{}
	if ev.Kind == 0 || t.Over {
		return
	}
	ev.More = more
	if !t.Yield(ev, nil) {
		t.Over = true
	}
}

// Fail ends the reply with err.
func (t *Teller) Fail(err error) {
	if t.Release(true); !t.Over {
		t.Over = true
		t.Yield(llm.Event{}, err)
	}
}
