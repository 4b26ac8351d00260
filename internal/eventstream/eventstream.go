// Package eventstream reads and writes the frames of application/vnd.amazon.eventstream, in which Amazon's services stream.
//
// A frame is a prelude (the length of the frame and of its headers, and a checksum over both), headers, a payload, and a
// checksum over all of it; numbers are big-endian, checksums CRC32 as in gzip. The format is specified by Smithy
// (https://smithy.io/2.0/aws/amazon-eventstream.html).
package eventstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The types of a header's value, by their number in a frame.
const (
	True byte = iota
	False
	Byte
	Short
	Integer
	Long
	Bytes
	String
	Timestamp
	UUID
)

const (
	prelude    = 12        // two lengths and their checksum
	trailer    = 4         // the checksum of the whole frame
	maxHeaders = 128 << 10 // the format's own limit
)

// ErrTooLarge is the error of a frame that is larger than the reader takes.
var ErrTooLarge = errors.New("eventstream: the frame is too large")

// ErrCorrupt is the error of bytes that are no frame: a checksum or a length is wrong. Nothing that follows can be read.
var ErrCorrupt = errors.New("eventstream: the frame is corrupt")

func corrupt(what string) error { return fmt.Errorf("%w: %s", ErrCorrupt, what) }

// Header is one header of a frame.
type Header struct {
	Name  []byte
	Type  byte
	Value []byte // as the frame has it, without the length of bytes and strings; empty for True and False
}

// Frame is one frame.
type Frame struct {
	Headers []Header
	Payload []byte
}

// Text returns the value of the string header with that name, or nil.
func (f *Frame) Text(name string) []byte {
	for i := range f.Headers {
		if h := &f.Headers[i]; h.Type == String && string(h.Name) == name {
			return h.Value
		}
	}
	return nil
}

// Reader reads frames.
type Reader struct {
	src        io.Reader
	max        int
	buf        []byte
	start, end int // of what is in buf and has not been read
	frame      Frame
	err        error
}

// NewReader returns a Reader of frames of at most max bytes.
func NewReader(r io.Reader, max int) *Reader { return &Reader{src: r, max: max} }

// Next returns the next frame, which is good until the following call. The error is io.EOF where the stream ends between
// two frames, io.ErrUnexpectedEOF where it ends within one, ErrTooLarge, ErrCorrupt, or that of the underlying reader. After
// an error there is nothing more.
func (r *Reader) Next() (*Frame, error) {
	if r.err == nil {
		r.err = r.next()
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.frame, nil
}

// Ready reports whether the next frame is there already, so that Next does not wait for it.
func (r *Reader) Ready() bool {
	have := r.end - r.start
	return r.err == nil && have >= prelude && have >= int(binary.BigEndian.Uint32(r.buf[r.start:]))
}

func (r *Reader) next() error {
	if err := r.fill(prelude); err != nil {
		return err
	}
	head := r.buf[r.start : r.start+prelude]
	total, headers := int64(binary.BigEndian.Uint32(head)), int64(binary.BigEndian.Uint32(head[4:]))
	switch {
	case crc32.ChecksumIEEE(head[:8]) != binary.BigEndian.Uint32(head[8:]):
		return corrupt("the checksum of its lengths is wrong")
	case total < prelude+headers+trailer:
		return corrupt("its lengths do not fit together")
	case total > int64(r.max) || headers > maxHeaders:
		return ErrTooLarge
	}
	if err := r.fill(int(total)); err != nil {
		return err
	}
	b := r.buf[r.start : r.start+int(total)]
	r.start += int(total)
	body := b[:len(b)-trailer]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(b[len(body):]) {
		return corrupt("its checksum is wrong")
	}
	r.frame.Payload = body[prelude+headers:]
	return r.headers(body[prelude : prelude+headers])
}

// fill reads until n bytes are there.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for idle := 0; r.end < n; {
		if r.end == len(r.buf) { // grows with what has come, not with what a length promises
			r.buf = append(r.buf, make([]byte, max(4096, min(len(r.buf), r.max)))...)
		}
		k, err := r.src.Read(r.buf[r.end:])
		r.end += k
		switch {
		case r.end >= n:
			return nil
		case err == io.EOF && r.end > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case k > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// sizes are those of the values of types that have one size.
var sizes = [...]int{True: 0, False: 0, Byte: 1, Short: 2, Integer: 4, Long: 8, Bytes: -1, String: -1, Timestamp: 8, UUID: 16}

func (r *Reader) headers(b []byte) error {
	r.frame.Headers = r.frame.Headers[:0]
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n+1 {
			return corrupt("a header has no name or is cut off")
		}
		h := Header{Name: b[1 : 1+n], Type: b[1+n]}
		b = b[2+n:]
		if int(h.Type) >= len(sizes) {
			return corrupt("a header is of an unknown type")
		}
		size := sizes[h.Type]
		if size < 0 {
			if len(b) < 2 {
				return corrupt("a header is cut off")
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		}
		if len(b) < size {
			return corrupt("a header is cut off")
		}
		h.Value, b = b[:size], b[size:]
		r.frame.Headers = append(r.frame.Headers, h)
	}
	return nil
}

// Append appends a frame. A name is at most 255 bytes, a value of bytes or a string at most 65535; what is over is cut off.
func Append(dst []byte, headers []Header, payload []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, prelude)...)
	for _, h := range headers {
		name := h.Name[:min(len(h.Name), 255)]
		dst = append(append(append(dst, byte(len(name))), name...), h.Type)
		value := h.Value
		if h.Type == Bytes || h.Type == String {
			value = value[:min(len(value), 65535)]
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
		}
		dst = append(dst, value...)
	}
	size := len(dst) - at - prelude
	dst = append(dst, payload...)
	frame := dst[at:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+trailer))
	binary.BigEndian.PutUint32(frame[4:], uint32(size))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(frame))
}

// Texts makes string headers of names and values, one after the other.
func Texts(pairs ...string) []Header {
	out := make([]Header, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Header{Name: []byte(pairs[i]), Type: String, Value: []byte(pairs[i+1])})
	}
	return out
}
