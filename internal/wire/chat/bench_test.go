package chat

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

func BenchmarkReadTyped(b *testing.B) {
	u := upstream(b, wire.Quirks{})
	reply := strings.Repeat(`data: {"id":"chatcmpl-A1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-5.4-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" hello"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", 100) + chunkEnd + chunkUse + done
	b.SetBytes(int64(len(reply)))
	b.ReportAllocs()
	for b.Loop() {
		for range u.ReadReply(&llm.Request{}, "text/event-stream", strings.NewReader(reply)) {
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	for name, q := range map[string]wire.Quirks{"plain": {}, "model": {Model: "other"}} {
		u := upstream(b, q)
		for size, n := range map[string]int{"1KB": 1 << 10, "64KB": 64 << 10} {
			req := asked(b, `{"model":"m","messages":[{"role":"user","content":"`+strings.Repeat("x", n)+`"}],"stream":false}`)
			b.Run(name+"/"+size, func(b *testing.B) {
				b.ReportAllocs()
				buf := make([]byte, 0, 128<<10)
				for b.Loop() {
					if _, err := u.AppendRequest(buf, req); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestAppendRequestAllocates holds the edits of a body to next to no allocations, however large it is and whatever is added to it.
func TestAppendRequestAllocates(t *testing.T) {
	u := upstream(t, wire.Quirks{Model: "other"})
	req := asked(t, `{"model":"m","stream":true,"messages":[{"role":"user","content":"`+strings.Repeat("x", 64<<10)+`"}],"tools":[{"type":"function","function":{"name":"f"}}]}`)
	buf := make([]byte, 0, 128<<10)
	for _, name := range []string{"as it came", "with a round of tools"} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := u.AppendRequest(buf, req); err != nil {
				t.Fatal(err)
			}
		})
		if got > 4 {
			t.Errorf("%s: %v allocations, at most 4 are allowed", name, got)
		}
		req.AddedTools = []llm.Tool{{Name: "a", Schema: []byte(`{}`), Forms: new(llm.Forms)}, {Name: "b", Schema: []byte(`{}`), Forms: new(llm.Forms)}}
		req.AddedMessages = []llm.Message{
			{Role: llm.Assistant, Wire: Name, Calls: []llm.Call{{ID: "1", Name: "a", Arguments: "{}"}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "1", Name: "a", Text: strings.Repeat("y", 1<<10)}},
		}
	}
}
