package obs

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// Access writes one record for each request.
type Access interface {
	Request(c *Call, path string, status int)
}

// fact is one member of a record: a text, or a number when there is no text.
type fact struct {
	key, text string
	n         int64
}

// facts are what a record says of a call; those without content are left out. "us" is the time that it took, in microseconds.
func (c *Call) facts(path string, status int) iter.Seq[fact] {
	return func(yield func(fact) bool) {
		for _, f := range [...]fact{
			{key: "call_id", text: c.ID},
			{key: "path", text: path},
			{key: "status", n: int64(status)},
			{key: "us", n: time.Since(c.Start).Microseconds()},
			{key: "key", text: c.Key},
			{key: "subject", text: c.Subject},
			{key: "model", text: c.Model},
			{key: "provider", text: c.Provider},
			{key: "deployment", text: c.Deployment},
			{key: "attempts", n: int64(c.Attempts)},
			{key: "rounds", n: int64(c.Rounds)},
			{key: "tool_calls", n: int64(c.Tools)},
			{key: "input_tokens", n: c.Input},
			{key: "output_tokens", n: c.Output},
			{key: "cost_usd", text: c.Cost.String()},
			{key: "traceparent", text: c.Traceparent},
			{key: "trace_id", text: c.TraceID},
			{key: "request_id", text: c.RequestID},
			{key: "error", text: c.Error},
		} {
			if (f.text != "" || f.n != 0) && !yield(f) {
				return
			}
		}
	}
}

// LogAccess writes the records to a logger.
type LogAccess struct{ Log *slog.Logger }

// Request writes the record at level Info.
func (l LogAccess) Request(c *Call, path string, status int) {
	if !l.Log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	var attrs []slog.Attr
	for f := range c.facts(path, status) {
		if f.text == "" {
			attrs = append(attrs, slog.Int64(f.key, f.n))
		} else {
			attrs = append(attrs, slog.String(f.key, f.text))
		}
	}
	l.Log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}

// JSONAccess writes the records that a logger with a slog.JSONHandler would write, at a fraction of its price: there is one for
// each request.
type JSONAccess struct{ To io.Writer }

var lines = sync.Pool{New: func() any { return new([]byte) }}

// Request writes the record.
func (j JSONAccess) Request(c *Call, path string, status int) {
	buf := lines.Get().(*[]byte)
	defer lines.Put(buf)
	b := append((*buf)[:0], `{"time":"`...)
	b = time.Now().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"INFO","msg":"request"`...)
	for f := range c.facts(path, status) {
		b = append(append(append(b, ',', '"'), f.key...), '"', ':')
		if f.text == "" {
			b = strconv.AppendInt(b, f.n, 10)
		} else {
			b = appendQuoted(b, f.text)
		}
	}
	b = append(b, "}\n"...)
	*buf = b
	_, _ = j.To.Write(b)
}

// appendQuoted appends s as a JSON string. Most are plain; the others take the long way.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendEscaped(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
