package sse

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// keptRoom is the largest buffer that a Writer keeps between two events.
const keptRoom = 64 << 10

// keepAlive is the comment that shows intermediaries and clients that the stream is alive. It must not be an event that clients do not
// know: they parse those.
const keepAlive = ": keepalive\n\n"

var keepAliveFrame = []byte(keepAlive)

// A Writer writes events to one client, each in one write that is flushed at once, unless it is held. Its methods may be called side by side. After a write has failed, all later ones return the same error.
type Writer struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	mu    sync.Mutex
	buf   []byte
	lent  *[]byte // what buf began as
	err   error
	held  bool        // the write at hand is not to be flushed
	dirty bool        // something was written and not flushed
	timer *time.Timer // of KeepAlive, while it is on
	soon  bool        // it has been set for what is held
	every time.Duration
	alive []byte    // the frame that KeepAlive writes
	wrote time.Time // when the last write ended
}

// NewWriter returns a Writer to w. It sets no header and writes nothing by itself, so that status and headers are still the caller's.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w: w, rc: http.NewResponseController(w), alive: keepAliveFrame, wrote: time.Now()}
}

// frameRooms are buffers that no Writer has.
var frameRooms = sync.Pool{New: func() any { return new([]byte) }}

// Release gives the Writer's memory back when its stream has ended and stop of KeepAlive was called. Nothing is written any more.
func (w *Writer) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lent != nil {
		*w.lent = w.buf
		frameRooms.Put(w.lent)
	}
	w.buf, w.lent, w.err = nil, nil, cmp.Or(w.err, io.ErrClosedPipe)
}

// room is where the next frame is built.
func (w *Writer) room() []byte {
	if w.lent == nil && w.err == nil {
		w.lent = frameRooms.Get().(*[]byte)
		w.buf = *w.lent
	}
	return w.buf[:0]
}

// Data writes an event of the default type with the data p.
func (w *Writer) Data(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.send(appendData(w.room(), p))
}

// linger is how long a held event waits for others, at the most.
const linger = 5 * time.Millisecond

// Hold writes an event of the default type with the data p, as Data does, but leaves it for the next flush, since more is likely to follow
// at once. While KeepAlive is on that flush comes by itself after a moment; else whoever holds must write again, or Flush.
func (w *Writer) Hold(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold()
	return w.send(appendData(w.room(), p))
}

// hold has the write that follows wait for the next flush.
func (w *Writer) hold() {
	if w.timer != nil && !w.dirty && !w.soon {
		w.soon = true
		w.timer.Reset(linger)
	}
	w.held = true
}

// Flush sends what was held.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held = false; w.dirty {
		return w.flush()
	}
	return w.err
}

// Event writes an event of the type name with the data p. A name ends at its first line break.
func (w *Writer) Event(name string, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event(name, p)
}

func (w *Writer) event(name string, p []byte) error {
	b := append(w.room(), "event: "...)
	b = appendLine(b, name)
	return w.send(appendData(append(b, '\n'), p))
}

// HoldEvent writes an event of the type name with the data p, and leaves it for the next flush as [Writer.Hold] does.
func (w *Writer) HoldEvent(name string, p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold()
	return w.event(name, p)
}

// Comment writes a comment, which clients skip. The text ends at its first line break.
func (w *Writer) Comment(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := append(w.room(), ": "...)
	return w.send(append(appendLine(b, text), "\n\n"...))
}

// Raw writes whole frames as they are, such as those of a [Splitter].
func (w *Writer) Raw(frames []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(frames)
}

// appendData appends the data lines and the blank line. Data should have no line breaks; those it has start a new data line each,
// so that no data can forge a field or an event.
func appendData(b, p []byte) []byte {
	for at := 0; ; {
		end, next := line(p, at)
		b = append(append(b, "data: "...), p[at:end]...)
		b = append(b, '\n')
		if next < 0 {
			return append(b, '\n')
		}
		at = next
	}
}

func appendLine(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return append(b, s[:i]...)
		}
	}
	return append(b, s...)
}

// send writes b, which was built in the Writer's own buffer.
func (w *Writer) send(b []byte) error {
	if w.buf = b[:0]; cap(b) > keptRoom {
		w.buf = nil
	}
	return w.write(b)
}

func (w *Writer) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	if _, err := w.w.Write(b); err != nil {
		w.err = err
		return err
	}
	w.dirty = true
	if w.held {
		w.held = false
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	w.dirty = false
	if err := w.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		w.err = err
	}
	w.wrote = time.Now()
	return w.err
}

// KeepAliveWith makes frame, a whole frame with its blank line, what [Writer.KeepAlive] writes in place of a comment: an event that the
// stream's format has for this. Call it before KeepAlive.
func (w *Writer) KeepAliveWith(frame string) { w.alive = []byte(frame) }

// KeepAlive writes a comment whenever nothing was written for the time every, until a write fails or stop is called. From then on
// nothing is held for longer than a moment, what is held already among it. Call it once the status is decided, since a comment commits
// to it. After stop nothing is written any more by itself; it must be called before the handler returns, and may be called again. With
// every <= 0 nothing is started.
func (w *Writer) KeepAlive(every time.Duration) (stop func()) {
	if every <= 0 {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.every, w.soon = every, w.dirty
	if w.dirty {
		every = linger
	}
	w.timer = time.AfterFunc(every, w.beat)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer != nil {
			w.timer.Stop()
			w.timer = nil
		}
	}
}

// beat is what the timer calls: it sends what was held for long enough, or the comment if it is due.
func (w *Writer) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.soon = false; w.timer == nil || w.err != nil {
		return
	}
	wait := w.every
	switch quiet := time.Since(w.wrote); {
	case w.dirty:
		_ = w.flush() // the next write tells
	case quiet < w.every:
		wait -= quiet
	default:
		_ = w.write(w.alive)
	}
	if w.err == nil {
		w.timer.Reset(wait)
	}
}
