// Package secret keeps secrets from being printed.
package secret

import "log/slog"

// String is a secret text. Everything that prints, logs or encodes it shows ***; Reveal is the one way to the text.
type String struct{ text string }

// New makes a secret of text.
func New(text string) String { return String{text} }

// Reveal returns the text.
func (s String) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.text == "" }

const mask = "***"

// String returns the mask.
func (s String) String() string { return mask }

// GoString returns the mask.
func (s String) GoString() string { return mask }

// MarshalText returns the mask.
func (s String) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns the mask.
func (s String) LogValue() slog.Value { return slog.StringValue(mask) }
