package responses

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestTheKeptReplyIsTheOneThatWasTold lets a second pass with each look at the clock.
func TestTheKeptReplyIsTheOneThatWasTold(t *testing.T) {
	d, now := testDoor(), int64(1700000000)
	d.now = func() time.Time { now++; return time.Unix(now, 0) }
	req, k := asked(t, `{"model":"m","input":"hi"}`), &kept{}
	req.Replies = k
	events := func(yield func(llm.Event, error) bool) {
		_ = yield(llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "x", Model: "m"}}, nil) &&
			yield(llm.Event{Kind: llm.Text, Text: "a"}, nil) && yield(llm.Event{Kind: llm.End, Stop: llm.StopDone}, nil)
	}
	w := httptest.NewRecorder()
	if err := d.WriteReply(w, req, events); err != nil {
		t.Fatal(err)
	}
	if len(k.replies) != 1 || string(k.replies[0].Body) != w.Body.String() {
		t.Errorf("kept\n%s\ntold\n%s", k.replies[0].Body, w.Body)
	}
}
