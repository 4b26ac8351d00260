package plan

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// mock answers with what the request itself brings: its calls in the first round, then its text. It is a stand-in for a
// provider in tests of a client, and runs only where the config allows mocks.
type mock struct{}

var _ llm.Model = mock{}

// rateLimit is the text by which a LiteLLM client asks for a 429.
const rateLimit = "litellm.RateLimitError"

// Generate yields the mocked turn.
func (mock) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		m := req.Mock
		if m.Text == rateLimit {
			yield(llm.Event{}, &fault.Error{Kind: fault.Refused, Status: 429, Code: "rate_limit_exceeded", Type: "rate_limit_error", Message: "a mocked rate limit"})
			return
		}
		head := &llm.Head{ID: "chatcmpl-mock-" + obs.NewID(), Model: req.Model, Created: time.Now().Unix()}
		if !yield(llm.Event{Kind: llm.Start, Head: head}, nil) {
			return
		}
		if len(m.Calls) > 0 && len(req.AddedMessages) == 0 && req.ToolChoice != llm.ChoiceNone {
			for i, c := range m.Calls {
				if c.ID == "" {
					c.ID = "call_" + obs.NewID()
				}
				if !yield(llm.Event{Kind: llm.ToolCall, Index: i, Call: c}, nil) {
					return
				}
			}
			yield(llm.Event{Kind: llm.End, Stop: llm.StopTools, Usage: mockUsage(m)}, nil)
			return
		}
		for word := range strings.SplitAfterSeq(m.Text, " ") {
			if word != "" && !yield(llm.Event{Kind: llm.Text, Text: word}, nil) {
				return
			}
		}
		yield(llm.Event{Kind: llm.End, Stop: llm.StopDone, Usage: mockUsage(m)}, nil)
	}
}

// mockUsage is LiteLLM's: fixed numbers that nobody takes for a bill.
func mockUsage(*llm.Mock) *llm.Usage { return &llm.Usage{Known: true, Input: 10, Output: 20} }
