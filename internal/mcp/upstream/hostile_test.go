package upstream

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// hostile serves a handshake, and f for everything after it. It returns a session.
func hostile(t *testing.T, o Options, f http.HandlerFunc) *session {
	t.Helper()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch method, _ := jsonedit.Unquote(jsonedit.Get(b, "method")); method {
		case "initialize":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}}`, jsonedit.Get(b, "id"))
		case "tools/call", "tools/list":
			w.Header().Set("X-Id", string(jsonedit.Get(b, "id")))
			f(w, r)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(ts.Close)
	return open(t, dialer(t, o), mcp.Server{Name: "x", URL: ts.URL, Protocol: "2025-06-18"})
}

func TestHTTPHostile(t *testing.T) {
	id := func(w http.ResponseWriter) string { return w.Header().Get("X-Id") }
	for _, tt := range []struct {
		name string
		f    http.HandlerFunc
		want string
	}{
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "<html>")
		}, "the server sent what is not a JSON-RPC message"},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
		}, "the server sent neither JSON nor an event stream"},
		{"accepted and no more", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }, "the server sent neither JSON nor an event stream"},
		{"another id", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":99999,"result":{}}`)
		}, "the server answered another request than it was sent"},
		{"an error without an id", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"bad request, it says"}}`)
		}, "bad request, it says"},
		{"an error with a status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"no such tool"}}`, id(w))
		}, "no such tool"},
		{"a result that is no object", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":[1]}`, id(w))
		}, "the server sent a result that is not an object"},
		{"two readings", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{},"Result":{}}`, id(w))
		}, "the server sent what is not a JSON-RPC message"},
		{"an endless body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			endless(w, r, strings.Repeat(" ", 1<<16))
		}, "the answer is larger than the limit of 1 MiB"},
		{"an endless event", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			endless(w, r, "data: "+strings.Repeat("x", 1<<16)+"\n")
		}, "the answer is larger than the limit of 1 MiB"},
		{"an endless line", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			endless(w, r, strings.Repeat("x", 1<<16))
		}, "the answer is larger than the limit of 1 MiB"},
		{"a stream that ends", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n")
		}, "the connection broke before the answer was there"},
		{"a stream that cannot be taken up", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "id: 1\nretry: 1\ndata:\n\n")
		}, "the server ended the stream before the answer, and did not take it up again"},
		{"a body cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		}, "the connection broke before the answer was there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			watchLeaks(t)
			s := hostile(t, Options{MaxResult: 1 << 20}, tt.f)
			_, err := try(t, s, "x", "{}")
			if got := mcp.SafeMessage(err); err == nil || got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// endless writes until the client leaves.
func endless(w http.ResponseWriter, r *http.Request, piece string) {
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}

// TestHTTPOddButGood are answers that are unusual and understood.
func TestHTTPOddButGood(t *testing.T) {
	const note = `{"jsonrpc":"2.0","method":"notifications/message","params":{}}`
	for name, f := range map[string]func(w http.ResponseWriter, answer string){
		"a batch":   func(w http.ResponseWriter, a string) { odd(w, "application/json", "["+note+","+a+"]") },
		"a charset": func(w http.ResponseWriter, a string) { odd(w, "Application/JSON; charset=utf-8", a) },
		"CRLF and a BOM": func(w http.ResponseWriter, a string) {
			odd(w, "text/event-stream", "\uFEFFevent: message\r\ndata: "+a+"\r\n\r\n")
		},
		"no blank line": func(w http.ResponseWriter, a string) { odd(w, "text/event-stream", "data: "+a) },
		"noise before": func(w http.ResponseWriter, a string) {
			odd(w, "text/event-stream", "event: ping\ndata: {}\n\ndata: no JSON\n\ndata: "+note+"\n\ndata: "+a+"\n\n")
		},
		"an id as string": func(w http.ResponseWriter, a string) {
			odd(w, "application/json", strings.Replace(a, `"id":`+w.Header().Get("X-Id"), `"id":"`+w.Header().Get("X-Id")+`"`, 1))
		},
		"invalid UTF-8": func(w http.ResponseWriter, a string) {
			odd(w, "application/json", strings.Replace(a, "hello", "hello\xff", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			watchLeaks(t)
			s := hostile(t, Options{}, func(w http.ResponseWriter, _ *http.Request) {
				f(w, `{"jsonrpc":"2.0","id":`+w.Header().Get("X-Id")+`,"result":{"content":[{"type":"text","text":"hello"}]}}`)
			})
			if res, err := try(t, s, "x", "{}"); err != nil || !strings.Contains(res, "hello") || !jsonedit.Valid([]byte(res)) {
				t.Errorf("%s, %v", res, err)
			}
		})
	}
}

func odd(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, body)
}

// FuzzReply reads whatever a server may answer: it must end, and what it accepts must be an object.
func FuzzReply(f *testing.F) {
	for i, b := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`, `[{"jsonrpc":"2.0","id":1,"result":{}}]`, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\"}}\n\n",
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"x"}}`, "id: 1\nretry: 5\ndata:\n\n", `{"jsonrpc":"2.0","id":"1","method":"ping"}`,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}],"nextCursor":"a"}}`,
	} {
		f.Add(i%3 == 2, 200, []byte(b))
		f.Add(i%3 == 2, 400, []byte(b))
	}
	f.Fuzz(func(t *testing.T, stream bool, status int, body []byte) {
		d := New(Options{MaxPages: 3, MaxResult: 1 << 16, MaxList: 1 << 16, Log: slog.New(slog.DiscardHandler)})
		d.own = &http.Client{Transport: canned{stream, status, body}, CheckRedirect: sameHost}
		s := d.adoptModern(target{Server: mcp.Server{URL: "http://server.example/"}, changed: func() {}})
		if res, err := s.CallTool(t.Context(), mcp.ToolCall{Name: "x", Arguments: []byte(`{"a":"b"}`)}); err == nil && jsonedit.Kind(res) != '{' {
			t.Errorf("accepted %q", res)
		}
		if tools, err := s.ListTools(t.Context()); err == nil {
			for _, tool := range tools {
				if !jsonedit.Valid(tool.Raw) || jsonedit.Kind(tool.InputSchema) != '{' || tool.Name == "" {
					t.Errorf("listed %q", tool.Raw)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// canned answers every request alike.
type canned struct {
	stream bool
	status int
	body   []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	if c.stream {
		h.Set("Content-Type", "text/event-stream")
	}
	return &http.Response{
		StatusCode: 100 + c.status&0x1ff, Status: strconv.Itoa(c.status), Header: h, Request: r,
		Body: io.NopCloser(strings.NewReader(string(c.body))),
	}, nil
}
