package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// dialStdio starts the server's command. A server that ends on the probe of the stateless era is started again without it.
func (d *Dialer) dialStdio(ctx context.Context, t target) (*session, error) {
	if len(t.Command) == 0 {
		return nil, &mcp.Unavailable{Message: "the server has no command"}
	}
	key := t.Name + "\x00" + strings.Join(t.Command, "\x00")
	known, ok := d.remembered(key)
	probe := t.pinned() >= revModern || t.pinned() == "" && !known.legacy
	s, err := d.startStdio(ctx, t, probe)
	if _, gone := errors.AsType[*mcp.LostError](err); gone && probe && t.pinned() == "" && ctx.Err() == nil {
		s, err = d.startStdio(ctx, t, false)
	}
	if err != nil {
		if ok {
			d.forget(key)
		}
		return nil, err
	}
	d.remember(key, era{legacy: !s.modern()})
	return s, nil
}

// startStdio starts the command and opens a session with it.
func (d *Dialer) startStdio(ctx context.Context, t target, probe bool) (*session, error) {
	log := d.o.Log.With("mcp_server", t.Name)
	s := &session{peer: newPeer(log, d.o, t.changed), o: d.o, log: log}
	pipe, err := startPipe(s.peer, d.o, t.Server)
	if err != nil {
		return nil, &mcp.Unavailable{Message: "the server's command could not be started", Err: err}
	}
	s.t = pipe
	s.reply = pipe.answer
	if err := d.greetStdio(ctx, s, t, probe); err != nil {
		_ = s.Close()
		return nil, err
	}
	s.listen(pipe.spawn)
	return s, nil
}

// greetStdio settles the era of a new process.
func (d *Dialer) greetStdio(ctx context.Context, s *session, t target, probe bool) error {
	if t.pinned() >= revModern {
		return s.discover(ctx, 0)
	}
	if probe {
		err := s.discover(ctx, d.o.Probe)
		if !errors.Is(err, errOtherEra) {
			return err
		}
	}
	err := s.initialize(ctx, t.legacyRevision())
	if t.pinned() == "" && modernAfterAll(err) {
		if s.discover(ctx, 0) == nil { // it was only slow to start
			return nil
		}
	}
	return err
}

// queued is one message on its way to a child; c is nil for messages without an answer.
type queued struct {
	line []byte
	c    *call
}

// pipe is the transport of a child process. Its goroutines are a reader, a writer, a reader of standard error and one that
// ends the process with the session; close waits for all of them.
type pipe struct {
	p     *peer
	o     *Options
	child *child
	queue chan queued
	tail  *tail
	wg    sync.WaitGroup
}

// queueSize bounds the messages that wait for a child to read them.
const queueSize = 64

func startPipe(p *peer, o *Options, server mcp.Server) (*pipe, error) {
	c, err := startChild(server.Command, environment(server.Env))
	if err != nil {
		return nil, err
	}
	t := &pipe{p: p, o: o, child: c, queue: make(chan queued, queueSize), tail: &tail{log: p.log, secrets: server.Env}}
	t.wg.Go(t.write)
	t.wg.Go(t.supervise)
	return t, nil
}

// spawn runs f, which ends with the session.
func (t *pipe) spawn(f func()) { t.wg.Go(f) }

func (t *pipe) exchange(ctx context.Context, c *call, msg []byte) (jsonrpc.Message, error) {
	select {
	case t.queue <- queued{append(msg, '\n'), c}:
	case <-ctx.Done():
		return jsonrpc.Message{}, ctx.Err()
	case <-t.p.lost:
		return jsonrpc.Message{}, t.p.lostError(true)
	}
	m, err := t.p.wait(ctx, c)
	if err != nil && ctx.Err() != nil && !c.state.CompareAndSwap(waiting, dropped) {
		if note := c.cancellation(); note != nil {
			t.offer(note)
		}
	}
	return m, err
}

func (t *pipe) send(ctx context.Context, msg []byte) error {
	select {
	case t.queue <- queued{append(msg, '\n'), nil}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.p.lost:
		return t.p.lostError(true)
	}
}

// answer sends an answer of ours.
func (t *pipe) answer(msg []byte) { t.offer(msg) }

// offer sends a message unless the child has stopped reading.
func (t *pipe) offer(msg []byte) {
	select {
	case t.queue <- queued{append(msg, '\n'), nil}:
	default:
		t.p.log.Warn("an MCP server does not read its messages")
	}
}

func (t *pipe) close() error {
	t.p.lose(&mcp.LostError{Message: "the session was closed"})
	t.wg.Wait()
	return nil
}

// write writes the queue to the child, and closes the child's input in the end.
func (t *pipe) write() {
	defer func() { _ = t.child.stdin.Close() }()
	for {
		select {
		case q := <-t.queue:
			if q.c != nil && !q.c.state.CompareAndSwap(waiting, taken) {
				continue
			}
			_ = t.child.stdin.SetWriteDeadline(time.Now().Add(t.o.Write))
			if _, err := t.child.stdin.Write(q.line); err != nil {
				t.unread(err)
				return
			}
		case <-t.p.lost:
			return
		}
	}
}

// unread is called when the child does not take its input. If it has ended, the goroutine that waits for it says so better.
func (t *pipe) unread(err error) {
	select {
	case <-t.child.exited:
	case <-t.p.lost:
	case <-time.After(t.o.Grace):
		t.p.lose(&mcp.LostError{Message: "the process stopped reading its input", Err: err})
	}
}

// supervise ends the process when the session ends, and the session when the process ends.
func (t *pipe) supervise() {
	var readers sync.WaitGroup
	readers.Go(func() { t.readErrors() })
	readers.Go(func() { t.read() })
	select {
	case <-t.p.lost:
		t.child.stop(t.o.Grace)
	case <-t.child.exited:
	}
	// Whoever still holds the other ends has left the process group, and is not waited for.
	drained := make(chan struct{})
	go func() { readers.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(t.o.Grace):
	}
	t.child.closeOutputs()
	<-drained
	last, raw := t.tail.last()
	msg := "the process ended with " + t.child.status()
	if last != "" {
		msg += ": " + last
	}
	t.p.lose(&mcp.LostError{Message: msg, Err: errors.New("standard error: " + raw)})
}

// read takes in the child's messages, one a line.
func (t *pipe) read() {
	r := bufio.NewReaderSize(t.child.stdout, 64<<10)
	for {
		line, err := readLine(r, t.o.MaxLine)
		if errors.Is(err, errLine) {
			t.p.lose(&mcp.LostError{Message: "the process sent a line longer than the limit of " + size(t.o.MaxLine), Err: err})
			return
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			t.take(line)
		}
		if err != nil {
			t.ended(err)
			return
		}
	}
}

// take takes in one line.
func (t *pipe) take(line []byte) {
	ms, err := jsonrpc.ParseBatch(line, maxBatch)
	if err != nil {
		t.p.log.Debug("an MCP server wrote a line that is not a message", "reason", err.Error(), "bytes", len(line))
		return
	}
	for _, m := range ms {
		t.p.receive(m, nil)
	}
}

// ended is called when the child has closed its output. A child that lives on without one is of no use.
func (t *pipe) ended(err error) {
	select {
	case <-t.child.exited:
	case <-t.p.lost:
	case <-time.After(t.o.Grace):
		t.p.lose(&mcp.LostError{Message: "the process closed its output", Err: err})
	}
}

// maxBatch bounds the messages of one batch.
const maxBatch = 1024

var errLine = errors.New("line too long")

// readLine returns the next line in memory of its own, with its end. At the end of the input it returns io.EOF, and a last
// line that lacks its end.
func readLine(r *bufio.Reader, max int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > max {
			return nil, errLine
		}
		if line == nil && err == nil {
			return bytes.Clone(part), nil
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// readErrors logs the child's standard error, and keeps its end.
func (t *pipe) readErrors() {
	r := bufio.NewReaderSize(t.child.stderr, maxTailLine)
	for {
		line, err := r.ReadSlice('\n')
		t.tail.add(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// maxTailLine bounds a line of standard error in the log; a longer one is cut into several.
const maxTailLine = 4 << 10

// tailLines is how many lines of standard error are kept.
const tailLines = 16

// tail keeps the last lines of a child's standard error.
type tail struct {
	log     *slog.Logger
	secrets map[string]string // values that must not be shown

	mu    sync.Mutex
	lines []string
}

func (l *tail) add(line []byte) {
	s := printable(string(bytes.TrimSpace(line)))
	if s == "" {
		return
	}
	for _, v := range l.secrets {
		if len(v) >= 4 {
			s = strings.ReplaceAll(s, v, "***")
		}
	}
	l.log.Debug("standard error of an MCP server", "line", s)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == tailLines {
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, s)
}

// last returns the last line as it can be shown, and all lines that are kept for the log.
func (l *tail) last() (shown, raw string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return "", ""
	}
	return discreet(l.lines[len(l.lines)-1]), strings.Join(l.lines, "\n")
}
