package openapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
)

// apiServer is an HTTP API that remembers what it was asked.
type apiServer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // method, address, headers of interest, body
}

func newAPI(t *testing.T, h http.HandlerFunc) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		line := r.Method + " " + r.RequestURI
		for _, k := range []string{"Authorization", "X-Shop-Key", "X-Request-Tag", "Cookie", "Traceparent"} {
			if v := r.Header.Values(k); v != nil {
				line += " " + k + ":" + strings.Join(v, "|")
			}
		}
		s.seen = append(s.seen, strings.TrimSpace(line+" "+string(body)))
		s.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func dialed(t *testing.T, server mcp.Server, headers http.Header) mcp.Session {
	t.Helper()
	s, err := New(Options{Log: slog.New(slog.DiscardHandler), MaxResult: 1 << 20}).Dial(t.Context(), server, headers, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func call(t *testing.T, s mcp.Session, tool, args string) string {
	t.Helper()
	raw, err := s.CallTool(t.Context(), mcp.ToolCall{Name: tool, Arguments: []byte(args), Headers: http.Header{"Traceparent": {"00-1-2-01"}}})
	if err != nil {
		return "error: " + mcp.SafeMessage(err)
	}
	return string(raw)
}

// TestCalls: what an API answers becomes a result, by its status and its media type.
func TestCalls(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		answer := func(media string, status int, body string) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
		switch r.URL.Path {
		case "/v2/articles":
			answer("application/json", 200, "[1, 2]")
		case "/v2/articles/1":
			answer("application/json; charset=utf-8", 200, `{"number": 1, "name": "Bread"}`)
		case "/v2/articles/2":
			answer("application/problem+json", 404, `{"title":"no such article"}`)
		case "/v2/articles/3":
			w.Header().Set("Retry-After", "7")
			answer("text/html", 503, strings.Repeat("<p>", 10<<10))
		case "/v2/articles/4":
			w.WriteHeader(204)
		case "/v2/articles/5":
			answer("application/json", 200, `{"broken": `)
		case "/v2/articles/6":
			w.Header().Set("Location", "http://"+strings.Replace(r.Host, "127.0.0.1", "localhost", 1)+"/v2/stolen")
			w.WriteHeader(302)
		case "/v2/articles/7":
			w.Header().Set("Location", "/v2/articles/1")
			w.WriteHeader(302)
		case "/v2/articles/8":
			w.Header().Set("Content-Encoding", "gzip")
			answer("application/json", 200, "\x1f\x8b")
		case "/v2/articles/9":
			answer("application/json", 200, `"`+strings.Repeat("x", 1<<20)+`"`)
		case "/v2/articles/1/picture":
			answer("image/png", 200, "\x89PNG")
		case "/v2/articles/2/picture":
			answer("application/zip", 200, "PK\xff\x00")
		case "/v2/files/a":
			answer("text/plain", 200, "plain\ntext")
		default:
			answer("text/plain", 418, "no")
		}
	})
	server := testServer
	server.URL = api.URL + "/v2/"
	s := dialed(t, server, nil)
	for _, tt := range []struct{ tool, args, want string }{
		{"listArticles", `{"tag":["a","b"],"price":{"min":1}}`, `{"content":[{"type":"text","text":"[1, 2]"}]}`},
		{"getArticle", `{"number":1}`, `{"content":[{"type":"text","text":"{\"number\": 1, \"name\": \"Bread\"}"}],"structuredContent":{"number":1,"name":"Bread"}}`},
		{"getArticle", `{"number":2}`, `{"content":[{"type":"text","text":"HTTP 404 Not Found\n{\"title\":\"no such article\"}"}],"isError":true}`},
		{"removeArticle", `{"number":4}`, `{"content":[{"type":"text","text":"HTTP 204 No Content, without content"}]}`},
		{"getArticle", `{"number":5}`, `{"content":[{"type":"text","text":"{\"broken\": "}]}`},
		{"getArticle", `{"number":6}`, `{"content":[{"type":"text","text":"HTTP 302 Found: the server points to another place, which is not followed"}],"isError":true}`},
		{"getArticle", `{"number":7}`, `{"content":[{"type":"text","text":"{\"number\": 1, \"name\": \"Bread\"}"}],"structuredContent":{"number":1,"name":"Bread"}}`},
		{"getArticle", `{"number":8}`, `{"content":[{"type":"text","text":"HTTP 200 OK: the body is encoded in a way that was not asked for"}],"isError":true}`},
		{"getArticle", `{"number":9}`, `error: the answer is larger than the limit of 1 MiB`},
		{"getArticle", `{"number":"x"}`, `{"content":[{"type":"text","text":"the argument \"number\" must be of the type integer; nothing was sent"}],"isError":true}`},
		{"picture", `{"number":1}`, `{"content":[{"type":"image","data":"iVBORw==","mimeType":"image/png"}]}`},
		{"picture", `{"number":2}`, `{"content":[{"type":"resource","resource":{"uri":"answer:picture","mimeType":"application/zip","blob":"UEv/AA=="}}]}`},
		{"readFile", `{"path":"a"}`, `{"content":[{"type":"text","text":"plain\ntext"}]}`},
		{"order.place", `{"body":{"articles":[1,2],"note":"a b"}}`, `{"content":[{"type":"text","text":"HTTP 418 I'm a teapot\nno"}],"isError":true}`},
		{"elsewhere", `{}`, `error: Unknown tool`},
	} {
		if got := call(t, s, tt.tool, tt.args); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.tool, tt.args, got, tt.want)
		}
	}
	long := call(t, s, "getArticle", `{"number":3}`)
	if !strings.HasPrefix(long, `{"content":[{"type":"text","text":"HTTP 503 Service Unavailable (retry-after: 7)\n<p><p>`) || len(long) > 2*maxFailure || !strings.Contains(long, "[cut: this is the first ") {
		t.Errorf("a long failure: %d bytes, %.200s", len(long), long)
	}
	seen := api.asked()
	for _, want := range []string{
		"GET /v2/articles?tag=a,b&price%5Bmin%5D=1 Traceparent:00-1-2-01", "DELETE /v2/articles/4 Traceparent:00-1-2-01",
		"POST /v2/orders Traceparent:00-1-2-01 articles=1,2&note=a+b",
	} {
		found := false
		for _, line := range seen {
			found = found || line == want
		}
		if !found {
			t.Errorf("the API was not asked %q but\n%s", want, strings.Join(seen, "\n"))
		}
	}
	if strings.Contains(fmt.Sprint(seen), "stolen") {
		t.Error("a redirect to another host was followed")
	}
}

// TestCredentials: the config's headers go with each request, the caller's count before them, and no argument replaces either.
func TestCredentials(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) {})
	server := testServer
	server.URL, server.Headers = api.URL, map[string]string{"X-Shop-Key": "config", "Authorization": "Bearer config"}
	call(t, dialed(t, server, http.Header{"Authorization": {"Bearer caller"}}), "readFile", `{"path":"a","session":"s","X-Request-Tag":"t"}`)
	if got, want := strings.Join(api.asked(), "\n"), "GET /files/a Authorization:Bearer caller X-Shop-Key:config X-Request-Tag:t Cookie:session=s Traceparent:00-1-2-01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRefusalsKeepCredentials: an API that says what it was shown does not tell it to callers.
func TestRefusalsKeepCredentials(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "bad key "+r.Header.Get("X-Shop-Key")+" or "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	server := testServer
	server.URL, server.Headers = api.URL, map[string]string{"X-Shop-Key": "canary-key", "Authorization": "Bearer canary-token"}
	if got := call(t, dialed(t, server, nil), "readFile", `{"path":"a"}`); got != `{"content":[{"type":"text","text":"HTTP 403 Forbidden\nbad key *** or ***"}],"isError":true}` {
		t.Error(got)
	}
}

// TestDocumentIsReadAgain: a document that has changed is read when the list of tools is not fresh any more, and one that cannot
// be fetched for a while leaves the tools that are known.
func TestDocumentIsReadAgain(t *testing.T) {
	var doc atomic.Value
	var fetched atomic.Int64
	doc.Store(`{"openapi":"3.1.0","servers":[{"url":"/api"}],"paths":{"/p":{"get":{"operationId":"one"}}}}`)
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/docs/openapi.json" {
			_, _ = io.WriteString(w, r.URL.Path)
			return
		}
		fetched.Add(1)
		_, _ = io.WriteString(w, doc.Load().(string))
	})
	d := New(Options{Log: slog.New(slog.DiscardHandler)})
	server := mcp.Server{Name: "api", Transport: "openapi", Document: api.URL + "/docs/openapi.json", ListTTL: time.Nanosecond, Headers: map[string]string{"X-Shop-Key": "k"}}
	s, err := d.Dial(t.Context(), server, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := call(t, s, "one", `{}`); !strings.Contains(got, "/api/p") {
		t.Errorf("the operation is not at its relative server: %s", got)
	}
	doc.Store(`{"openapi":"3.1.0","paths":{"/p":{"get":{"operationId":"two"}}}}`)
	tools, err := s.ListTools(t.Context())
	if err != nil || len(tools) != 1 || tools[0].Name != "two" {
		t.Errorf("%v, %v", tools, err)
	}
	doc.Store(`oops`)
	if _, err := s.ListTools(t.Context()); err == nil || mcp.SafeMessage(err) != "the OpenAPI document cannot be used: it is no object" {
		t.Errorf("a broken document: %v", err)
	}
	if got := call(t, s, "two", `{}`); !strings.Contains(got, `"/p"`) {
		t.Errorf("the tool that is known cannot be called: %s", got)
	}
	if !strings.Contains(api.asked()[0], "X-Shop-Key:k") {
		t.Errorf("the document is fetched without the config's headers: %s", api.asked()[0])
	}
	server.ListTTL = time.Hour
	before := fetched.Load()
	doc.Store(`{"openapi":"3.1.0","paths":{"/p":{"get":{"operationId":"two"}}}}`)
	d = New(Options{Log: slog.New(slog.DiscardHandler)})
	for range 5 {
		s, err := d.Dial(t.Context(), server, http.Header{"Authorization": {"x"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ListTools(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := fetched.Load() - before; n != 1 {
		t.Errorf("five sessions fetched the document %d times", n)
	}
}

// TestFailures: what goes wrong between us and the API is told without addresses, and leaves the session as it is.
func TestFailures(t *testing.T) {
	hang := make(chan struct{})
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/files/cut" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			return
		}
		select {
		case <-r.Context().Done():
		case <-hang:
		}
	})
	defer close(hang)
	server := testServer
	server.URL = api.URL
	s := dialed(t, server, nil)
	if got := call(t, s, "readFile", `{"path":"cut"}`); got != "error: the connection broke before the answer was there" {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := s.CallTool(ctx, mcp.ToolCall{Name: "readFile", Arguments: []byte(`{"path":"x"}`)}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: %v", err)
	}
	select {
	case <-s.Done():
		t.Error("the session has ended")
	default:
	}
	server.URL = "http://127.0.0.1:1/secret/place"
	if got := call(t, dialed(t, server, nil), "readFile", `{"path":"x"}`); got != "error: the server could not be reached" {
		t.Error(got)
	}
	for _, document := range []string{filepath.Join(t.TempDir(), "none.yaml"), api.URL[:len(api.URL)-1] + "x/", "http://127.0.0.1:1/"} {
		server.Document = document
		_, err := New(Options{Log: slog.New(slog.DiscardHandler)}).Dial(t.Context(), server, nil, nil)
		if err == nil || strings.Contains(mcp.SafeMessage(err), document) {
			t.Errorf("%s: %v", document, err)
		}
	}
	if _, err := s.Pass(t.Context(), mcp.Request{Method: "prompts/get"}); mcp.SafeMessage(err) != "Method not found" {
		t.Errorf("a prompt: %v", err)
	}
	if !s.Offers("tools") || s.Offers("prompts") {
		t.Error("it offers something else than tools")
	}
}

// shows shows who asks by a header, another one each time.
type shows struct{ n int }

func (a *shows) Authorize(req *http.Request, _ []byte) error {
	a.n++
	req.Header.Set("Authorization", "Bearer "+strconv.Itoa(a.n))
	return nil
}

func (a *shows) Refused(*http.Request, *http.Response) (bool, error) { return true, nil }

// TestAuthorized: where the config says how an API is shown who asks, each request is, body and all, and once more when the API
// wants to see something else.
func TestAuthorized(t *testing.T) {
	api := newAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer 2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	a := &shows{}
	s := dialed(t, mcp.Server{Document: filepath.Join("testdata", "shop.yaml"), URL: api.URL, Authorizer: a}, nil)
	tools, err := s.ListTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	call(t, s, tools[0].Name, `{}`)
	if asked := api.asked(); len(asked) != 2 || !strings.Contains(asked[0], "Bearer 1") || strings.ReplaceAll(asked[0], "Bearer 1", "Bearer 2") != asked[1] {
		t.Errorf("%q", asked)
	}
}
