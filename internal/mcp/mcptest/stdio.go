package mcptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// Stdio serves one client over a pair of streams until r ends, and returns when no call runs any more.
func (s *Server) Stdio(ctx context.Context, r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	out := func(msg []byte) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(append(msg, '\n'))
	}
	var calls sync.WaitGroup
	defer calls.Wait()
	defer cancel()
	if s.spec.Era != "modern" {
		calls.Go(func() { s.watch(ctx, out) })
	}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if s.spec.Noise {
			out([]byte("this line is no message"))
		}
		m, err := jsonrpc.Parse(line)
		if err != nil {
			out(jsonrpc.AppendError(nil, nil, &jsonrpc.Error{Code: jsonrpc.CodeParse, Message: err.Error()}))
			continue
		}
		serve := func() {
			if a := s.serve(ctx, &incoming{Message: m, session: "stdio", out: out}); a != nil && ctx.Err() == nil {
				out(a)
			}
		}
		if m.IsRequest() {
			calls.Go(serve) // calls run side by side
		} else {
			serve()
		}
	}
}

// runChild is the life of a server that is a process.
func runChild(spec Spec) {
	if spec.ExitAtStart {
		die()
	}
	if spec.Spawn {
		cmd := exec.CommandContext(context.Background(), os.Args[0])
		cmd.Env = append(os.Environ(), variable+"=sleep")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if spec.Stubborn {
		signal.Ignore(syscall.SIGTERM)
	}
	s := New(spec)
	s.die = die
	if err := s.Stdio(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if spec.Stubborn {
		sleepForEver()
	}
	os.Exit(0)
}

func die() {
	fmt.Fprintln(os.Stderr, "dying at /secret/place as told")
	os.Exit(3)
}

// sleepForEver is a process that only a signal that cannot be refused ends.
func sleepForEver() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	<-c
	os.Exit(0)
}
