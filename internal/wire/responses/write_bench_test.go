package responses

import (
	"net/http"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

// nowhere is a client that reads nothing.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header       { return n.h }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Flush()                      {}

// TestTextAllocations holds what a piece of text costs in a stream: the growth of the whole text, and nothing else.
func TestTextAllocations(t *testing.T) {
	const events = 2000
	req := asked(t, `{"model":"m","input":"hi","stream":true}`)
	n := testing.AllocsPerRun(5, func() {
		err := Door{}.WriteReply(nowhere{http.Header{}}, req, func(yield func(llm.Event, error) bool) {
			if !yield(llm.Event{Kind: llm.Start, Head: &llm.Head{ID: "x", Model: "m"}}, nil) {
				return
			}
			for range events {
				if !yield(llm.Event{Kind: llm.Text, Text: "a few words"}, nil) {
					return
				}
			}
			yield(llm.Event{Kind: llm.End, Stop: llm.StopDone}, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if n > 200 {
		t.Errorf("%v allocations for %d pieces of text", n, events)
	}
}
