package provider

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// load is a body of an errand.
type load struct {
	text   string
	stream io.Reader
	err    error
}

func (l *load) Open(dst []byte, model string) (llm.Load, error) {
	if l.stream != nil {
		return llm.Load{Stream: io.NopCloser(l.stream), ContentType: "multipart/form-data; boundary=b"}, l.err
	}
	return llm.Load{Data: append(dst, strings.ReplaceAll(l.text, "MODEL", model)...), ContentType: "application/json"}, l.err
}

func (l *load) Spent() bool { return false }

// run runs an errand against a transport, and returns the head, the text and the end of its reply.
func run(t *testing.T, rt tripper, change func(*Config), e llm.Errand) (head *llm.Head, text string, usage *llm.Usage, err error) {
	t.Helper()
	c := client(t, rt, func(cfg *Config) {
		cfg.Errands = Errands{BaseURL: "http://h.example/v1?tenant=x", Model: "vendors", Elsewhere: map[string]string{"rerank": "/v2/rerank"}}
		if change != nil {
			change(cfg)
		}
	})
	for ev, e := range c.Generate(t.Context(), &llm.Request{Model: "m", Errand: &e}) {
		if e != nil {
			return head, text, usage, e
		}
		if ev.Head != nil {
			head = ev.Head
		}
		text += string(ev.Raw)
		if ev.Kind == llm.End {
			usage = ev.Usage
		}
	}
	return head, text, usage, nil
}

// replying is a transport that keeps what it is asked, and answers.
func replying(asked *http.Request, sent *string, status int, contentType, body string) tripper {
	return func(r *http.Request) (*http.Response, error) {
		*asked = *r
		if r.Body != nil {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			*sent = string(b)
		}
		h := http.Header{"Content-Type": {contentType}, "Openai-Version": {"1"}, "Set-Cookie": {"x"}}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	}
}

func TestErrand(t *testing.T) {
	var asked http.Request
	var sent string
	for name, c := range map[string]struct {
		errand     llm.Errand
		kind, body string
		status     int
		url, sent  string
		in, out    int64
	}{
		"embeddings": {
			errand: llm.Errand{Method: "POST", Path: "embeddings", Body: &load{text: `{"model":"MODEL"}`}}, status: 200,
			kind: "application/json", body: `{"usage":{"prompt_tokens":5,"total_tokens":5}}`, in: 5,
			url: "http://h.example/v1/embeddings?tenant=x", sent: `{"model":"vendors"}`,
		},
		"rerank elsewhere": {
			errand: llm.Errand{Method: "POST", Path: "rerank", Query: "a=b", Body: &load{text: `{}`}}, status: 200,
			kind: "application/json", body: `{"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":7,"output_tokens":2}}}`, in: 7, out: 2,
			url: "http://h.example/v2/rerank?tenant=x&a=b", sent: `{}`,
		},
		"sound that looks like JSON": {
			errand: llm.Errand{Method: "POST", Path: "audio/speech", Body: &load{text: `{}`}}, status: 200,
			kind: "audio/mpeg", body: `"usage":{"prompt_tokens":5}`, url: "http://h.example/v1/audio/speech?tenant=x", sent: `{}`,
		},
		"form": {
			errand: llm.Errand{Method: "POST", Path: "files", Body: &load{stream: strings.NewReader("--b--")}}, status: 201,
			kind: "application/json", body: `{}`, url: "http://h.example/v1/files?tenant=x", sent: "--b--",
		},
		"none": {
			errand: llm.Errand{Method: "DELETE", Path: "files/file-1", Headers: []llm.Header{{Name: "Accept", Value: "x/y"}}}, status: 204,
			url: "http://h.example/v1/files/file-1?tenant=x",
		},
	} {
		sent = ""
		head, text, usage, err := run(t, replying(&asked, &sent, c.status, c.kind, c.body), nil, c.errand)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := &llm.Head{ContentType: c.kind, Status: c.status, Length: int64(len(c.body)), Headers: []llm.Header{{Name: "Openai-Version", Value: "1"}}}
		if diff := cmp.Diff(want, head); diff != "" || text != c.body {
			t.Errorf("%s: %q %s", name, text, diff)
		}
		if c.in == 0 && usage != nil || c.in > 0 && (usage == nil || usage.Inputs() != c.in || usage.Outputs() != c.out) {
			t.Errorf("%s: usage %+v", name, usage)
		}
		if asked.Method != c.errand.Method || asked.URL.String() != c.url || sent != c.sent || asked.Header.Get("Authorization") != "Bearer sk-very-secret" {
			t.Errorf("%s: %s %s with %q", name, asked.Method, asked.URL, sent)
		}
		if accept := asked.Header.Get("Accept"); (accept == "x/y") != (c.errand.Headers != nil) || c.errand.Headers == nil && accept != "" {
			t.Errorf("%s: accepts %q", name, accept)
		}
		if ct := asked.Header.Get("Content-Type"); (ct == "") != (c.errand.Body == nil) {
			t.Errorf("%s: content type %q", name, ct)
		}
	}
}

func TestErrandRefused(t *testing.T) {
	var asked http.Request
	var sent string
	e := llm.Errand{Method: "POST", Path: "rerank", Body: &load{text: `{}`}}
	_, _, _, err := run(t, replying(&asked, &sent, 422, "application/json", `{"message":"sk-very-secret is odd"}`), nil, e)
	f := fault.From(err)
	said, ok := errors.AsType[*fault.Said](err)
	if f.Kind != fault.Refused || f.Status != 422 || !ok || string(said.Body) != `{"message":"*** is odd"}` {
		t.Errorf("%v, %+v", err, said)
	}
	_, _, _, err = run(t, replying(&asked, &sent, 500, "text/html", "<html>"), nil, e)
	if _, ok := errors.AsType[*fault.Said](err); ok || fault.From(err).Status != 500 {
		t.Errorf("%v", err)
	}
	_, _, _, err = run(t, replying(&asked, &sent, 302, "application/json", "{}"), nil, e)
	if fault.KindOf(err) != fault.Upstream {
		t.Errorf("%v", err)
	}
	_, _, _, err = run(t, replying(&asked, &sent, 200, "", ""), func(c *Config) { c.Errands = Errands{} }, e)
	if f := fault.From(err); f.Code != "unsupported_endpoint" || f.Kind != fault.Invalid {
		t.Errorf("%v", err)
	}
	own := &fault.Error{Kind: fault.TooLarge, Code: "request_too_large", Message: "too large"}
	_, _, _, err = run(t, replying(&asked, &sent, 200, "", ""), nil, llm.Errand{Method: "POST", Path: "files", Body: &load{stream: io.MultiReader(strings.NewReader("x"), failing{own})}})
	if f := fault.From(err); f.Kind != fault.TooLarge || f.Message != "too large" {
		t.Errorf("the body's own error became %v", err)
	}
	_, _, _, err = run(t, replying(&asked, &sent, 200, "", ""), nil, llm.Errand{Method: "POST", Path: "files", Body: &load{err: own}})
	if fault.KindOf(err) != fault.TooLarge {
		t.Errorf("%v", err)
	}
}

// failing fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// slow sends a byte a minute.
type slow struct{ left int }

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Minute)
	s.left--
	p[0] = 'x'
	return 1, nil
}

// TestErrandWaits: the time that the client takes for its upload is not the provider's; the time that the provider takes is.
func TestErrandWaits(t *testing.T) {
	patience := func(c *Config) { c.Timeouts = Timeouts{FirstByte: 30 * time.Second} }
	synctest.Test(t, func(t *testing.T) {
		var asked http.Request
		var sent string
		e := llm.Errand{Method: "POST", Path: "files", Body: &load{stream: &slow{left: 9}}}
		if _, _, _, err := run(t, replying(&asked, &sent, 200, "application/json", "{}"), patience, e); err != nil || len(sent) != 9 {
			t.Errorf("%v after %q", err, sent)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stuck := tripper(func(r *http.Request) (*http.Response, error) {
			_, _ = r.Body.Read(make([]byte, 1))
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, _, _, err := run(t, stuck, patience, llm.Errand{Method: "POST", Path: "files", Body: &load{stream: &slow{left: 9}}})
		if took := time.Since(began); fault.KindOf(err) != fault.Timeout || took < 90*time.Second || took > 2*time.Minute {
			t.Errorf("%v after %s", err, took)
		}
	})
}
