package openapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// FuzzDocument: whatever a document says, its tools are within bounds and have schemas that are JSON.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/a/{b}":{"get":{"parameters":[{"name":"b","in":"path"}]}}}}`))
	f.Add([]byte("openapi: 3.0.0\npaths:\n  /a:\n    post: {requestBody: {content: {'*/*': {schema: {$ref: '#/paths'}}}}}\n"))
	f.Add([]byte(`{"openapi":"3.0.0","paths":{"/":{"$ref":"#/paths/~1"},"/x":{"put":{"requestBody":{"$ref":"#/x"}}}},"x":{"content":{"a/json":{}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := placeOf(&testServer)
		if err != nil {
			t.Fatal(err)
		}
		a, err := read(data, p)
		if err != nil {
			return
		}
		for _, d := range a.tools {
			if !jsonedit.Valid(d.Raw) || jsonedit.Kind(d.InputSchema) != '{' || len(d.Raw) > 4*maxSchema*maxParams || d.Name == "" {
				t.Errorf("a tool %s", d.Raw)
			}
			op := a.calls[d.Name]
			if op == nil {
				t.Fatalf("the tool %s cannot be called", d.Name)
			}
			args := []byte("{")
			for _, p := range op.params {
				args = append(jsonedit.AppendQuote(args, p.arg), `:"x/../y?",`...)
			}
			args = append(args[:max(1, len(args)-1)], '}')
			checkTarget(t, op, args)
		}
	})
}

// FuzzArguments: whatever the arguments say, a request stays at its place, and a text arrives as what it is.
func FuzzArguments(f *testing.F) {
	f.Add(`{"id":"../x","q":"a&b","l":["a,b"],"o":{"a":"b"},"h":"x"}`, "a/b?c#d")
	f.Add(`{"id":1,"m":{"a":[1]},"h":"a\r\nb","body":{"a":"b c","n":{"x":1}}}`, "%2e%2e")
	p, _ := placeOf(&testServer)
	a, err := read([]byte(single("/a/{id}/{m}", `"parameters":[{"name":"id","in":"path"},{"name":"m","in":"path","style":"matrix","explode":true},{"name":"q","in":"query"},
		{"name":"l","in":"query","explode":false},{"name":"o","in":"query","style":"deepObject"},{"name":"r","in":"query","allowReserved":true},{"name":"h","in":"header"}],
		"requestBody":{"content":{"application/x-www-form-urlencoded":{"schema":{"properties":{"a":{},"n":{}}}}}}`)), p)
	if err != nil {
		f.Fatal(err)
	}
	op := a.calls["op"]
	f.Fuzz(func(t *testing.T, args, text string) {
		if jsonedit.Valid([]byte(args)) {
			checkTarget(t, op, []byte(args))
		}
		quoted := jsonedit.AppendQuote(nil, text)
		text, _ = jsonedit.Unquote(quoted)
		req, err := op.request(t.Context(), []byte(`{"id":`+string(quoted)+`,"m":"x","q":`+string(quoted)+`,"l":[`+string(quoted)+`],"o":{"k":`+string(quoted)+`}}`))
		if err != nil {
			return
		}
		q, err := url.ParseQuery(req.URL.RawQuery)
		if err != nil || q.Get("q") != text || q.Get("l") != text || q.Get("o[k]") != text {
			t.Errorf("%q arrives as %v, %v", text, q, err)
		}
		segments := strings.Split(req.URL.EscapedPath(), "/")
		if got, err := url.PathUnescape(segments[3]); len(segments) != 5 || err != nil || got != text {
			t.Errorf("%q arrives in the path as %q, %v", text, segments, err)
		}
	})
}

// checkTarget writes a request, and looks where it goes.
func checkTarget(t *testing.T, op *operation, args []byte) {
	t.Helper()
	req, err := op.request(t.Context(), args)
	if err != nil {
		if !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("the error %v", err)
		}
		return
	}
	if req.URL.Scheme != "https" || req.URL.Host != "api.example.com" || !strings.HasPrefix(req.URL.EscapedPath(), "/v1/") || climbs(req.URL.EscapedPath()) {
		t.Errorf("%s leads to %s", args, req.URL)
	}
	for k, v := range req.Header {
		if strings.ContainsAny(k+strings.Join(v, ""), "\r\n\x00") {
			t.Errorf("the header %q: %q", k, v)
		}
	}
}
