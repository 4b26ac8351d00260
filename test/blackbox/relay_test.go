package blackbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
)

// vendor is a provider with endpoints beside the one that generates. It answers by path, keeps what it was asked, and has files
// and batches as OpenAI has.
type vendor struct {
	*httptest.Server
	t   *testing.T
	mux *http.ServeMux

	mu    sync.Mutex
	seen  []asked
	files []string // ids, the newest last
	text  map[string]string
}

// asked is one request that it got.
type asked struct {
	method, path, query, body string
	header                    http.Header
	form                      map[string]string // fields and, by name@filename, sizes of files
	order                     []string
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	v := &vendor{t: t, mux: http.NewServeMux(), text: map[string]string{}}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	v.mux.HandleFunc("POST /v1/files", v.upload)
	v.mux.HandleFunc("GET /v1/files", v.list)
	v.mux.HandleFunc("GET /v1/files/{id}", v.file)
	v.mux.HandleFunc("DELETE /v1/files/{id}", v.file)
	v.mux.HandleFunc("GET /v1/files/{id}/content", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="a.jsonl"`)
		v.mu.Lock()
		defer v.mu.Unlock()
		_, _ = io.WriteString(w, v.text[r.PathValue("id")])
	})
	batch := func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"id":"batch_1","object":"batch","output_file_id":"file-out"}`)
	}
	v.mux.HandleFunc("POST /v1/batches", batch)
	v.mux.HandleFunc("GET /v1/batches/{id}", batch)
	v.mux.HandleFunc("POST /v1/batches/{id}/cancel", batch)
	v.mux.HandleFunc("GET /v1/batches", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"object":"list","data":[{"id":"batch_other"},{"id":"batch_1"}],"has_more":false}`)
	})
	return v
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// answer has the vendor answer at a path.
func (v *vendor) answer(path string, h http.HandlerFunc) { v.mux.HandleFunc(path, h) }

func (v *vendor) serve(w http.ResponseWriter, r *http.Request) {
	a := asked{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, header: r.Header.Clone()}
	if r.Header.Get("Authorization") != "Bearer upstream-key" {
		reply(w, 401, `{"error":{"message":"bad key"}}`)
		return
	}
	if kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		var err error
		if a.form, a.order, err = readForm(r.Body, params["boundary"]); err != nil {
			v.keep(a)
			return // the client, or the gateway, broke off
		}
	} else {
		b, _ := io.ReadAll(r.Body)
		a.body = string(b)
	}
	v.keep(a)
	if _, pattern := v.mux.Handler(r); pattern == "" {
		reply(w, 404, `{"error":{"message":"no such endpoint"}}`)
		return
	}
	v.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askedKey{}, a)))
}

type askedKey struct{}

func readForm(r io.Reader, boundary string) (form map[string]string, order []string, err error) {
	form = map[string]string{}
	for mr := multipart.NewReader(r, boundary); ; {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return form, order, nil
		}
		if err != nil {
			return form, order, err
		}
		name, value := p.FormName(), ""
		if p.FileName() != "" {
			n, err := io.Copy(io.Discard, p)
			if err != nil {
				return form, order, err
			}
			name, value = name+"@"+p.FileName(), fmt.Sprint(n)
		} else {
			b, err := io.ReadAll(p)
			if err != nil {
				return form, order, err
			}
			value = string(b)
		}
		form[name] = value
		order = append(order, name)
	}
}

func (v *vendor) keep(a asked) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen = append(v.seen, a)
}

// last is the last request that it got.
func (v *vendor) last() asked {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) == 0 {
		v.t.Fatal("the vendor was not asked")
	}
	return v.seen[len(v.seen)-1]
}

func (v *vendor) asks() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seen)
}

func (v *vendor) upload(w http.ResponseWriter, r *http.Request) {
	a := r.Context().Value(askedKey{}).(asked)
	v.mu.Lock()
	id := fmt.Sprintf("file-%d", len(v.files)+1)
	v.files = append(v.files, id)
	v.mu.Unlock()
	if _, has := a.form["model"]; has {
		reply(w, 400, `{"error":{"message":"Unknown parameter: model"}}`)
		return
	}
	reply(w, 200, `{"id":"`+id+`","object":"file","purpose":"`+a.form["purpose"]+`"}`)
}

func (v *vendor) list(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var data []string
	more, after := false, r.URL.Query().Get("after")
	for _, id := range slices.Backward(v.files) {
		if after != "" {
			if id == after {
				after = ""
			}
			continue
		}
		if len(data) == 3 { // less than it is asked for
			more = true
			break
		}
		data = append(data, `{"id":"`+id+`","n":1.0}`)
	}
	reply(w, 200, fmt.Sprintf(`{"object":"list","data":[%s],"has_more":%v}`, strings.Join(data, ","), more))
}

func (v *vendor) file(w http.ResponseWriter, r *http.Request) {
	reply(w, 200, `{"id":"`+r.PathValue("id")+`","object":"file"}`)
}

const relayKeys = `
keys:
  - {name: one, key: key-of-one-of-them, models: [embed, "pass/*"]}
  - {name: two, key: key-of-two-of-them, models: [embed]}
  - {name: all, key: key-for-all-of-them}
`

// relayHouse is a gateway before a vendor; more are further models.
func relayHouse(t *testing.T, v *vendor, more ...string) *gateway.Gateway {
	t.Helper()
	place := fmt.Sprintf("provider: openai, base_url: %q, api_key: upstream-key", v.URL+"/v1")
	models := []string{
		"{name: embed, model: text-embedding-3-small, " + place + "}",
		"{name: \"pass/*\", " + place + "}",
	}
	for _, m := range more {
		models = append(models, strings.ReplaceAll(m, "PLACE", place))
	}
	return gateway.Start(t, "models:\n  - "+strings.Join(models, "\n  - ")+"\n"+relayKeys+"limits: {body_bytes: 64KiB, upload_bytes: 300MiB}\ntimeouts: {first_byte: 5s}\n")
}

// call sends a request with the key of one. headers are "name: value".
func call(t *testing.T, g *gateway.Gateway, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := send(ctx, g, method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v after %.200q", method, path, err, text)
	}
	if resp.Header.Get("X-Fairlead-Call-Id") == "" {
		t.Errorf("%s %s has no call id", method, path)
	}
	if strings.Contains(string(text), "upstream-key") {
		t.Errorf("%s %s shows the provider's key: %s", method, path, text)
	}
	return resp, string(text)
}

func send(ctx context.Context, g *gateway.Gateway, method, path string, body io.Reader, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer key-of-one-of-them")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
}

// form writes a form: "name=value", or "name@file=content". Its type is the header that call wants.
func form(parts ...string) (io.Reader, string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		if name, file, ok := strings.Cut(name, "@"); ok {
			w, _ := m.CreateFormFile(name, file)
			_, _ = io.WriteString(w, value)
			continue
		}
		_ = m.WriteField(name, value)
	}
	_ = m.Close()
	return &b, "Content-Type: " + m.FormDataContentType()
}

// TestRelayJSON: the provider gets the bytes that came, with its own name for the model, and the client the bytes that came back.
func TestRelayJSON(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	const answer = `{"object":"list", "data":[{"embedding":[1.0,2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`
	for _, path := range []string{"embeddings", "completions", "images/generations", "images/edits", "audio/speech", "moderations", "rerank"} {
		v.answer("POST /v1/"+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Openai-Processing-Ms", "12")
			w.Header().Set("Set-Cookie", "a=b")
			reply(w, 200, answer)
		})
		for _, prefix := range []string{"/v1/", "/"} {
			resp, text := call(t, g, "POST", prefix+path, strings.NewReader(`{"x":1.0, "model":"embed","input":["ü"]}`))
			if resp.StatusCode != 200 || text != answer {
				t.Errorf("%s: %d %s", path, resp.StatusCode, text)
			}
			if h := resp.Header; h.Get("Openai-Processing-Ms") != "12" || h.Get("Set-Cookie") != "" || h.Get("Content-Length") != fmt.Sprint(len(answer)) {
				t.Errorf("%s: headers %v", path, h)
			}
			if a := v.last(); a.path != "/v1/"+path || a.body != `{"x":1.0, "model":"text-embedding-3-small","input":["ü"]}` || a.header.Get("X-Api-Key") != "" {
				t.Errorf("%s: the vendor was asked %+v", path, a)
			}
		}
	}
	must(t, "the log counts the tokens", func() bool { return strings.Contains(g.Log(), `"input_tokens":8`) })
	if resp, _ := call(t, g, "POST", "/v2/rerank", strings.NewReader(`{"model":"pass/rerank-v3.5","query":"q","documents":["a"]}`)); resp.StatusCode != 200 || v.last().path != "/v1/rerank" || !strings.Contains(v.last().body, `"model":"rerank-v3.5"`) {
		t.Errorf("rerank: %d, %+v", resp.StatusCode, v.last())
	}
	call(t, g, "POST", "/v1/embeddings?model=embed&x=y", strings.NewReader(`{}`))
	if a := v.last(); a.body != `{"model":"text-embedding-3-small"}` || a.query != "x=y" {
		t.Errorf("the model of the query: %+v", a)
	}
	call(t, g, "POST", "/v1/embeddings", strings.NewReader(`{"model":"pass/other"}`), "x-fairlead-model: embed", "Accept: application/x", "Cookie: c=1")
	if a := v.last(); a.body != `{"model":"text-embedding-3-small"}` || a.header.Get("Accept") != "application/x" || a.header.Get("Cookie") != "" || a.header.Get("X-Fairlead-Model") != "" {
		t.Errorf("the model of the header: %+v", a)
	}
}

// TestRelayRefused: what the gateway refuses does not reach the provider; what the provider refuses comes back in its words.
func TestRelayRefused(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v, `{name: claude, provider: anthropic, base_url: "http://127.0.0.1:1", api_key: k}`)
	for name, c := range map[string]struct {
		path, body, header string
		status             int
		says               string
	}{
		"forbidden":     {"/v1/embeddings", `{"model":"embed"}`, "Authorization: Bearer key-of-nobody", 401, "invalid_api_key"},
		"no such model": {"/v1/embeddings", `{"model":"claude"}`, "", 404, "model_not_found"},
		"no model":      {"/v1/embeddings", `{"input":"x"}`, "", 400, "x-fairlead-model"},
		"no moderation": {"/v1/moderations", `{"input":"x"}`, "", 400, "x-fairlead-model"},
		"null":          {"/v1/embeddings", `{"model":null}`, "", 400, "x-fairlead-model"},
		"number":        {"/v1/embeddings", `{"model":1}`, "", 400, "must be a text"},
		"twice":         {"/v1/embeddings", `{"model":"embed","model":"pass/x"}`, "", 400, "ambiguous_json"},
		"other case":    {"/v1/embeddings", `{"model":"embed","Model":"pass/x"}`, "", 400, "ambiguous_json"},
		"escaped":       {"/v1/embeddings", `{"mod\u0065l":"embed"}`, "", 400, "ambiguous_json"},
		"no JSON":       {"/v1/embeddings", `{"model":"embed"`, "", 400, "invalid_json"},
		"no object":     {"/v1/embeddings", `[]`, "", 400, "invalid_json"},
		"too large":     {"/v1/embeddings", `{"model":"embed","input":"` + strings.Repeat("x", 65<<10) + `"}`, "", 413, "limits.body_bytes"},
		"no such type":  {"/v1/embeddings", `{"model":"embed"}`, "Content-Type: text/plain", 415, "application/json"},
		"no form":       {"/v1/audio/transcriptions", `x`, "Content-Type: application/octet-stream", 415, "multipart/form-data"},
		"no boundary":   {"/v1/audio/transcriptions", `x`, "Content-Type: multipart/form-data", 415, "multipart/form-data"},
		"wrong form":    {"/v1/audio/transcriptions", `x`, "Content-Type: multipart/form-data; boundary=b", 400, "invalid_form"},
		"unsupported":   {"/v1/embeddings", `{"model":"claude"}`, "Authorization: Bearer key-for-all-of-them", 400, "unsupported_endpoint"},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		resp, text := call(t, g, "POST", c.path, strings.NewReader(c.body), headers...)
		if resp.StatusCode != c.status || !strings.Contains(text, c.says) || !strings.HasPrefix(text, `{"error":{"message":`) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
	}
	if resp, _ := call(t, g, "GET", "/v1/embeddings", nil); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", resp.StatusCode)
	}
	if n := v.asks(); n != 0 {
		t.Errorf("the vendor was asked %d times", n)
	}

	const words = `{"message":"too many documents","id":"x1"}` // Cohere's form
	v.answer("POST /v1/rerank", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		reply(w, 429, words)
	})
	if resp, text := call(t, g, "POST", "/v1/rerank", strings.NewReader(`{"model":"embed"}`)); resp.StatusCode != 429 || text != words || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
	}
	v.answer("POST /v1/audio/speech", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "<html>upstream-key and our address</html>")
	})
	if resp, text := call(t, g, "POST", "/v1/audio/speech", strings.NewReader(`{"model":"embed"}`)); resp.StatusCode != 500 || strings.Contains(text, "html") || !strings.HasPrefix(text, `{"error":`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	v.answer("POST /v1/completions", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if resp, text := call(t, g, "POST", "/v1/completions", strings.NewReader(`{"model":"embed"}`)); resp.StatusCode != 504 || !strings.Contains(text, "timeouts.first_byte") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// TestRelayForms: fields go on in their order, wherever the model stands among them.
func TestRelayForms(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	for _, path := range []string{"images/edits", "images/variations", "audio/transcriptions", "audio/translations"} {
		v.answer("POST /v1/"+path, func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"text":"hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":10},"output_tokens":5}}`)
		})
		for _, parts := range [][]string{
			{"model=embed", "file@a b.wav=sound", "language=de"},
			{"file@a b.wav=sound", "language=de", "model=embed"},
			{"language=de", "file@a b.wav=sound", "model=embed", "file@c.wav=more"},
		} {
			body, kind := form(parts...)
			resp, text := call(t, g, "POST", "/v1/"+path, body, kind)
			if resp.StatusCode != 200 || !strings.Contains(text, "hello") {
				t.Errorf("%s %v: %d %s", path, parts, resp.StatusCode, text)
				continue
			}
			a := v.last()
			var order []string
			for _, p := range parts {
				name, _, _ := strings.Cut(p, "=")
				order = append(order, name)
			}
			if a.form["model"] != "text-embedding-3-small" || a.form["file@a b.wav"] != "5" || a.form["language"] != "de" || strings.Join(a.order, ",") != strings.Join(order, ",") {
				t.Errorf("%s %v: the vendor got %v", path, parts, a.form)
			}
		}
	}
	n := v.asks()
	for says, parts := range map[string][]string{
		"model_not_found":  {"model=claude", "file@a=x"},
		"x-fairlead-model": {"file@a=x"},
		"must be a text":   {"model@a=embed"},
	} {
		body, kind := form(parts...)
		if resp, text := call(t, g, "POST", "/v1/audio/transcriptions", body, kind); resp.StatusCode/100 != 4 || !strings.Contains(text, says) {
			t.Errorf("%v: %d %s", parts, resp.StatusCode, text)
		}
	}
	if v.asks() != n {
		t.Error("the vendor was asked for what was refused")
	}
	body, kind := form("model=embed", "file@a=x", "model=pass/other")
	if resp, text := call(t, g, "POST", "/v1/audio/transcriptions", body, kind); resp.StatusCode != 400 || !strings.Contains(text, "twice") {
		t.Errorf("two models: %d %s", resp.StatusCode, text)
	}
	body, kind = form("file@a=x")
	if resp, text := call(t, g, "POST", "/v1/audio/transcriptions", body, kind, "x-fairlead-model: embed"); resp.StatusCode != 200 || v.last().form["model"] != "text-embedding-3-small" {
		t.Errorf("the model of the header: %d %s", resp.StatusCode, text)
	}
}

// bigBody is a form with a large file.
type bigBody struct {
	head, tail io.Reader
	left       int64
}

func (e *bigBody) Read(p []byte) (int, error) {
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	if e.left > 0 {
		n := min(int64(len(p)), e.left)
		e.left -= n
		clear(p[:n])
		return int(n), nil
	}
	return e.tail.Read(p)
}

const bigBoundary = "Content-Type: multipart/form-data; boundary=b"

func bigForm(size int64, fields ...string) io.Reader {
	var before, after strings.Builder
	to := &before
	for _, f := range fields {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			fmt.Fprintf(to, "--b\r\nContent-Disposition: form-data; name=%q; filename=\"big.bin\"\r\n\r\n", name)
			to = &after
			to.WriteString("\r\n")
			continue
		}
		fmt.Fprintf(to, "--b\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, value)
	}
	after.WriteString("--b--\r\n")
	return &bigBody{strings.NewReader(before.String()), strings.NewReader(after.String()), size}
}

// TestRelayLargeForm: 200 MB pass through, and the gateway grows by no more than a few of them, wherever the model stands.
func TestRelayLargeForm(t *testing.T) {
	t.Parallel()
	const size, room = 200 << 20, 24 << 20
	v := newVendor(t)
	v.answer("POST /v1/audio/transcriptions", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"text":"long"}`) })
	g := relayHouse(t, v)
	call(t, g, "POST", "/v1/audio/transcriptions", bigForm(1, "model=embed", "file"), bigBoundary)
	before := peak(g.PID())
	for _, fields := range [][]string{{"model=embed", "file"}, {"file", "model=embed"}} {
		resp, text := call(t, g, "POST", "/v1/audio/transcriptions", bigForm(size, fields...), bigBoundary)
		if a := v.last(); resp.StatusCode != 200 || a.form["file@big.bin"] != fmt.Sprint(size) || a.form["model"] != "text-embedding-3-small" {
			t.Errorf("%v: %d %s, the vendor got %v", fields, resp.StatusCode, text, a.form)
		}
	}
	grown := peak(g.PID()) - before
	t.Logf("the gateway grew by %d KiB for forms of %d MiB", grown>>10, size>>20)
	if grown > room {
		t.Errorf("that is more than %d MiB", room>>20)
	}
	if resp, text := call(t, g, "POST", "/v1/audio/transcriptions", bigForm(size*2, "model=embed", "file"), bigBoundary); resp.StatusCode != 413 || !strings.Contains(text, "limits.upload_bytes") {
		t.Errorf("too large: %d %s", resp.StatusCode, text)
	}
}

// TestRelayBroken: a client that leaves takes the request to the provider with it, and a provider that breaks off does not look
// complete.
func TestRelayBroken(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	left, begun := make(chan struct{}), make(chan struct{})
	v.answer("POST /v1/audio/speech", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte{0xff, 0xfb, 0, 1})
		w.(http.Flusher).Flush()
		close(begun)
		<-r.Context().Done()
		close(left)
	})
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	resp, err := send(ctx, g, "POST", "/v1/audio/speech", strings.NewReader(`{"model":"embed"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, first); err != nil || first[0] != 0xff || resp.Header.Get("Content-Type") != "audio/mpeg" {
		t.Fatalf("the first piece of sound does not come as it is made: %x (%v), %v", first, err, resp.Header)
	}
	closed(t, begun, "the beginning")
	leave()
	closed(t, left, "the vendor's hearing of the client's leaving")

	in, w := io.Pipe() // an upload that stops in the middle
	ctx, leave = context.WithTimeout(t.Context(), patience)
	defer leave()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := send(ctx, g, "POST", "/v1/audio/transcriptions", in, bigBoundary); err == nil {
			resp.Body.Close()
		}
	}()
	_, _ = io.CopyN(w, bigForm(1<<20, "model=embed", "file"), 1<<19)
	must(t, "the gateway asks the vendor", func() bool { return len(connections(t, g.PID(), strings.TrimPrefix(v.URL, "http://"))) > 0 })
	leave()
	_ = w.CloseWithError(context.Canceled) // a client waits for the body that it sends even when it has left
	closed(t, done, "the client's leaving")
	must(t, "nothing is left of it", func() bool { return len(connections(t, g.PID(), strings.TrimPrefix(v.URL, "http://"))) == 0 })
	must(t, "the log says why", func() bool { return strings.Contains(g.Log(), `"error":"client left"`) })

	v.answer("POST /v1/embeddings", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	ctx, leave = context.WithTimeout(t.Context(), patience)
	defer leave()
	resp, err = send(ctx, g, "POST", "/v1/embeddings", strings.NewReader(`{"model":"embed"}`))
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil || ctx.Err() != nil {
		t.Error("a reply that was broken off looks complete")
	}
}

// TestRelayStreams: events and sound come as they are made.
func TestRelayStreams(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	next := make(chan struct{})
	v.answer("POST /v1/completions", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, frame := range []string{`{"choices":[{"text":"a"}]}`, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}`, "[DONE]"} {
			_, _ = io.WriteString(w, "data: "+frame+"\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := send(ctx, g, "POST", "/v1/completions", strings.NewReader(`{"model":"embed","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 1000)
	n, err := resp.Body.Read(buf)
	if err != nil || string(buf[:n]) != "data: {\"choices\":[{\"text\":\"a\"}]}\n\n" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	close(next)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("%q, %v", rest, err)
	}
	must(t, "the log counts", func() bool { return strings.Contains(g.Log(), `"input_tokens":3,"output_tokens":4`) })
}

// TestRelayFiles: what one key has made does not exist for another, in no way of asking for it.
func TestRelayFiles(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	const two = "Authorization: Bearer key-of-two-of-them"
	upload := func(headers ...string) string {
		body, kind := form("purpose=batch", "file@a.jsonl={}", "model=embed")
		resp, text := call(t, g, "POST", "/v1/files", body, append(headers, kind)...)
		var f struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(text), &f); err != nil || resp.StatusCode != 200 || f.ID == "" {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		return f.ID
	}
	var ours []string
	for i := range 9 {
		if id := upload(); i%2 == 0 {
			ours = append([]string{id}, ours...)
			continue
		} else if _, text := call(t, g, "DELETE", "/v1/files/"+id, nil); !strings.Contains(text, id) {
			t.Errorf("deleted: %s", text)
		}
		upload(two)
	}
	theirs := upload(two)

	for _, c := range []struct{ method, path string }{
		{"GET", "/v1/files/" + theirs},
		{"DELETE", "/v1/files/" + theirs},
		{"GET", "/v1/files/" + theirs + "/content"},
		{"GET", "/v1/files/file-none"},
		{"GET", "/v1/files?after=" + theirs},
		{"GET", "/v1/batches/batch_1"},
		{"POST", "/v1/batches/batch_1/cancel"},
		{"GET", "/v1/files/" + theirs + "?model=embed"},
		{"GET", "/v1/files/..%2fbatches"},
		{"GET", "/v1/files/%2e%2e"},
	} {
		before := v.asks()
		if resp, text := call(t, g, c.method, c.path, nil); resp.StatusCode != 404 || v.asks() != before {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, text)
		}
	}
	if _, a := call(t, g, "GET", "/v1/files/"+theirs, nil); strings.ReplaceAll(a, theirs, "file-none") != func() string { _, b := call(t, g, "GET", "/v1/files/file-none", nil); return b }() {
		t.Errorf("a foreign file looks unlike none: %s", a)
	}

	list := func(query string) (ids []string, more bool, last string) {
		_, text := call(t, g, "GET", "/v1/files"+query, nil)
		var page struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, f := range page.Data {
			ids = append(ids, f.ID)
		}
		return ids, page.HasMore, page.LastID
	}
	if ids, more, _ := list(""); strings.Join(ids, " ") != strings.Join(ours, " ") || more {
		t.Errorf("listed %v (%v), want %v", ids, more, ours)
	}
	ids, more, last := list("?limit=2")
	if strings.Join(ids, " ") != strings.Join(ours[:2], " ") || !more || last != ours[1] {
		t.Errorf("the first two are %v, more: %v", ids, more)
	}
	if ids, _, _ = list("?after=" + last); strings.Join(ids, " ") != strings.Join(ours[2:], " ") {
		t.Errorf("the rest is %v", ids)
	}

	v.mu.Lock()
	v.text[ours[0]] = `{"body":{"model":"gpt-x"}}`
	v.mu.Unlock()
	resp, text := call(t, g, "GET", "/v1/files/"+ours[0]+"/content", nil)
	if text != `{"body":{"model":"gpt-x"}}` || resp.Header.Get("Content-Disposition") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("content: %d %v %s", resp.StatusCode, resp.Header, text)
	}
}

// TestRelayBatches: a batch runs models that its key may use, on a file of its key, and its results are its key's.
func TestRelayBatches(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := relayHouse(t, v)
	const two = "Authorization: Bearer key-of-two-of-them"
	body, kind := form("purpose=batch", "file@a.jsonl={}")
	call(t, g, "POST", "/v1/files", body, kind, two)
	start := func(key string) (*http.Response, string) {
		return call(t, g, "POST", "/v1/batches", strings.NewReader(`{"input_file_id":"file-1","endpoint":"/v1/embeddings","model":"embed"}`), key)
	}
	for _, c := range []struct {
		file   string
		status int
	}{
		{`{"body":{"model":"text-embedding-3-small"}}` + "\n" + `{"body":{"model":"text-embedding-3-small"}}`, 200},
		{`{"body":{"model":"text-embedding-3-small"}}` + "\n\n" + `{"body":{"model":"gpt-5-pro"}}` + "\n", 400},
		{`{"body":{"model":"text-embedding-3-small","model":"gpt-5-pro"}}`, 400},
		{`{"body":{"model":"text-embedding-3-small"},"body":{"model":"gpt-5-pro"}}`, 400},
		{`{"body":{}}`, 400},
		{strings.Repeat("x", 65<<10), 400},
	} {
		v.mu.Lock()
		v.text["file-1"] = c.file
		v.mu.Unlock()
		resp, text := start(two)
		if resp.StatusCode != c.status || c.status == 400 && (!strings.Contains(text, "of the batch's file") || v.last().path == "/v1/batches") {
			t.Errorf("%.100s: %d %s", c.file, resp.StatusCode, text)
		}
		if a := v.last(); c.status == 200 && a.body != `{"input_file_id":"file-1","endpoint":"/v1/embeddings"}` {
			t.Errorf("the vendor got %s", a.body)
		}
	}
	if resp, text := start("Authorization: Bearer key-of-one-of-them"); resp.StatusCode != 404 {
		t.Errorf("another key's file: %d %s", resp.StatusCode, text)
	}
	for _, path := range []string{"/v1/batches/batch_1", "/v1/files/file-out", "/v1/files/file-out/content"} {
		if resp, text := call(t, g, "GET", path, nil, two); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	if _, text := call(t, g, "GET", "/v1/batches", nil, two); !strings.Contains(text, `"data":[{"id":"batch_1"}]`) {
		t.Errorf("listed: %s", text)
	}
	if resp, _ := call(t, g, "POST", "/v1/batches/batch_1/cancel", nil, two); resp.StatusCode != 200 || v.last().path != "/v1/batches/batch_1/cancel" {
		t.Errorf("cancelled: %d", resp.StatusCode)
	}
}

// TestRelayPlaces: files stay where they were made, and a key with several providers says which it means.
func TestRelayPlaces(t *testing.T) {
	t.Parallel()
	v, other := newVendor(t), newVendor(t)
	g := relayHouse(t, v,
		fmt.Sprintf(`{name: both, deployments: [{PLACE, model: a, weight: 1}, {provider: openai, model: b, base_url: %q, api_key: upstream-key, weight: 1}]}`, other.URL+"/v1"),
		fmt.Sprintf(`{name: other, provider: openai, base_url: %q, api_key: upstream-key}`, other.URL+"/v1"))
	const all = "Authorization: Bearer key-for-all-of-them"
	for _, v := range []*vendor{v, other} {
		v.answer("POST /v1/embeddings", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	}
	body, kind := form("purpose=batch", "file@a.jsonl={}")
	if resp, text := call(t, g, "POST", "/v1/files", body, kind, all); resp.StatusCode != 400 || !strings.Contains(text, "x-fairlead-model") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if resp, text := call(t, g, "GET", "/v1/files", nil, all); resp.StatusCode != 400 || !strings.Contains(text, "which provider is meant") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	other.files = make([]string, 50) // its ids are others
	for range 2 {
		body, kind := form("purpose=batch", "file@a.jsonl={}")
		resp, text := call(t, g, "POST", "/v1/files", body, kind, all, "x-fairlead-model: both")
		var f struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(text), &f); err != nil || f.ID == "" {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		at := v
		if f.ID == "file-51" {
			at = other
		}
		for range 3 {
			before := at.asks()
			if resp, text := call(t, g, "GET", "/v1/files/"+f.ID, nil, all); resp.StatusCode != 200 || at.asks() != before+1 {
				t.Errorf("%s: %d %s", f.ID, resp.StatusCode, text)
			}
		}
	}
	if v.asks() != 4 || other.asks() != 4 {
		t.Errorf("%d and %d", v.asks(), other.asks())
	}
	for range 4 { // weights hold for errands, too
		resp, _ := call(t, g, "POST", "/v1/embeddings", strings.NewReader(`{"model":"both"}`), all)
		if resp.StatusCode != 200 || resp.Header.Get("X-Fairlead-Attempts") != "1" {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
	}
	if v.asks() != 6 || other.asks() != 6 {
		t.Errorf("%d and %d", v.asks(), other.asks())
	}
	v.Close() // the other one is asked instead, where that can be
	for range 4 {
		if resp, text := call(t, g, "POST", "/v1/embeddings", strings.NewReader(`{"model":"both"}`), all); resp.StatusCode != 200 {
			t.Errorf("%d %s", resp.StatusCode, text)
		}
	}
	if resp, _ := call(t, g, "GET", "/v1/files/file-1", nil, all); resp.StatusCode/100 != 5 {
		t.Errorf("the file's place is gone: %d", resp.StatusCode)
	}
	if a := other.last(); !strings.Contains(a.body, `"model":"b"`) {
		t.Errorf("%+v", a)
	}
}

// TestRelayOpen: where no keys are asked for, nobody's files are hidden from anybody.
func TestRelayOpen(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	g := gateway.Start(t, fmt.Sprintf("models:\n  - {name: embed, provider: openai, base_url: %q, api_key: upstream-key}\n", v.URL+"/v1"))
	v.files = []string{"file-before"}
	body, kind := form("purpose=batch", "file@a.jsonl={}")
	if resp, text := call(t, g, "POST", "/v1/files", body, kind); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if _, text := call(t, g, "GET", "/v1/files?limit=7", nil); !strings.Contains(text, "file-before") || v.last().query != "limit=7" {
		t.Errorf("listed: %s", text)
	}
	if resp, text := call(t, g, "GET", "/v1/files/file-before", nil); resp.StatusCode != 200 || !strings.Contains(text, "file-before") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	v.text["file-before"] = `{"body":{"model":"gpt-5-pro"}}`
	if resp, text := call(t, g, "POST", "/v1/batches", strings.NewReader(`{"input_file_id":"file-before"}`)); resp.StatusCode != 400 || !strings.Contains(text, "gpt-5-pro") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}
