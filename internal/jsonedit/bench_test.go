package jsonedit

import (
	"fmt"
	"strings"
	"testing"
)

// request makes a chat request of about size bytes, with tools and with text that holds quotes and escapes.
func request(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"model":"gpt-4o-mini","stream":true,"temperature":0.7,"max_tokens":512,"user":"u-1","messages":[{"role":"system","content":"You are a careful assistant."}`)
	for i := 0; b.Len() < size-300; i++ {
		fmt.Fprintf(&b, `,{"role":"user","content":"%s"}`, strings.Repeat("The quick brown fox jumps over the lazy dog, \\\"again\\\".\\n", min(8, (size-b.Len())/64+1)))
	}
	b.WriteString(`],"tools":[{"type":"function","function":{"name":"search","description":"Search the web","parameters":{"type":"object","properties":{"q":{"type":"string"}},"required":["q"]}}}]}`)
	return []byte(b.String())
}

func BenchmarkScan(b *testing.B) {
	for _, kb := range []int{1, 16, 256} {
		doc := request(kb << 10)
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(doc, chatKeys); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScanSet(b *testing.B) {
	doc := request(1 << 10)
	dst := make([]byte, 0, 2*len(doc))
	var room [8]Edit
	b.ReportAllocs()
	for b.Loop() {
		o, err := Scan(doc, chatKeys)
		if err != nil {
			b.Fatal(err)
		}
		edits := o.Set(room[:0], doc, "model", []byte(`"other"`))
		edits = o.Set(edits, doc, "stream_options", []byte(`{"include_usage":true}`))
		dst = Apply(dst[:0], doc, edits)
	}
}

func BenchmarkGetChunk(b *testing.B) {
	doc := []byte(chunk)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		for v := range Elements(Get(doc, "choices")) {
			if Get(v, "delta", "content") == nil {
				b.Fatal("no content")
			}
		}
	}
}

func BenchmarkGetUsage(b *testing.B) {
	doc := []byte(chunk)
	b.ReportAllocs()
	for b.Loop() {
		if !IsNull(Get(doc, "usage")) {
			b.Fatal("usage")
		}
	}
}

// TestAllocations holds the functions of the request path to no allocation at all.
func TestAllocations(t *testing.T) {
	doc, frag := request(16<<10), []byte(chunk)
	dst := make([]byte, 0, 2*len(doc))
	model, options := []byte(`"other"`), []byte(`{"include_usage":true}`)
	for name, do := range map[string]func(){
		"Scan, Set, Delete, Apply": func() {
			var room [8]Edit
			o, err := Scan(doc, chatKeys)
			if err != nil {
				t.Error(err)
			}
			edits := o.Set(room[:0], doc, "model", model)
			edits = o.Set(edits, doc, "stream_options", options)
			edits = o.Delete(edits, doc, "user")
			edits = o.Delete(edits, doc, "tools")
			dst = Apply(dst[:0], doc, edits)
		},
		"Valid": func() { Valid(doc) },
		"Get": func() {
			for v := range Elements(Get(frag, "choices")) {
				Get(v, "delta", "content")
				Int(Get(v, "index"))
			}
			IsNull(Get(frag, "usage"))
		},
		"Members":       func() { countMembers(frag) },
		"AppendUnquote": func() { dst, _ = AppendUnquote(dst[:0], []byte(`"a\n\u00e9é"`)) },
		"AppendQuote":   func() { dst = AppendQuote(dst[:0], "a\n\"é") },
		"Compact":       func() { dst = Compact(dst[:0], frag) },
	} {
		if n := testing.AllocsPerRun(100, do); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func countMembers(doc []byte) (n int) {
	for range Members(doc) {
		n++
	}
	return n
}
