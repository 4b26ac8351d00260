// Package secret keeps secrets from being printed.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// String is a secret text. Everything that prints, logs or encodes it shows ***; Reveal is the one way to the text.
//
// The text stands behind a pointer, since fmt prints the unexported fields of a struct without asking their methods.
// Two Strings are not compared by ==.
type String struct{ text *string }

// New makes a secret of text.
func New(text string) String { return String{&text} }

// Reveal returns the text.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.Reveal() == "" }

const mask = "***"

// String returns the mask.
func (s String) String() string { return mask }

// Format writes the mask, whatever the verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText returns the mask.
func (s String) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns the mask.
func (s String) LogValue() slog.Value { return slog.StringValue(mask) }
