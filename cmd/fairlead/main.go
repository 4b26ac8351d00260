// Command fairlead is an LLM gateway and an MCP gateway in one binary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/fairlead/fairlead/internal/config"
)

func main() {
	tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) }) // a second Ctrl-C ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is one sub-command. Its flags are set on the FlagSet before act is called; standard output is for answers.
type command struct {
	name  string
	about string
	setup func(f *flag.FlagSet) act
}

// act does the work of a command. What it returns is one line for a person, or several for config mistakes.
type act func(ctx context.Context, out, log io.Writer) error

// errUsage says that the flags are wrong; errTold that everything has been said already.
var (
	errUsage = errors.New("wrong usage")
	errTold  = errors.New("told")
)

func commands() []command {
	return []command{
		{"serve", "run the gateway", serve},
		{"demo", "run the gateway with a scripted stand-in model and a built-in MCP server, and show an answer", demonstrate},
		{"check", "validate a config, and print every mistake in it", check},
		{"tools", "list the tools of the config's MCP servers", tools},
		{"mcp", "be an MCP server on standard input and output, in front of the config's servers", serveMCP},
		{"pin", "compare what the config's MCP servers show with what was accepted of it, and write the lockfile", pin},
		{"version", "print the version", showVersion},
	}
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, out, log io.Writer) int {
	list := commands()
	if len(args) == 0 {
		usage(log, list)
		return exitUsage
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(out, list)
		return exitOK
	}
	if args[0] == demoTools && len(args) == 2 {
		return serveDemoTools(args[1], out, log)
	}
	i := slices.IndexFunc(list, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		_, _ = fmt.Fprintf(log, "fairlead: there is no command %q\n\n", args[0])
		usage(log, list)
		return exitUsage
	}
	return list[i].run(ctx, args[1:], out, log)
}

func (c command) run(ctx context.Context, args []string, out, log io.Writer) int {
	f := flag.NewFlagSet("fairlead "+c.name, flag.ContinueOnError)
	f.SetOutput(log)
	do := c.setup(f)
	f.Usage = func() {
		_, _ = fmt.Fprintf(f.Output(), "usage: fairlead %s [flags]\n%s\n", c.name, c.about)
		f.PrintDefaults()
	}
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		f.SetOutput(out)
	}
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case f.NArg() > 0:
		_, _ = fmt.Fprintf(log, "fairlead %s: %q is too much\n", c.name, f.Arg(0))
		f.Usage()
		return exitUsage
	}
	switch err := do(ctx, out, log); {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(log, "fairlead %s: %v\n", c.name, err)
		f.Usage()
		return exitUsage
	case errors.Is(err, errTold):
		return exitFailed
	default:
		if m, ok := errors.AsType[*config.Mistakes](err); ok {
			_, _ = fmt.Fprintln(log, m)
			err = errors.New("the config has mistakes; nothing was started")
		}
		_, _ = fmt.Fprintf(log, "fairlead %s: %v\n", c.name, err)
		return exitFailed
	}
}

func usage(w io.Writer, list []command) {
	_, _ = fmt.Fprint(w, "usage: fairlead COMMAND [flags]\n\n")
	for _, c := range list {
		_, _ = fmt.Fprintf(w, "  %-8s %s\n", c.name, c.about)
	}
	_, _ = fmt.Fprint(w, "\nfairlead COMMAND --help lists the flags of a command.\n")
}
