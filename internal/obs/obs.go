// Package obs carries what a request is known by, and what is said of it when it has ended.
package obs

import (
	"context"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
)

// Call is one request of a client. One goroutine at a time writes to it, except Tool.
type Call struct {
	ID          string // x-fairlead-call-id
	RequestID   string // the client's x-request-id, echoed
	Traceparent string // as it came; continued towards model and MCP servers
	Tracestate  string
	TraceID     string // the client's x-litellm-trace-id

	Start    time.Time
	Key      string // the key's name, or that of a token's issuer
	Subject  string // whom the token is about
	Model    string // as asked
	Provider string
	Rounds   int
	Tools    int
	Input    int64
	Output   int64
	// What routing has done: the deployment that was asked last (empty when the model has only one), how often one was asked
	// until it answered, each failure counted, and members of the request that its wire has no word for.
	Deployment string
	Attempts   int
	Dropped    []string
	// What the rounds have used, each at its place, and what all of them cost.
	Spent []Spent
	Cost  llm.Cost
	room  [1]Spent // for the one round that most requests have

	Error string // what the log says; never shown to a client
}

// Spent is what one round has used.
type Spent struct {
	Place string // the provider and its name for the model: "openai/gpt-5.4"
	Usage llm.Usage
}

// Spend notes what a round has used, and what it costs.
func (c *Call) Spend(place string, u *llm.Usage) {
	if c.Spent == nil {
		c.Spent = c.room[:0]
	}
	c.Spent = append(c.Spent, Spent{place, *u})
	c.Spent[len(c.Spent)-1].Usage.Raw = llm.Frame{} // its bytes are somebody else's
	c.Cost = c.Cost.Plus(u.Cost)
}

type callKey struct{}

// With returns a context that carries c.
func With(ctx context.Context, c *Call) context.Context { return context.WithValue(ctx, callKey{}, c) }

// From returns the call of ctx, or an empty one that nobody reads.
func From(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}

// Traced reports whether there is a caller's trace to continue.
func (c *Call) Traced() bool { return c.Traceparent != "" || c.Tracestate != "" || c.TraceID != "" }

// Headers calls set for each header that continues the caller's trace in a request of ours.
func (c *Call) Headers(set func(name, value string)) {
	for _, h := range [...][2]string{{"Traceparent", c.Traceparent}, {"Tracestate", c.Tracestate}, {"X-Litellm-Trace-Id", c.TraceID}} {
		if h[1] != "" {
			set(h[0], h[1])
		}
	}
}

// Attrs are the facts that every log record about the call carries.
func (c *Call) Attrs() slog.Attr {
	return slog.Group("call", "id", c.ID, "traceparent", c.Traceparent, "trace_id", c.TraceID)
}
