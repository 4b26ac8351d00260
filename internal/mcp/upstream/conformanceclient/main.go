// Command conformanceclient is the program that the client scenarios of the official MCP conformance suite drive: it opens a
// session with the server whose URL is its last argument, lists the tools and calls those that the scenario has. Where a user
// must log in, it is the user and the browser. The suite says by its environment which scenario and which revision it runs.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
	mcpall "github.com/fairlead/fairlead/internal/mcp/all"
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

func scenario() string { return os.Getenv("MCP_CONFORMANCE_SCENARIO") }

// given is what the suite tells of a scenario.
func given(name string) string {
	text, _ := jsonedit.Unquote(jsonedit.Get([]byte(os.Getenv("MCP_CONFORMANCE_CONTEXT")), name))
	return text
}

// client is a session, and the user in front of it.
type client struct {
	log     *slog.Logger
	session mcp.Session
	user    *user // nil: nobody logs in
}

func run(ctx context.Context, url string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := &client{log: log}
	server := mcp.Server{Name: "suite", URL: url, Protocol: protocol()}
	if scenario() == "elicitation-sep1034-client-defaults" {
		server.Client = []byte(`{"elicitation":{}}`)
	}
	if strings.HasPrefix(scenario(), "auth/") {
		var err error
		if c.user, err = newUser(ctx, log, &server); err != nil {
			return err
		}
		defer c.user.close()
	}
	dial := mcpall.Dialer(mcpall.Options{Log: log})
	err := c.try(ctx, func() (err error) {
		c.session, err = dial(ctx, server, nil, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = c.session.Close() }()
	var tools []mcp.ToolDef
	err = c.try(ctx, func() (err error) {
		tools, err = c.session.ListTools(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for _, tc := range calls(tools) {
		err := c.try(ctx, func() error { return c.call(ctx, tc) })
		if err != nil {
			return fmt.Errorf("call %s: %w", tc.Name, err)
		}
	}
	return nil
}

// maxLogins bounds how often one thing is tried again after a login.
const maxLogins = 3

// try does something, once more after each login that it needs.
func (c *client) try(ctx context.Context, do func() error) error {
	for n := 0; ; n++ {
		err := do()
		login := mcp.Login(err)
		if login == nil || n == maxLogins {
			return err
		}
		if err := c.user.logIn(ctx, login.URL); err != nil {
			return fmt.Errorf("log in: %w", err)
		}
	}
}

// call calls a tool as a client would whose requests are passed on, if the scenario has the server ask, and else as the loop does.
func (c *client) call(ctx context.Context, tc mcp.ToolCall) error {
	var res []byte
	var err error
	switch scenario() {
	case "elicitation-sep1034-client-defaults", "sep-2322-client-request-state":
		res, err = c.pass(ctx, tc)
	default:
		res, err = c.session.CallTool(ctx, tc)
	}
	c.log.Info("result", "tool", tc.Name, "result", string(res))
	return err
}

// calls are the calls that the scenario names, or one of each tool.
func calls(tools []mcp.ToolDef) []mcp.ToolCall {
	var cs []mcp.ToolCall
	for c := range jsonedit.Elements(jsonedit.Get([]byte(os.Getenv("MCP_CONFORMANCE_CONTEXT")), "toolCalls")) {
		name, _ := jsonedit.Unquote(jsonedit.Get(c, "name"))
		cs = append(cs, mcp.ToolCall{Name: name, Arguments: jsonedit.Get(c, "arguments")})
	}
	if cs != nil || scenario() == "json-schema-ref-no-deref" { // listing is all that this one asks for
		return cs
	}
	for _, t := range tools {
		if scenario() == "json-schema-2020-12-preservation" { // the schema of one tool is said back by the other
			if t.Name == "json_schema_2020_12_tool" {
				cs = append(cs, mcp.ToolCall{Name: "json_schema_echo", Arguments: slices.Concat([]byte(`{"schema":`), t.InputSchema, []byte("}"))})
			}
			continue
		}
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
