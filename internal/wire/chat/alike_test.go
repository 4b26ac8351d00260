package chat

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// heard are the events of a stream, each with all that it says. Without shortcut each chunk is read whole.
func heard(tb testing.TB, stream []byte, shortcut bool) []string {
	tb.Helper()
	var out []string
	yield := func(ev llm.Event, err error) bool {
		line := fmt.Sprintf("%d %d %q %q %q %s %s %s %s", ev.Kind, ev.Index, ev.Text, ev.Call.ID, ev.Call.Name+"("+ev.Call.Arguments+")", ev.Call.Extra, ev.Extra.Top, ev.Extra.Choice, ev.Extra.Delta)
		if ev.Head != nil {
			line += fmt.Sprintf(" %+v", *ev.Head)
		}
		if ev.Usage != nil {
			line += fmt.Sprintf(" %s %+v", ev.Usage.Raw.Bytes, ev.Usage)
		}
		out = append(out, fmt.Sprintf("%s %q %v", line, ev.Stop, err))
		return true
	}
	n := upstream(tb, wire.Quirks{}).normaliser("text/event-stream", yield)
	for data := range bytes.SplitSeq(stream, []byte("\n")) {
		if n.streamed = shortcut; n.Over || len(data) == 0 {
			continue
		}
		n.chunk(bytes.Clone(data))
	}
	n.end(true)
	return out
}

// chunkParts are what streams of chunks are made of: before the choices, choices, and behind them.
var chunkParts = [3][]string{
	{
		`{"id":"a","model":"m","choices":`, `{"id":"b","model":"m","choices":`, `{"id":"a","model":"other","choices":`, `{"choices":`, `{"id":"a","model":"m","usage":null,"choices":`,
		`{"id":"a","model":"m","usage":{"prompt_tokens":1,"completion_tokens":2},"choices":`, `{"id":"a","x":{"choices":[]},"choices":`, `{"id":"a","model":"m","choices": `,
		`{"id":"","created":1,"choices":`, `{"system_fingerprint":"f","id":"a","choices":`,
	},
	{
		`[{"index":0,"delta":{"content":"x"},"finish_reason":null}]`, `[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":"x"}]},"finish_reason":null}]`,
		`[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}]`, `[{"index":0,"delta":{"refusal":"no"}}]`, `[]`, `null`, `[{"delta":{"content":"y"}}]`,
		`[{"index":1,"delta":{"content":"not ours"}},{"index":0,"delta":{"content":"ours"}}]`, `[{"index":1,"delta":{"content":"not ours"}}]`, `[{"index":00,"delta":{}}]`,
		`[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]`, `[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]`,
		`[{"index":0,"delta":{"function_call":{"name":"f","arguments":"{}"}}}]`, `[{"index":0,"delta":{},"finish_reason":"stop"}]`, `[{"index":0,"delta":{},"finish_reason":"length"}]`,
		`[{"index":0,"delta":{"content":"\ud83d"}}]`, `[{"index":0,"delta":{"content":"\ude00"}}]`, `[{"index":-0,"delta":{"content":"z"}}]`, `[{"index":0.0,"delta":{"content":"z"}}]`,
		`[{"index":0,"usage":{"prompt_tokens":5},"delta":{"content":"u"}}]`, `[{"index":0,"error":{"message":"bad"}}]`, `[{"index":0,"delta":{"reasoning_content":"hm"}}]`,
	},
	{
		`}`, `,"usage":null}`, `,"usage":{"prompt_tokens":3,"completion_tokens":4}}`, `,"system_fingerprint":"f"}`, `,"system_fingerprint":"g"}`, `,"x_groq":{"id":"q"}}`,
		`,"obfuscation":"abc"}`, `,"error":null}`, `,"error":{"message":"bad"}}`, ` }`, `,"choices":[]}`,
	},
}

// FuzzAlike has the chunks of a stream read by what the one before said, and each whole: the same is told. A choice of parts is
// what a byte triple of plan picks.
func FuzzAlike(f *testing.F) {
	for _, plan := range []string{
		"\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x0d\x02", "\x00\x00\x03\x00\x07\x03\x00\x0a\x04\x02\x0b\x04", "\x08\x02\x00\x08\x00\x00\x00\x00\x00\x01\x00\x05",
		"\x00\x00\x02\x00\x13\x02\x00\x00\x02", // usage beside the choices, and in them
		"\x00\x00\x00\x00\x04\x0a\x00\x00\x0a", // choices twice
	} {
		f.Add([]byte(plan))
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		var stream []byte
		for ; len(plan) >= 3 && len(stream) < 1<<16; plan = plan[3:] {
			for i, parts := range chunkParts {
				stream = append(stream, parts[int(plan[i])%len(parts)]...)
			}
			stream = append(stream, '\n')
		}
		short, whole := heard(t, stream, true), heard(t, stream, false)
		if fmt.Sprint(short) != fmt.Sprint(whole) {
			t.Errorf("%s\nby the short way %q\nand else         %q", stream, short, whole)
		}
	})
}
