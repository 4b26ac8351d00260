// Package jsonedit reads and edits JSON text in place, for paths on which decoding would cost more than the work itself.
//
// [Scan] checks one whole document strictly, finds the members that a gateway must act on, and refuses what two parsers
// could read in two ways. [Object.Set], [Object.Delete] and [Apply] change those members and leave every other byte alone.
// The reading functions ([Get], [Members], [Elements], [Unquote] and their kin) work on text that is known to be JSON,
// or at least harmless: on anything else they end early, and they never panic.
package jsonedit

import "fmt"

// MaxDepth is the deepest nesting of objects and arrays that [Scan] and [Valid] accept; the outermost one counts as 1.
const MaxDepth = 512

// A SyntaxError says why a document is not JSON as RFC 8259 and this package define it.
type SyntaxError struct {
	Offset int    // the byte at which reading stopped
	Msg    string // without the offset; holds nothing of the document
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// An AmbiguousError says that a document is JSON so far, but that readers may differ on the value of a policy key:
// the key occurs twice, is written with an escape, or in another letter case.
type AmbiguousError struct {
	Key    string // the policy key as [NewKeys] got it
	Offset int    // the opening quote of the key at fault
	Msg    string // a whole phrase that names the key
}

func (e *AmbiguousError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// A Span is a half-open range of bytes of a document. The zero Span stands for what was not found.
type Span struct{ Start, End int }

// Found reports whether the span stands for something.
func (s Span) Found() bool { return s.End > 0 }

// Of returns the bytes of b in the span, with no spare capacity, or nil for the zero Span.
func (s Span) Of(b []byte) []byte {
	if s.End <= 0 {
		return nil
	}
	return b[s.Start:s.End:s.End]
}
