package providertest

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// T is the part of *testing.T that is used here.
type T interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Rule says what the model answers.
type Rule func(*Request) Step

// Server is a model behind HTTP. As an http.Handler it serves a POST for each wire that it speaks (…/chat/completions,
// …/responses) and GET …/models. One script answers them all.
type Server struct {
	rule  Rule
	loose atomic.Bool
	key   atomic.Pointer[string]
	stop  chan struct{}
	once  sync.Once

	mu        sync.Mutex
	thoughts  map[string]string // signatures of what was thought before a call, by its id
	parts     map[string]string // what a signature signs
	requests  []*Request
	responses responsesMemory
	conns     map[net.Conn]bool
	accepted  int

	http *http.Server
	url  string
}

var _ http.Handler = (*Server)(nil)

// New starts a model that answers with steps, one a request. A request after the last step is a failure of the test. The
// server ends with the test.
func New(t T, steps ...Step) *Server {
	t.Helper()
	var mu sync.Mutex
	next := 0
	return NewRule(t, func(r *Request) Step {
		mu.Lock()
		defer mu.Unlock()
		if next == len(steps) {
			t.Errorf("the model was asked once more than the script has steps (%d): %s", len(steps), r.Raw)
			return Error(http.StatusNotImplemented, "script_ended", "the script has ended")
		}
		next++
		return steps[next-1]
	})
}

// NewRule starts a model that answers as rule says. Refused requests are not shown to rule.
func NewRule(t T, rule Rule) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", rule)
	if err != nil {
		t.Fatalf("the scripted model cannot listen: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen starts a model on addr. Close it.
func Listen(addr string, rule Rule) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := Handler(rule)
	s.url = "http://" + l.Addr().String() + "/v1"
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ConnState: s.connState}
	go func() { _ = s.http.Serve(l) }() // ends with Close
	return s, nil
}

// Handler returns a model that is served by somebody else, httptest say.
func Handler(rule Rule) *Server {
	return &Server{rule: rule, stop: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// URL is the base URL of the model, with /v1.
func (s *Server) URL() string { return s.url }

// Close ends the server and all replies.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.stop)
		if s.http != nil {
			_ = s.http.Close() // nothing to be done about it
		}
	})
}

// Loose makes the model take every request that is JSON.
func (s *Server) Loose() *Server {
	s.loose.Store(true)
	return s
}

// RequireKey makes the model refuse requests whose bearer token, api-key, x-api-key or x-goog-api-key is another.
func (s *Server) RequireKey(key string) *Server {
	s.key.Store(&key)
	return s
}

// Requests are the requests so far, refused ones too, in the order of their arrival.
func (s *Server) Requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Request is the nth request, from 1; nil when there were fewer.
func (s *Server) Request(n int) *Request {
	if all := s.Requests(); n >= 1 && n <= len(all) {
		return all[n-1]
	}
	return nil
}

// Conns are the connections that are open now, and those there ever were.
func (s *Server) Conns() (open, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.accepted
}

func (s *Server) connState(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = true
		s.accepted++
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	default:
	}
}

// maxBody is how much of a request is read.
const maxBody = 64 << 20

// ServeHTTP plays the model.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := dialectOf(r)
	switch {
	case d != nil:
		s.complete(w, r, d)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/models"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"stand-in","object":"model","created":1748736000,"owned_by":"providertest"}]}`)
	default:
		writeError(w, http.StatusNotFound, "unknown_url", refusef("", "Unknown request URL: %s %s", r.Method, r.URL.Path))
	}
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request, d *dialect) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		d.refuse(w, http.StatusBadRequest, "", refusef("", "the body could not be read"))
		return
	}
	req := &Request{Wire: d.wire, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Raw: raw, host: r.Host, gone: make(chan struct{}), ended: make(chan struct{})}
	bad := d.read(s, req)
	status, code := s.admit(req, &bad)
	s.mu.Lock()
	s.requests = append(s.requests, req)
	req.N = len(s.requests)
	s.mu.Unlock()
	left := context.AfterFunc(r.Context(), func() { close(req.gone) })
	defer func() {
		if left() && r.Context().Err() != nil { // the client left this moment
			close(req.gone)
		}
		close(req.ended)
	}()
	switch {
	case status != 0:
		d.refuse(w, status, code, bad)
		return
	case d.answer != nil:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(d.answer(req)) // the client may have left
		return
	}
	p := player{w: w, r: r, req: req, s: s.rule(req), stop: s.stop, d: d, server: s}
	p.play()
}

// admit returns the status with which req is refused, or 0.
func (s *Server) admit(req *Request, bad **refusal) (status int, code string) {
	if want := s.key.Load(); want != nil && !slices.Contains([]string{req.Header.Get("Api-Key"), req.Header.Get("X-Api-Key"), req.Header.Get("X-Goog-Api-Key")}, *want) && req.Header.Get("Authorization") != "Bearer "+*want {
		*bad = refusef("", "Incorrect API key provided.")
		status, code = http.StatusUnauthorized, "invalid_api_key"
	} else if *bad != nil && (!s.loose.Load() || req.Members == nil) {
		status, code = cmp.Or((*bad).status, http.StatusBadRequest), "invalid_value"
	} else {
		return 0, ""
	}
	req.Refusal = (*bad).message
	return status, code
}

func writeError(w http.ResponseWriter, status int, code string, bad *refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorBody(status, code, bad)) // the client may have left
}

// errorBody is an error in OpenAI's form.
func errorBody(status int, code string, bad *refusal) []byte {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status >= 500:
		kind = "server_error"
	}
	type inner struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}
	e := inner{Message: bad.message, Type: kind}
	if bad.param != "" {
		e.Param = &bad.param
	}
	if code != "" {
		e.Code = &code
	}
	return marshal(struct {
		Error inner `json:"error"`
	}{e})
}
