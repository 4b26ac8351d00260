package front

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// maxLine bounds a message of a client over standard input, and maxSide how many run side by side.
const (
	maxLine = 32 << 20
	maxSide = 64
	// maxWaiting is how many wait or run.
	maxWaiting = 1024
)

// Stdio serves one client over a pair of streams, a message a line, as Serve would over HTTP. visit makes a visit of the client's.
// It returns when in has ended or ctx has, and nothing runs any more.
func (d *Door) Stdio(ctx context.Context, in io.Reader, out io.Writer, visit func() *mcp.Visit) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &local{d: d, listen: visit, calls: map[string]context.CancelFunc{}, side: make(chan struct{}, maxSide)}
	l.emit = func(msg []byte) error {
		_, err := out.Write(append(bytes.Clone(msg), '\n'))
		return err
	}
	defer l.finish()
	defer cancel()
	lines := make(chan []byte)
	failed := make(chan error, 1)
	go func() { // a read of standard input cannot be ended: it ends with the process at the latest
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			select {
			case lines <- bytes.Clone(s.Bytes()):
			case <-ctx.Done():
				return
			}
		}
		failed <- s.Err()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				return errors.Join(<-failed)
			}
			if len(bytes.TrimSpace(line)) > 0 {
				l.take(ctx, line, visit())
			}
		}
	}
}

// local is a client over a pair of streams.
type local struct {
	d      *Door
	listen func() *mcp.Visit // a visit that hears of changes
	side   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	emit    func(msg []byte) error // sends a message; it is called by one at a time
	session string
	over    bool
	calls   map[string]context.CancelFunc // by id
}

// take takes in one message. Requests run side by side, all but the handshake.
func (l *local) take(ctx context.Context, line []byte, v *mcp.Visit) {
	m, _ := jsonrpc.Parse(line)
	switch {
	case m.Method == "notifications/cancelled":
		l.mu.Lock()
		if end := l.calls[string(jsonedit.Get(m.Params, "requestId"))]; end != nil {
			end()
		}
		l.mu.Unlock()
	case m.Method == "notifications/initialized":
		l.run(func() { l.send(ctx, http.MethodGet, nil, l.listen()) })
	case m.IsRequest() && m.Method != "initialize":
		l.beside(ctx, line, v, &m)
		return
	}
	l.send(ctx, http.MethodPost, line, v)
}

// beside answers a request beside others, when there is room. A subscription takes none.
func (l *local) beside(ctx context.Context, line []byte, v *mcp.Visit, m *jsonrpc.Message) {
	ctx, end := context.WithCancel(ctx)
	id := string(m.ID)
	l.mu.Lock()
	full := len(l.calls) >= maxWaiting
	if !full {
		l.calls[id] = end
	}
	l.mu.Unlock()
	if full {
		end()
		_, _ = (&lineWriter{l: l}).Write(jsonrpc.AppendError(nil, m.ID, fail(jsonrpc.CodeInternal, "too many requests at once")))
		return
	}
	endless := m.Method == "subscriptions/listen"
	l.run(func() {
		defer func() {
			end()
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.calls, id)
		}()
		if !endless {
			select {
			case l.side <- struct{}{}:
				defer func() { <-l.side }()
			case <-ctx.Done():
			}
		}
		l.send(ctx, http.MethodPost, line, v)
	})
}

// run runs f beside, unless the client is gone.
func (l *local) run(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.wg.Go(f)
	}
}

// finish waits for what runs. Nothing begins any more.
func (l *local) finish() (session string) {
	l.mu.Lock()
	l.over, session = true, l.session
	l.mu.Unlock()
	l.wg.Wait()
	return session
}

// send has the door answer a message.
func (l *local) send(ctx context.Context, method string, body []byte, v *mcp.Visit) {
	r, err := http.NewRequestWithContext(ctx, method, "/mcp", http.NoBody)
	if err != nil {
		return // unreachable: the parts are constants
	}
	l.mu.Lock()
	if l.session != "" {
		r.Header.Set("Mcp-Session-Id", l.session)
	}
	l.mu.Unlock()
	v.Body, v.Local = body, true
	if method == http.MethodGet && r.Header.Get("Mcp-Session-Id") == "" {
		return
	}
	l.d.Serve(&lineWriter{l: l, header: http.Header{}}, r, v)
}

// lineWriter turns an answer over HTTP into lines. The door writes a JSON answer, and each event, in one piece.
type lineWriter struct {
	l      *local
	header http.Header
}

func (w *lineWriter) Header() http.Header { return w.header }

func (w *lineWriter) WriteHeader(int) {
	if id := w.header.Get("Mcp-Session-Id"); id != "" {
		w.l.mu.Lock()
		defer w.l.mu.Unlock()
		w.l.session = id
	}
}

// Flush does nothing: a line is written at once.
func (w *lineWriter) Flush() {}

func (w *lineWriter) Write(p []byte) (int, error) {
	msg := p
	if w.header.Get("Content-Type") == "text/event-stream" {
		if msg = data(p); msg == nil {
			return len(p), nil // a comment
		}
	}
	if bytes.ContainsAny(msg, "\n\r") {
		msg = jsonedit.Compact(nil, msg)
	}
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if err := w.l.emit(msg); err != nil {
		return 0, err
	}
	return len(p), nil
}

// data is the data of one event.
func data(event []byte) []byte {
	var out []byte
	for line := range bytes.Lines(event) {
		if d, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			out = append(out, d...)
		}
	}
	return bytes.TrimSpace(out)
}
