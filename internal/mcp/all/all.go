// Package all names the ways to open sessions with MCP servers.
package all

import (
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/upstream"
)

// Options are limits and times of all sessions; the zero value has good ones.
type Options = upstream.Options

// Dialer returns a function that opens sessions over every transport.
func Dialer(o Options) mcp.Dial { return upstream.New(o).Dial }
