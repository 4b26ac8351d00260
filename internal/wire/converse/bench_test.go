package converse

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// stream is a reply of n pieces of text.
func stream(n int) []byte {
	return frames("messageStart {\"role\":\"assistant\"}\n" + strings.Repeat("contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\" word\"},\"p\":\"abcdefghijklmn\"}\n", n) +
		"contentBlockStop {\"contentBlockIndex\":0}\nmessageStop {\"stopReason\":\"end_turn\"}\nmetadata {\"usage\":{\"inputTokens\":1,\"outputTokens\":2,\"totalTokens\":3}}")
}

// TestReadAllocations bounds what an event of text costs: its text, and nothing else.
func TestReadAllocations(t *testing.T) {
	u := upstream(t, wire.Quirks{Model: "m"})
	read := func(body []byte) float64 {
		return testing.AllocsPerRun(10, func() {
			for _, err := range u.ReadReply(&llm.Request{}, streamType, bytes.NewReader(body)) {
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if each := (read(stream(1100)) - read(stream(100))) / 1000; each > 1.1 {
		t.Errorf("an event of text costs %v allocations", each)
	}
}

func BenchmarkReadReply(b *testing.B) {
	u := upstream(b, wire.Quirks{Model: "m"})
	body := stream(100)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		for range u.ReadReply(&llm.Request{}, streamType, bytes.NewReader(body)) {
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	u := upstream(b, wire.Quirks{Model: "m"})
	req := &llm.Request{
		Messages: []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: strings.Repeat("word ", 200)}},
		Tools:    []llm.Tool{{Name: "f", Description: "does", Schema: []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`), Forms: new(llm.Forms)}},
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = u.AppendRequest(dst[:0], req); err != nil {
			b.Fatal(err)
		}
	}
}
