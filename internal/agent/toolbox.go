package agent

import (
	"context"

	"github.com/fairlead/fairlead/internal/llm"
)

// Toolbox is what a request may use, frozen for the whole request. The package mcp implements it.
type Toolbox interface {
	// Tools are the tools as offered, in a fixed order.
	Tools() []llm.Tool
	// Behind are tools that are not offered, and are called through one that is (llm.Tool.Through) or by their own names.
	Behind() []llm.Tool
	// Meant returns what a complete call comes to: through another tool, it is a call of the tool that its arguments name. A call
	// that names none is returned as it is.
	Meant(call llm.Call) llm.Call
	// Review says whether a call that is complete may run, before it does. Call looks again.
	Review(call llm.Call) llm.Review
	// Doubts are the servers of no trust among those whose results a conversation shows, by calls that name a tool as it is
	// offered, or by Label and Tool.
	Doubts(shown []llm.Call) []string
	// Call runs one call. A tool's own failure is a Result; an error means that no call was made.
	Call(ctx context.Context, call llm.Call) (llm.Result, error)
}
