package openapi

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// TestAttack26PathTraversal: an argument of a path stays inside its segment. What a server could read as the way upwards, however
// often it unescapes, is refused and nothing is sent; all else arrives escaped.
func TestAttack26PathTraversal(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) {})
	server := testServer
	server.URL = api.URL + "/v2"
	s := dialed(t, server, nil)
	for _, id := range []string{
		"../../admin", "..", ".", "a/../../b", `..\\..\\admin`, "%2e%2e", "%2e%2e%2fadmin", "%252e%252e%252fadmin", "..%2fadmin", "..;/admin", "/../admin", "./x",
		"%25252525252e",
	} {
		args := append(jsonedit.AppendQuote([]byte(`{"path":`), id), '}')
		got := call(t, s, "readFile", string(args))
		if !strings.Contains(got, `the argument \"path\" leads upwards in the path; nothing was sent`) || !strings.Contains(got, `"isError":true`) {
			t.Errorf("%s: %s", id, got)
		}
	}
	if seen := api.asked(); len(seen) != 0 {
		t.Errorf("the API was asked %v", seen)
	}
	for id, want := range map[string]string{
		"?x#":                    "GET /v2/files/%3Fx%23",
		"http://evil.example/a":  "GET /v2/files/http%3A%2F%2Fevil.example%2Fa",
		"//evil.example":         "GET /v2/files/%2F%2Fevil.example",
		"a\r\nX-Evil: 1\r\n\r\n": "GET /v2/files/a%0D%0AX-Evil%3A%201%0D%0A%0D%0A",
		"a\x00b":                 "GET /v2/files/a%00b",
		"@evil.example":          "GET /v2/files/%40evil.example",
		"...":                    "GET /v2/files/...",
		"a..b":                   "GET /v2/files/a..b",
		"\u2025\uff0e\uff0e":     "GET /v2/files/%E2%80%A5%EF%BC%8E%EF%BC%8E",
	} {
		before := len(api.asked())
		call(t, s, "readFile", string(append(jsonedit.AppendQuote([]byte(`{"path":`), id), '}')))
		if seen := api.asked()[before:]; len(seen) != 1 || seen[0] != want+" Traceparent:00-1-2-01" {
			t.Errorf("%q was sent as %q, want %q", id, seen, want)
		}
	}
	// Two parameters of one segment do not climb together either, and neither do styles.
	doc := `{"openapi":"3.1.0","paths":{"/a/{x}{y}":{"get":{"operationId":"op","parameters":[{"name":"x","in":"path"},{"name":"y","in":"path","style":"label"}]}}}}`
	if got := sent(t, operationOf(t, doc), `{"x":".","y":""}`); !strings.HasPrefix(got, "refused") {
		t.Errorf("it was sent as %s", got)
	}
}

// TestAttack26HeaderInjection: no argument makes another header, nor one that is not for callers to set.
func TestAttack26HeaderInjection(t *testing.T) {
	api := newAPI(t, func(http.ResponseWriter, *http.Request) {})
	server := testServer
	server.URL, server.Headers = api.URL, map[string]string{"x-shop-key": "config"}
	s := dialed(t, server, nil)
	for _, tag := range []string{"a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb", "é", " a", "a\t"} {
		got := call(t, s, "readFile", string(append(jsonedit.AppendQuote([]byte(`{"path":"a","X-Request-Tag":`), tag), '}')))
		if !strings.Contains(got, `the argument \"X-Request-Tag\" has a character that a header cannot carry`) {
			t.Errorf("%q: %s", tag, got)
		}
	}
	for _, arg := range []string{"Host", "X-Shop-Key", "Authorization", "Cookie", "Content-Length"} {
		if got := call(t, s, "readFile", `{"path":"a","`+arg+`":"x"}`); !strings.Contains(got, "is unknown") {
			t.Errorf("%s: %s", arg, got)
		}
	}
	if seen := api.asked(); len(seen) != 0 {
		t.Errorf("the API was asked %v", seen)
	}
	call(t, s, "readFile", `{"path":"a","session":"x; admin=1\r\nX-Evil: 1"}`)
	if seen := api.asked(); len(seen) != 1 || seen[0] != "GET /files/a X-Shop-Key:config Cookie:session=x%3B%20admin%3D1%0D%0AX-Evil%3A%201 Traceparent:00-1-2-01" {
		t.Errorf("the cookie was sent as %q", seen)
	}
	doc := `{"openapi":"3.1.0","paths":{"/a":{"get":{"operationId":"op","parameters":[{"name":"Cookie","in":"header"},{"name":"X-Forwarded-For","in":"header"},{"name":"transfer-encoding","in":"header"},{"name":"a b","in":"header"},{"name":"a;b","in":"cookie"}]}}}}`
	if op := operationOf(t, doc); len(op.params) != 0 {
		t.Errorf("arguments %+v", op.params)
	}
}

// TestAttack26ServerOverride: the document does not decide where requests and credentials go.
func TestAttack26ServerOverride(t *testing.T) {
	const doc = `{"openapi":"3.1.0","servers":[{"url":"https://attacker.example/"}],"paths":{
		"/a":{"servers":[{"url":"https://attacker.example/"}],"get":{"operationId":"a","servers":[{"url":"https://attacker.example/"}]}},
		"/b":{"get":{"operationId":"b","servers":[{"url":"../other"}]}},"/../c":{"get":{"operationId":"c"}},"/d?x=":{"get":{"operationId":"d"}},"/{u}@e/%2e%2e/":{"get":{"operationId":"e"}}}}`
	api := newAPI(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(doc)) })
	file := filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(document, base string) *apiRead {
		p, err := placeOf(&mcp.Server{Document: document, URL: base})
		if err != nil {
			t.Fatal(err)
		}
		a, err := read([]byte(doc), p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := at(file, "https://api.example.com/v1")
	for _, name := range []string{"a", "b"} {
		if got := a.calls[name].base; got != "https://api.example.com/v1" {
			t.Errorf("%s goes to %s", name, got)
		}
	}
	if len(a.calls) != 2 {
		t.Errorf("there are the tools %v", toolNames(a))
	}
	a = at("https://docs.example.com/v3/openapi.json", "")
	if len(a.calls) != 1 || a.calls["b"].base != "https://docs.example.com/other" {
		t.Errorf("a document that was fetched sends requests elsewhere: %v", toolNames(a))
	}
	if !strings.Contains(a.left[0].why, "another host than its own; give the server a base_url") {
		t.Errorf("the reason is %q", a.left[0].why)
	}
	if a = at(file, ""); len(a.calls) != 1 || a.calls["a"].base != "https://attacker.example" {
		t.Errorf("the operator's own file says where it goes: %v", toolNames(a))
	}
	// The document is fetched without the credentials of an API on another host.
	server := mcp.Server{Name: "x", Document: api.URL, URL: "https://api.example.com", Headers: map[string]string{"Authorization": "Bearer canary"}}
	if _, err := New(Options{Log: slog.New(slog.DiscardHandler)}).Dial(t.Context(), server, http.Header{"X-Shop-Key": {"canary"}}, nil); err != nil {
		t.Fatal(err)
	}
	if seen := api.asked(); len(seen) != 1 || strings.Contains(seen[0], "canary") {
		t.Errorf("the document was fetched with credentials: %v", seen)
	}
}

// apiRead is what a document comes to; the tests call their server api.
type apiRead = api
