package cohere

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/sse"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	opRead  = "cohere.ReadReply"
	opError = "cohere.ReadError"
)

// ReadError turns a reply of a status other than 200 into a fault.Error of kind Refused. The API's own form is
// {"id","message"}; those of proxies are read as [wire.Refusal] does.
func (*Upstream) ReadError(status int, body []byte) error { return wire.Refusal(opError, status, body) }

// replyFault is an error that a provider put into a reply of status 200.
func replyFault(v []byte) *fault.Error { return wire.ReplyFault(opRead, v) }

// broken is the error of a reply that is not what the wire says.
func broken(format string, args ...any) *fault.Error { return wire.Broken(opRead, format, args...) }

func unfinished() *fault.Error { return broken("the provider's reply ended before message-end") }

// failed reports whether a reply that stopped for this reason is none.
func failed(reason string) bool {
	return reason == "TIMEOUT" || reason == "ERROR" || reason == "ERROR_LIMIT"
}

// unusable is the error of such a reply. v may say more of it.
func unusable(reason string, v []byte) *fault.Error {
	if e := jsonedit.Get(v, "error"); !jsonedit.IsNull(e) {
		return replyFault(v)
	}
	if reason == "TIMEOUT" {
		return broken("the provider ran out of time before its model was done")
	}
	return broken("the provider's model failed before it was done")
}

// stopOf is our word for a reason to stop. Those that we have no word for stay as they are, in small letters.
func stopOf(reason string) string {
	switch reason {
	case "COMPLETE", "STOP_SEQUENCE":
		return llm.StopDone
	case "MAX_TOKENS":
		return llm.StopLength
	case "TOOL_CALL":
		return llm.StopTools
	case "ERROR_TOXIC":
		return llm.StopFilter
	}
	return strings.ToLower(reason)
}

// readUsage reads a usage object, or returns nil. The package's doc says which of its counts are taken.
func readUsage(raw []byte) *llm.Usage {
	if jsonedit.Kind(raw) != '{' {
		return nil
	}
	units := jsonedit.Get(raw, "billed_units")
	if count(units, "input_tokens")+count(units, "output_tokens") == 0 {
		units = jsonedit.Get(raw, "tokens")
	}
	u := &llm.Usage{Known: true, Raw: llm.Frame{Wire: Name, Bytes: raw}}
	u.Input, u.Output = count(units, "input_tokens"), count(units, "output_tokens")
	u.CacheRead = min(u.Input, count(raw, "cached_tokens"))
	u.Input -= u.CacheRead
	return u
}

// count is a member that counts something, 0 for anything else. The API's counts are numbers that may have a fraction.
func count(obj []byte, name string) int64 {
	v := jsonedit.Get(obj, name)
	if n, ok := jsonedit.Int(v); ok {
		return max(n, 0)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f > 1<<53 {
		return 0
	}
	return int64(f)
}

// watcher looks on while a reply is relayed.
type watcher struct{ stream bool }

// lastEvent names the event that ends every stream. In somebody's text the quotes would be escaped.
const lastEvent = `"message-end"`

// Done knows the last event of a stream: nothing comes after it.
func (*watcher) Done(b []byte) bool {
	if !bytes.HasSuffix(b, []byte("\n\n")) && !bytes.HasSuffix(b, []byte("\n\r\n")) {
		return false
	}
	b = bytes.TrimRight(b, "\r\n")
	return bytes.Contains(b[bytes.LastIndexByte(b, '\n')+1:], []byte(lastEvent))
}

// Pass lets everything go on.
func (*watcher) Pass(b []byte) []byte { return b }

// End tells how the reply ended.
func (w *watcher) End(_, tail []byte, err error) (llm.Event, error) {
	complete := bytes.Contains(tail, []byte(lastEvent))
	switch {
	case !errors.Is(err, io.EOF):
		return llm.Event{}, err
	case len(tail) == 0:
		return llm.Event{}, broken("the provider's reply is empty")
	case w.stream && !complete:
		return llm.Event{}, unfinished()
	}
	for line := range bytes.Lines(tail) {
		if v := sse.Data(line); word(jsonedit.Get(v, "type")) == "message-end" {
			if reason := word(jsonedit.Get(v, "delta", "finish_reason")); failed(reason) {
				e := unusable(reason, jsonedit.Get(v, "delta"))
				e.Told = true
				return llm.Event{}, e
			}
		}
	}
	return llm.Event{Kind: llm.End, Stop: lastStop(tail), Usage: readUsage(wire.LastObject(tail, `"usage"`))}, nil
}

// lastStop returns the last reason to stop in tail, or "".
func lastStop(tail []byte) string {
	for v := range wire.LastMembers(tail, `"finish_reason"`) {
		if s := word(jsonedit.Get(v)); s != "" {
			return stopOf(s)
		}
	}
	return ""
}
