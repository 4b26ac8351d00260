// Package fairlead is the gateway as a library: open it from a config, and use it as an http.Handler or in process.
package fairlead

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/llm"
)

// The words of requests and replies. See Request for what a request needs.
type (
	// Config is a whole configuration; LoadConfig and ParseConfig read one.
	Config = config.Config
	// Request asks for one reply. Model, Messages and MCP are enough for most.
	Request = llm.Request
	// Params are the controls of a Request; NewRequest sets those that have no zero value.
	Params = llm.Params
	// Message is one turn of a conversation.
	Message = llm.Message
	// MCPEntry names servers whose tools are offered: URL "fairlead/mcp/files", say.
	MCPEntry = llm.MCPEntry
	// Approval says which calls run without asking. Its zero value asks always.
	Approval = llm.Approval
	// Event is one piece of a reply. Its Kind says which fields hold; it is good until the next one.
	Event = llm.Event
	// Call is a model's wish to have a tool run.
	Call = llm.Call
	// Result is what came of a call.
	Result = llm.Result
)

// The roles of messages.
const (
	System    = llm.System
	User      = llm.User
	Assistant = llm.Assistant
)

// The kinds of events that most callers look at.
const (
	Text       = llm.Text
	Thinking   = llm.Thinking
	ToolCall   = llm.ToolCall
	ToolResult = llm.ToolResult
	TurnEnd    = llm.TurnEnd
	End        = llm.End
)

// Gateway is an open gateway. It may be used by many goroutines.
type Gateway struct{ app *app.App }

// LoadConfig reads a config file. An error lists all its mistakes, each with its line and column.
func LoadConfig(path string) (*Config, error) {
	return config.Load(path, app.ConfigOptions(os.Getenv))
}

// ParseConfig reads a config from memory. name stands for the file in errors.
func ParseConfig(name string, data []byte) (*Config, error) {
	return config.Parse(name, data, app.ConfigOptions(os.Getenv))
}

// Open opens a gateway, which runs until Close or until ctx ends. Its log goes to slog.Default. The config's listen
// address is not used: the caller serves the Handler where it likes.
func Open(ctx context.Context, cfg *Config) (*Gateway, error) {
	a, err := app.Open(cfg, app.Options{Version: Version(), Log: slog.Default()})
	if err != nil {
		return nil, err
	}
	g := &Gateway{a}
	context.AfterFunc(ctx, a.Close)
	return g, nil
}

// Handler serves the gateway's HTTP API.
func (g *Gateway) Handler() http.Handler { return g.app }

// Generate answers a request. The reply is made while it is ranged over, and what it opened is closed when the range ends.
// An error is the last thing yielded. The request may use everything that the config has.
func (g *Gateway) Generate(ctx context.Context, req *Request) iter.Seq2[Event, error] {
	return g.app.Generate(ctx, req)
}

// Collect returns the text of a whole reply. The texts of several rounds are one text, with a blank line between two.
func Collect(reply iter.Seq2[Event, error]) (string, error) {
	var text strings.Builder
	turn := false
	for ev, err := range reply {
		switch {
		case err != nil:
			return text.String(), err
		case ev.Kind == TurnEnd:
			turn = text.Len() > 0
		case ev.Kind == Text && turn:
			text.WriteString("\n\n")
			turn = false
		}
		if ev.Kind == Text {
			text.WriteString(ev.Text)
		}
	}
	return text.String(), nil
}

// Close ends all sessions and processes. Requests should have ended before.
func (g *Gateway) Close() { g.app.Close() }

// NewRequest returns a request with one user message. servers are the MCP servers whose tools the model may use without
// asking.
func NewRequest(model, prompt string, servers ...string) *Request {
	req := &Request{Model: model, Stream: true, Messages: []Message{{Role: User, Text: prompt}}, Params: Params{MaxCalls: -1}}
	for _, s := range servers {
		req.MCP = append(req.MCP, MCPEntry{URL: "fairlead/mcp/" + s, Approval: Approval{Never: true}})
	}
	return req
}

// ChatRequest reads a body of POST /v1/chat/completions.
func (g *Gateway) ChatRequest(body []byte) (*Request, error) {
	return g.app.ReadRequest("chat", body)
}

// Version is the version of this module in the running program.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; info.Main.Path == "github.com/fairlead/fairlead" && v != "" && v != "(devel)" {
		return v
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/fairlead/fairlead" {
			return d.Version
		}
	}
	return "dev"
}
