package blackbox

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// api is an HTTP API that an OpenAPI document describes. Its section has a line for each answer:
//
//	METHOD TARGET STATUS CONTENT-TYPE BODY
//
// A document stands in a section "document NAME"; it is a file, {{document NAME}}.
type api struct {
	name    string
	url     string
	headers []string // that are printed

	mu   sync.Mutex
	seen []string
}

// startAPIs starts the APIs of a transcript and writes its documents.
func (tr *transcript) startAPIs() {
	tr.t.Helper()
	for _, f := range tr.archive.Files {
		if name, ok := strings.CutPrefix(f.Name, "document "); ok {
			file := filepath.Join(tr.t.TempDir(), name)
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				tr.t.Fatal(err)
			}
			tr.documents = append(tr.documents, [2]string{name, file})
		}
		if name, ok := strings.CutPrefix(f.Name, "api "); ok {
			tr.apis = append(tr.apis, startAPI(tr.t, name, string(f.Data), tr.show.server))
		}
	}
}

func startAPI(t *testing.T, name, script string, headers []string) *api {
	t.Helper()
	answers := map[string][]string{}
	for line := range strings.Lines(script) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 5); len(f) >= 4 {
			answers[f[0]+" "+f[1]] = append(f[2:], "")
		}
	}
	a := &api{name: name, headers: headers}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.note(r, body)
		f, ok := answers[r.Method+" "+r.RequestURI]
		if !ok {
			http.Error(w, "the script has no answer to "+r.RequestURI, http.StatusNotFound)
			return
		}
		status, err := strconv.Atoi(f[0])
		if err != nil {
			t.Errorf("the API %s: %v", name, err)
		}
		w.Header().Set("Content-Type", f[1])
		w.WriteHeader(status)
		_, _ = io.WriteString(w, f[2])
	}))
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *api) note(r *http.Request, body []byte) {
	line := r.Method + " " + r.RequestURI
	for _, name := range a.headers {
		if v := r.Header.Get(name); v != "" {
			line += "\n  " + name + ": " + v
		}
	}
	if len(body) > 0 {
		line += fmt.Sprintf("\n  %s: %s", r.Header.Get("Content-Type"), body)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, line)
}

// asked is what the API was asked, sorted, since calls run side by side.
func (a *api) asked() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.seen))
}

// TestDocumentReload: a document that has changed holds when the config is loaded anew; one that is broken takes its server's
// tools away and says why, and no other's.
func TestDocumentReload(t *testing.T) {
	t.Parallel()
	tr := build(t, "-- config --\nmcp_servers:\n  shop: {openapi: \"{{document shop.json}}\", base_url: \"{{api shop}}\"}\n"+
		"-- document shop.json --\n"+`{"openapi":"3.1.0","paths":{"/a":{"get":{"operationId":"one"}}}}`+"\n-- api shop --\nGET /a 200 text/plain a\nGET /b 200 text/plain b\n",
		func(tr *transcript) { tr.rule = play() })
	tools := func() string {
		resp, err := http.DefaultClient.Do(tr.request("GET /v1/mcp/tools\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		tr.checkLeaks(string(b))
		return string(b)
	}
	if got := tools(); !strings.Contains(got, `"shop-one"`) {
		t.Fatalf("the tools are %s", got)
	}
	for i, tt := range []struct{ doc, want string }{
		{`{"openapi":"3.1.0","paths":{"/b":{"get":{"operationId":"two"}}}}`, `"shop-two"`},
		{`{"openapi":"3.1.0",`, `the OpenAPI document cannot be used: it is not JSON`},
		{`{"openapi":"3.1.0","paths":{"/b":{"get":{"operationId":"three"}}}}`, `"shop-three"`},
	} {
		if err := os.WriteFile(tr.documents[0][1], []byte(tt.doc), 0o600); err != nil {
			t.Fatal(err)
		}
		tr.gateway.Signal(syscall.SIGHUP)
		tr.reloaded(i + 1)
		if got := tools(); !strings.Contains(got, tt.want) || strings.Contains(got, `"shop-one"`) {
			t.Errorf("the tools are %s, without %s", got, tt.want)
		}
	}
}
