package front

import (
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// FuzzLastEventID reads whatever a client may say of the event that it has seen last: what it names is a stream of its session or none,
// and the id of a request, which is a text or a number.
func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"T.1.-1.MQ", "T.1.3", "T.2.0.Im15IGlkIg", "T.1.99999999999999999999.MQ", "....", "T.1.0.e30"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, last string) {
		answers, standing := &strand{id: "T.1", tail: ".MQ"}, &strand{id: "T.2"}
		x := &exchange{session: &session{strands: map[string]*strand{"T.1": answers, "T.2": standing}}}
		st, _, request := x.place(last)
		switch {
		case request != nil && (!jsonedit.Valid(request) || jsonedit.Kind(request) == '{' || jsonedit.Kind(request) == '['):
			t.Errorf("the request %q", request)
		case st == answers && request == nil, st == standing && request != nil:
			t.Errorf("the stream %s for %q", st.id, request)
		}
	})
}

// FuzzBatch reads whatever a client may send as a batch: each of what is taken is one message.
func FuzzBatch(f *testing.F) {
	for _, s := range []string{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, `[]`, `[1]`, `[{"jsonrpc":"2.0","method":"initialize","id":1}]`, `[[{}]]`, `[{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if jsonedit.Kind(body) != '[' {
			return
		}
		messages, bad := readBatch(body)
		if bad != nil {
			return
		}
		if len(messages) == 0 || len(messages) > maxBatch {
			t.Errorf("%d messages", len(messages))
		}
		for _, m := range messages {
			if p, err := jsonrpc.Parse(m); err != nil || p.Method == "initialize" {
				t.Errorf("%q: %v", m, err)
			}
		}
	})
}
