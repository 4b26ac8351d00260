package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// escaped writes JSON so that no terminal takes anything in it for an order: characters beyond ASCII that are not printed, C1
// controls and bidirectional marks among them, become escapes of JSON. What JSON is made of is ASCII, so that they can stand
// in texts alone.
type escaped struct{ to io.Writer }

// Write writes whole lines.
func (e escaped) Write(b []byte) (int, error) {
	if _, err := e.to.Write(escapeJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func escapeJSON(b []byte) []byte {
	if isASCII(b) || !bytes.ContainsFunc(b, hidden) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case !hidden(r) || r == utf8.RuneError && n == 1:
			out = append(out, b[:n]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

func hidden(r rune) bool { return r >= utf8.RuneSelf && !unicode.IsPrint(r) }

// isASCII is quick, since every record of the log is asked.
func isASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
