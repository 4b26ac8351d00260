package sse

import (
	"bytes"
	"io"
)

// A Splitter cuts a stream into frames, each of which is the bytes of one event through its blank line, and changes nothing:
// the frames one behind the other are the stream. It is for one goroutine.
type Splitter struct {
	in   buffer
	seen int  // where in the unfinished frame the search goes on: at the start of a line, or inside it
	head int  // where in the unfinished frame its unfinished line starts
	cr   bool // the line before the unfinished one ended in a \r alone
	bom  bool // the start of the stream is behind us
}

// NewSplitter returns a Splitter of r. A frame may take up to max bytes.
func NewSplitter(r io.Reader, max int) *Splitter { return &Splitter{in: newBuffer(r, max)} }

// Next returns the next frame, which is good until the next call. It reads from the source only when no whole frame is there.
// What is left at the end of the source is the last frame; then, and then only, comes io.EOF. It returns [ErrTooLarge] for a frame beyond
// the limit, and the source's own error after all whole frames before it; the cut-off rest is then dropped.
func (s *Splitter) Next() ([]byte, error) {
	for {
		if n := s.frame(); n > 0 {
			return s.take(n), nil
		}
		if err := s.in.more(); err != nil {
			if n := len(s.in.bytes()); s.in.eof && n > 0 {
				return s.take(n), nil
			}
			return nil, err
		}
	}
}

// Ready reports whether a whole frame is there, so that Next will not wait for the source. A relay flushes when it is not.
func (s *Splitter) Ready() bool { return s.frame() > 0 }

func (s *Splitter) take(n int) []byte {
	f := s.in.bytes()[:n:n]
	s.in.start += n
	s.seen, s.head, s.cr = 0, 0, false
	s.bom = true
	return f
}

// frame returns the length of the first frame in the buffer, or 0 if its end is not there yet.
func (s *Splitter) frame() int {
	b := s.in.bytes()
	if !s.bom && bytes.HasPrefix(b, []byte("\uFEFF")) && s.head == 0 {
		s.head, s.seen = 3, max(s.seen, 3)
	}
	for {
		end, next := line(b, s.seen)
		if next < 0 {
			s.seen = len(b)
			return 0
		}
		lone := next == end+1 && b[end] == '\r'
		if end == s.head {
			if lone && next == len(b) && !s.cr && s.in.err == nil {
				s.seen = end // a peer that writes no line with \r alone will send the \n
				return 0
			}
			return next
		}
		if lone && next == len(b) && s.in.err == nil {
			s.seen = end // whether this is \r\n decides where the next line starts
			return 0
		}
		s.cr = lone
		s.head, s.seen = next, next
	}
}

// Data returns the data of a frame that a [Splitter] returned, or nil if it has none. The data of one line is a part of the frame;
// that of several lines is joined by \n in memory of its own.
// A byte order mark at the start is skipped, though it belongs there in the first frame of a stream only.
func Data(frame []byte) []byte {
	var data []byte
	lines := 0
	frame = bytes.TrimPrefix(frame, []byte("\uFEFF"))
	for at := 0; at < len(frame); {
		end, next := line(frame, at)
		if next < 0 {
			next = end
		}
		if v, ok := dataLine(frame[at:end:end]); ok {
			switch lines++; lines {
			case 1:
				data = v
			default:
				data = append(append(data, '\n'), v...) // the first one has no spare capacity, so this copies
			}
		}
		at = next
	}
	if lines > 0 && data == nil {
		data = []byte{}
	}
	return data
}

func dataLine(l []byte) ([]byte, bool) {
	v, ok := bytes.CutPrefix(l, []byte("data"))
	if !ok || len(v) > 0 && v[0] != ':' {
		return nil, false
	}
	if len(v) > 0 {
		v = v[1:]
	}
	if len(v) > 0 && v[0] == ' ' {
		v = v[1:]
	}
	return v, true
}
