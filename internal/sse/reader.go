package sse

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"
)

// An Event is one event of a stream.
type Event struct {
	Name string // the event's type; "" stands for "message"
	ID   string // the last id that the stream gave up to this event, as a client would send it back in Last-Event-ID
	Data []byte // lines joined by \n; good until the next call of Next
}

// A Reader reads events as the WHATWG HTML standard defines them. It is for one goroutine.
type Reader struct {
	in     buffer
	limit  int
	seen   int    // bytes of the unfinished line that were searched already
	skipLF bool   // the last line ended in \r at the end of what was there, so a \n that follows belongs to it
	begun  bool   // the byte order mark, if any, is behind us
	data   []byte // of the event; what there is of it lies in the buffer while inside holds, else in room
	inside bool
	room   []byte
	has    bool // the event has a data line
	name   string
	id     string
	retry  time.Duration
	names  map[string]string
}

// NewReader returns a Reader of r. An event may take up to max bytes, which bounds each line and all data of one event.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{in: newBuffer(r, max+16), limit: max}
}

// Release gives the Reader's memory back, and with it the data of its last event. It is not read from any more. A Reader that is
// not released costs no more than that memory.
func (r *Reader) Release() { r.in.release() }

// LastID returns the last id that the stream gave, also by an event without data, which Next does not return.
func (r *Reader) LastID() string { return r.id }

// Retry returns how long the stream asked its client to wait before it connects again, or 0.
func (r *Reader) Retry() time.Duration { return r.retry }

// Next returns the next event that has data; data may be empty. At the end it returns io.EOF, after a last event that lacks its blank line,
// since some peers forget it. It returns [ErrTooLarge], or the source's own error, when the stream breaks; an event that the break cut off is dropped.
// Once it has failed it goes on to fail in the same way.
func (r *Reader) Next() (Event, error) {
	r.data, r.inside, r.has, r.name = nil, false, false, ""
	for {
		l, err := r.line()
		if err == nil && len(l) == 0 || err != nil && r.in.eof {
			if r.has {
				return Event{Name: r.name, ID: r.id, Data: r.data}, nil
			}
			r.name = ""
		}
		if err != nil {
			return Event{}, err
		}
		if err := r.field(l); err != nil {
			return Event{}, err
		}
	}
}

// Ready reports whether a whole event with data is there, so that Next will not wait for the source. It may say no where Next would not
// wait. A writer can put off its flush while it says yes.
func (r *Reader) Ready() bool {
	b := r.in.bytes()
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		end = bytes.Index(b, []byte("\n\r\n"))
	}
	return end > 0 && (bytes.HasPrefix(b, []byte("data")) || bytes.Contains(b[:end], []byte("\ndata")))
}

// line returns the next line without its end. It is good until the next call. At the end of the source, an unfinished line is a line.
func (r *Reader) line() ([]byte, error) {
	for {
		if b := r.in.bytes(); r.skipLF && len(b) > 0 {
			if r.skipLF = false; b[0] == '\n' {
				r.in.start++
			}
		}
		b := r.in.bytes()
		end, next := line(b, r.seen)
		if next < 0 {
			r.seen = len(b)
			r.keep()
			err := r.in.more()
			if err == nil {
				continue
			}
			if !r.in.eof || len(b) == 0 {
				return nil, err
			}
			next = end
		}
		r.skipLF = next == len(b) && next == end+1 && b[end] == '\r'
		r.in.start += next
		r.seen = 0
		return r.strip(b[:end])
	}
}

// strip takes the byte order mark off the first line, and refuses lines that are too long.
func (r *Reader) strip(l []byte) ([]byte, error) {
	if !r.begun {
		r.begun = true
		l = bytes.TrimPrefix(l, []byte("\uFEFF"))
	}
	if len(l) > r.limit {
		return nil, r.tooLarge()
	}
	return l, nil
}

// tooLarge gives up the stream.
func (r *Reader) tooLarge() error {
	r.in.start, r.seen = r.in.end, 0
	return r.in.fail(ErrTooLarge)
}

// field takes in one line of an event.
func (r *Reader) field(l []byte) error {
	name, value, _ := bytes.Cut(l, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		if len(r.data)+len(value)+1 > r.limit {
			return r.tooLarge()
		}
		r.add(value)
	case "event":
		r.name = r.intern(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 && string(value) != r.id {
			r.id = string(value)
		}
	case "retry":
		if ms, ok := digits(value); ok {
			r.retry = time.Duration(ms) * time.Millisecond
		}
	}
	return nil
}

// add takes in a data line. The first one stays where it is for as long as the buffer does.
func (r *Reader) add(line []byte) {
	if !r.has {
		r.data, r.inside, r.has = slices.Clip(line), true, true
		return
	}
	r.keep()
	if need := len(r.data) + len(line) + 1; need > max(cap(r.data), largeRoom) {
		r.data = append(make([]byte, 0, r.limit), r.data...)
	}
	r.data = append(append(r.data, '\n'), line...)
	r.room = r.data
}

// keep takes the data out of the buffer, which is about to be read into.
func (r *Reader) keep() {
	if r.inside {
		r.room = append(r.room[:0], r.data...)
		r.data, r.inside = r.room, false
	}
}

// intern returns the name as a string; the few names that a stream repeats are allocated once.
func (r *Reader) intern(name []byte) string {
	if s, ok := r.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if len(s) <= 64 && len(r.names) < 32 {
		if r.names == nil {
			r.names = make(map[string]string)
		}
		r.names[s] = s
	}
	return s
}

func digits(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 9 || strings.Trim(string(v), "0123456789") != "" {
		return 0, false
	}
	var n int64
	for _, c := range v {
		n = n*10 + int64(c-'0')
	}
	return n, true
}
