package upstream

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
)

// BenchmarkCall measures one call at a time; over HTTP the server's part is in it.
func BenchmarkCall(b *testing.B) {
	spec := mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}}
	for _, name := range []string{"stdio", "stream", "json"} {
		b.Run(name, func(b *testing.B) {
			m := asChild(spec)
			if name != "stdio" {
				spec.JSON = name == "json"
				srv := mcptest.New(spec)
				ts := httptest.NewServer(srv.HTTP())
				defer func() { srv.Close(); ts.Close() }()
				m = mcp.Server{URL: ts.URL}
			}
			d := New(Options{Log: slog.New(slog.DiscardHandler)})
			defer d.Close()
			s, err := d.Dial(b.Context(), m, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.CallTool(b.Context(), mcp.ToolCall{Name: "echo", Arguments: []byte(`{"text":"hello"}`), Progress: func() {}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
