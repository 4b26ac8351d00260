// Command conformanceclient is the program that the client scenarios of the official MCP conformance suite drive: it opens a
// session with the server whose URL is its last argument, lists the tools and calls those that the scenario has.
// The suite says by its environment which scenario and which revision it runs.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/upstream"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: conformanceclient URL")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		cancel()
		os.Exit(1) //nolint:gocritic // cancel has run
	}
}

func run(ctx context.Context, url string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := upstream.New(upstream.Options{Log: log})
	defer d.Close()
	s, err := d.Dial(ctx, mcp.Server{Name: "suite", URL: url, Protocol: protocol()}, nil, nil)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = s.Close() }()
	tools, err := s.ListTools(ctx)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, c := range calls(tools) {
		res, err := s.CallTool(ctx, c)
		if err != nil {
			return fmt.Errorf("call %s: %w", c.Name, err)
		}
		log.Info("result", "tool", c.Name, "result", string(res))
	}
	return nil
}

// calls are the calls that the scenario names, or one of each tool.
func calls(tools []mcp.ToolDef) []mcp.ToolCall {
	var cs []mcp.ToolCall
	for c := range jsonedit.Elements(jsonedit.Get([]byte(os.Getenv("MCP_CONFORMANCE_CONTEXT")), "toolCalls")) {
		name, _ := jsonedit.Unquote(jsonedit.Get(c, "name"))
		cs = append(cs, mcp.ToolCall{Name: name, Arguments: jsonedit.Get(c, "arguments")})
	}
	if cs != nil || os.Getenv("MCP_CONFORMANCE_SCENARIO") == "json-schema-ref-no-deref" { // listing is all that this one asks for
		return cs
	}
	for _, t := range tools {
		cs = append(cs, mcp.ToolCall{Name: t.Name, Arguments: arguments(t.InputSchema)})
	}
	return cs
}

// protocol pins the revision of the older era, so that what is tested is the handshake and not the way to it. The stateless
// era is found by itself.
func protocol() string {
	if v := os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION"); strings.HasPrefix(v, "20") && v < "2026" {
		return v
	}
	return "auto"
}

// arguments fills the properties of a schema with values of their types.
func arguments(schema []byte) []byte {
	args := []byte{'{'}
	for key, prop := range jsonedit.Members(jsonedit.Get(schema, "properties")) {
		v := ""
		switch kind, _ := jsonedit.Unquote(jsonedit.Get(prop, "type")); kind {
		case "string":
			v = `"us-west1"`
		case "integer", "number":
			v = "5"
		case "boolean":
			v = "true"
		default:
			continue
		}
		if len(args) > 1 {
			args = append(args, ',')
		}
		args = append(append(append(args, '"'), key...), '"', ':')
		args = append(args, v...)
	}
	return append(args, '}')
}
