// Package all names the ways to open sessions with MCP servers, and the door for MCP clients.
package all

import (
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/front"
	"github.com/fairlead/fairlead/internal/mcp/upstream"
)

// Options are limits and times of all sessions; the zero value has good ones.
type Options = upstream.Options

// Dialer returns a function that opens sessions over every transport.
func Dialer(o Options) mcp.Dial { return upstream.New(o).Dial }

// Front is the door for MCP clients.
type Front = front.Door

// FrontOptions are what it needs beside the servers.
type FrontOptions = front.Options

// NewFront returns a door to servers.
func NewFront(servers *mcp.Catalogue, o FrontOptions) *Front { return front.New(servers, o) }
