package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/demo"
)

func serve(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`; without one, providers for whichever API keys the environment holds")
	listen := f.String("listen", "", "listen on `ADDR` (host:port) instead of the config's address; port 0 picks a free one")
	return func(ctx context.Context, _, log io.Writer) error {
		l, access, flush := logger(log, slog.LevelInfo)
		defer flush()
		v, _ := built()
		return app.Run(ctx, app.Options{Path: *path, Listen: *listen, Version: v, Getenv: os.Getenv, Log: l, Access: access})
	}
}

func demonstrate(f *flag.FlagSet) act {
	once := f.Bool("once", false, "end after the answer: 0, or 1 if it did not come")
	listen := f.String("listen", "", "listen on `ADDR` (host:port) instead of 127.0.0.1:4000")
	return func(ctx context.Context, out, log io.Writer) error {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("the program does not find itself: %w", err)
		}
		l, _, flush := logger(log, slog.LevelWarn)
		defer flush()
		v, _ := built()
		return demo.Run(ctx, demo.Options{
			Once: *once, Listen: *listen, Out: out, Terminal: isTerminal(out) && os.Getenv("NO_COLOR") == "", Self: []string{self, demoTools}, Version: v, Log: l,
		})
	}
}

// demoTools is the command that the demonstration runs as its MCP server, with the path of a file for notes. It is not
// for people, and usage does not list it.
const demoTools = "demo-tools"

func serveDemoTools(notes string, out, log io.Writer) int {
	if err := demo.ServeTools(os.Stdin, out, notes); err != nil {
		_, _ = fmt.Fprintf(log, "fairlead %s: %v\n", demoTools, err)
		return exitFailed
	}
	return exitOK
}
