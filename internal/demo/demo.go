// Package demo shows what the gateway does, without a key and without a config: a scripted stand-in for a model, which
// speaks the real wire through the real provider code, and a small MCP server, which is a real child process.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
)

// Options are what the command says.
type Options struct {
	Once     bool      // end after the answer
	Listen   string    // default: 127.0.0.1:4000, or a free port when that one is taken
	Out      io.Writer // the show
	Terminal bool      // Out understands escape sequences
	Self     []string  // the command that runs ServeTools, before the path of the notes file
	Version  string
	Log      *slog.Logger
}

// pace is how fast the stand-in speaks, so that one can see that it streams.
const pace = 40 * time.Millisecond

// Run shows the demonstration, and then serves until ctx ends. The error says why there was no answer.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return fmt.Errorf("a folder for the notes: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	model, err := providertest.Listen("127.0.0.1:0", standIn)
	if err != nil {
		return fmt.Errorf("the stand-in model: %w", err)
	}
	defer model.Close()
	l, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	cfg := demoConfig(l.Addr().String(), model.URL(), append(slices.Clip(o.Self), filepath.Join(dir, "notes.txt")))
	a, err := app.Open(cfg, app.Options{Version: o.Version, Log: o.Log})
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()

	base := "http://" + l.Addr().String()
	s := &show{out: o.Out, style: newStyle(o.Terminal)}
	s.head(base)
	err = s.run(ctx, base)
	if err != nil || o.Once {
		cancel()
		return errors.Join(err, <-ended)
	}
	s.tail(base)
	return <-ended
}

// listen opens addr. Without one it is the gateway's usual port, or a free one when that is taken.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	if addr != "" {
		return lc.Listen(ctx, "tcp", addr)
	}
	if l, err := lc.Listen(ctx, "tcp", config.Default().Listen); err == nil {
		return l, nil
	}
	return lc.Listen(ctx, "tcp", "127.0.0.1:0")
}

func demoConfig(addr, model string, command []string) *config.Config {
	cfg := config.Default()
	cfg.Listen = addr
	cfg.Models = []config.Model{{Name: "stand-in", Place: config.Place{Provider: "openai-compatible", Model: "stand-in", BaseURL: model, APIKey: secret.New("no-key-is-needed")}}}
	cfg.Servers = []config.Server{{Name: "demo", Command: command, Transport: "stdio", Protocol: "auto", Prefix: "demo", ListTTL: time.Minute}}
	return cfg
}

// standIn is the rule of the scripted model.
func standIn(r *providertest.Request) providertest.Step {
	a := asked{tools: r.ToolNames()}
	names := map[string]string{}
	for _, m := range r.Messages {
		switch m.Role {
		case "user":
			a.question, a.results = m.Text, nil
		case "assistant":
			for _, c := range m.Calls {
				names[c.ID] = c.Name
			}
		case "tool":
			a.results = append(a.results, result{names[m.CallID], m.Text})
		}
	}
	text, calls := think(a)
	if r.ToolChoice == `"none"` {
		calls = nil
	}
	return step(text, calls).Pace(pace)
}

func step(text string, calls []llm.Call) providertest.Step {
	s := providertest.Text(words(text)...)
	for _, c := range calls {
		s = s.Then(providertest.Call(c.ID, c.Name, c.Arguments))
	}
	return s
}
