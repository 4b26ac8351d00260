package agent

import (
	"context"

	"github.com/fairlead/fairlead/internal/llm"
)

// Toolbox is what a request may use, frozen for the whole request. The package mcp implements it.
type Toolbox interface {
	// Tools are the tools as offered, in a fixed order.
	Tools() []llm.Tool
	// Call runs one call. A tool's own failure is a Result; an error means that no call was made.
	Call(ctx context.Context, call llm.Call) (llm.Result, error)
}
