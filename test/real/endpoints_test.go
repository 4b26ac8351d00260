//go:build real

package real

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/test/gateway"
)

// TestEndpoints lets OpenAI's own client use what the gateway passes on.
func TestEndpoints(t *testing.T) {
	vendor := httptest.NewServer(endpoints())
	t.Cleanup(vendor.Close)
	g := gateway.Start(t, fmt.Sprintf("models:\n  - {name: embed, provider: openai, model: vendors, base_url: %q, api_key: k}\nkeys:\n  - {name: tests, key: %s}\n",
		vendor.URL+"/v1", gateway.Key))
	s := runClient(t, node("openai-endpoints.mjs"), "BASE_URL="+g.URL+"/v1")
	want := []string{
		"embedding 0.5 1 for 3 tokens by vendors",
		"speech fffb0001",
		"heard a b.wav for vendors, 1048576 bytes",
		"file file-1 batch, listed file-1",
		"batch completed: {}",
		"deleted true",
		"no model: NotFoundError model_not_found",
		"no file: NotFoundError not_found",
		"no batch: NotFoundError not_found",
	}
	if len(s.Errors) > 0 || !slices.Equal(s.Items, want) {
		t.Errorf("errors %q, items:\n%q, want\n%q", s.Errors, s.Items, want)
	}
}

// endpoints is a provider with one file and one batch of the caller's, among those of others.
func endpoints() http.Handler {
	mux := http.NewServeMux()
	say := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
	}
	say("POST /v1/embeddings", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,1]}],"model":"vendors","usage":{"prompt_tokens":3,"total_tokens":3}}`)
	mux.HandleFunc("POST /v1/audio/speech", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte{0xff, 0xfb, 0, 1})
	})
	mux.HandleFunc("POST /v1/audio/transcriptions", func(w http.ResponseWriter, r *http.Request) {
		name, model, size := fields(r)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"text":"%s for %s, %d bytes"}`, name, model, size)
	})
	say("POST /v1/files", `{"id":"file-1","object":"file","purpose":"batch","bytes":1,"created_at":1,"filename":"a.jsonl"}`)
	say("GET /v1/files", `{"object":"list","data":[{"id":"file-foreign","object":"file"},{"id":"file-1","object":"file"}],"has_more":false}`)
	say("DELETE /v1/files/file-1", `{"id":"file-1","object":"file","deleted":true}`)
	say("GET /v1/files/file-1/content", `{"body":{"model":"vendors"}}`)
	say("GET /v1/files/file-out/content", `{}`)
	const batch = `{"id":"batch_1","object":"batch","status":"completed","output_file_id":"file-out"}`
	say("POST /v1/batches", batch)
	say("GET /v1/batches/{id}", batch)
	return mux
}

// fields reads a form with a file and a model.
func fields(r *http.Request) (name, model string, size int64) {
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	for mr := multipart.NewReader(r.Body, params["boundary"]); ; {
		p, err := mr.NextPart()
		if err != nil {
			return name, model, size
		}
		if p.FileName() != "" {
			name = p.FileName()
			size, _ = io.Copy(io.Discard, p)
			continue
		}
		if b, _ := io.ReadAll(p); p.FormName() == "model" {
			model = string(b)
		}
	}
}
