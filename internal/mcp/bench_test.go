package mcp

import (
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

// BenchmarkOpen is what a request with ten tools of a warm server costs before the model is asked.
func BenchmarkOpen(b *testing.B) {
	f := &fakeServer{tools: defs("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")}
	c := New(fakes{"files": f}.dial, Options{})
	defer c.Close()
	c.Apply([]Server{webServer("files")})
	sel := ask("fairlead/mcp/files")
	sel.Header = header("Authorization", "Bearer k", "Content-Type", "application/json", "User-Agent", "x")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Open(b.Context(), sel); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall is what a call costs beside its session.
func BenchmarkCall(b *testing.B) {
	f := &fakeServer{tools: defs("a")}
	c := New(fakes{"files": f}.dial, Options{})
	defer c.Close()
	c.Apply([]Server{webServer("files")})
	box, err := c.Open(b.Context(), ask("fairlead"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.calls = f.calls[:0]
		if res, _ := box.Call(b.Context(), llm.Call{Name: "files-a", Arguments: `{"path":"x"}`}); res.IsError {
			b.Fatal(res.Text)
		}
	}
}
