package providertest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/secret"
)

// Options are what a client under test is made of. Its model must be asked over the chat wire.
type Options struct {
	BaseURL  string
	Key      secret.String
	Headers  map[string]string
	Timeouts provider.Timeouts
}

// Open makes the client under test.
type Open func(Options) (llm.Model, error)

// Runner is a T that has subtests, as *testing.T has.
type Runner[S any] interface {
	T
	Run(name string, f func(S)) bool
}

const (
	testKey    = "sk-test-key-that-nobody-may-see"
	testHeader = "header-that-nobody-may-see"
)

// Run checks what everybody may rely on who holds a client of a provider: that it is lazy, that an error comes last and
// alone, that what it opened is closed however the range ends, that the end of its context ends it, that the timeouts
// tell themselves apart, and that no error shows a secret or an address.
func Run[S Runner[S]](t S, open Open) {
	for _, c := range []struct {
		name string
		f    func(c *check)
	}{
		{"lazy", (*check).lazy},
		{"whole reply", (*check).whole},
		{"connection is used again", (*check).reuse},
		{"closed on break", (*check).breaks},
		{"cancel before the reply", (*check).cancelEarly},
		{"cancel in the reply", (*check).cancelLate},
		{"timeout of the first byte", (*check).firstByte},
		{"timeout between events", (*check).between},
		{"nobody listens", (*check).unreachable},
		{"cut and reset", (*check).cut},
		{"garbage", (*check).garbage},
		{"refusals", (*check).refusals},
		{"redirects are not followed", (*check).redirect},
	} {
		t.Run(c.name, func(t S) { c.f(&check{T: t, open: open}) })
	}
}

type check struct {
	T
	open Open
	last *fault.Error // what failed was shown last
}

func (c *check) model(s *Server, t provider.Timeouts) llm.Model {
	return c.at(s.URL(), t)
}

func (c *check) at(url string, t provider.Timeouts) llm.Model {
	c.Helper()
	m, err := c.open(Options{BaseURL: url, Key: secret.New(testKey), Headers: map[string]string{"x-secret": testHeader}, Timeouts: t})
	if err != nil {
		c.Fatalf("no client: %v", err)
	}
	return m
}

// ask is a request that every model takes.
func ask(stream bool) *llm.Request {
	return &llm.Request{Model: "m", Stream: stream, Messages: []llm.Message{{Role: llm.User, Text: "hello"}}}
}

// outcome is what a range has yielded.
type outcome struct {
	text string
	end  bool
	err  error
}

// collect ranges to the end and checks the order of things. each may be nil, and ends the range by returning false.
func (c *check) collect(ctx context.Context, m llm.Model, req *llm.Request, each func(llm.Event) bool) outcome {
	c.Helper()
	var o outcome
	for ev, err := range m.Generate(ctx, req) {
		if o.err != nil {
			c.Errorf("something came after the error %v", o.err)
		}
		if err != nil {
			o.err = err
			continue
		}
		o.text += ev.Text
		o.end = o.end || ev.Kind == llm.End
		if each != nil && !each(ev) {
			break
		}
	}
	return o
}

// failed checks an error: kind, words that it must have, and that it shows no secret. It keeps it in c.last.
func (c *check) failed(o outcome, kind fault.Kind, code, words string) {
	c.Helper()
	f, ok := errors.AsType[*fault.Error](o.err)
	if !ok {
		c.Fatalf("the error is %T (%v), want *fault.Error", o.err, o.err)
	}
	if f.Kind != kind || f.Code != code || !strings.Contains(f.Message, words) {
		c.Errorf("kind %v code %q message %q, want kind %v code %q message with %q", f.Kind, f.Code, f.Message, kind, code, words)
	}
	if f.Provider == "" {
		c.Errorf("the error names no provider")
	}
	for _, s := range []string{testKey, testHeader} {
		if strings.Contains(f.Error(), s) {
			c.Errorf("the error shows a secret: %s", f.Error())
		}
	}
	for _, s := range []string{"127.0.0.1", "http://", "localhost"} {
		if strings.Contains(f.Message, s) {
			c.Errorf("the client would see an address: %s", f.Message)
		}
	}
	if o.end {
		c.Errorf("the reply ended well and then failed")
	}
	c.last = f
}

// gone waits until the nth request's client has left, or its reply was complete.
func (c *check) gone(s *Server, n int) {
	c.Helper()
	r := s.Request(n)
	if r == nil {
		c.Fatalf("request %d did not arrive", n)
		return
	}
	select {
	case <-r.Gone():
	case <-time.After(patience):
		c.Errorf("request %d goes on although nobody waits for it", n)
	}
}

// patience is how long a test waits for what must happen at once.
const patience = 30 * time.Second

func (c *check) lazy() {
	s := New(c.T)
	_ = c.model(s, provider.Timeouts{}).Generate(context.Background(), ask(true))
	if _, ever := s.Conns(); ever != 0 || len(s.Requests()) != 0 {
		c.Errorf("a request was sent although nobody ranged over the reply")
	}
}

func (c *check) whole() {
	for _, stream := range []bool{true, false} {
		s := New(c.T, Text("Hel", "lo")).RequireKey(testKey)
		o := c.collect(context.Background(), c.model(s, provider.Timeouts{}), ask(stream), nil)
		if o.err != nil || o.text != "Hello" || !o.end {
			c.Errorf("stream %v: text %q end %v error %v", stream, o.text, o.end, o.err)
		}
		if r := s.Request(1); r.Header.Get("X-Secret") != testHeader || r.Stream != stream {
			c.Errorf("stream %v: the model got %v", stream, r.Header)
		}
	}
}

func (c *check) reuse() {
	s := New(c.T, Text("a"), Text("b"), Text("c"), Error(http.StatusBadRequest, "x", "no"), Text("e"))
	m := c.model(s, provider.Timeouts{})
	for i := range 5 {
		c.collect(context.Background(), m, ask(i%2 == 0), func(ev llm.Event) bool { return ev.Kind != llm.End })
	}
	if _, ever := s.Conns(); ever != 1 {
		c.Errorf("5 requests took %d connections", ever)
	}
}

func (c *check) breaks() {
	s := New(c.T, Text("a").Then(Stall()), Text("b").Then(Stall()))
	m := c.model(s, provider.Timeouts{})
	text := func(ev llm.Event) bool { return ev.Kind != llm.Text }
	c.collect(context.Background(), m, ask(true), text)
	c.gone(s, 1)
	func() {
		defer func() { _ = recover() }()
		for ev, err := range m.Generate(context.Background(), ask(true)) {
			if err != nil || !text(ev) {
				panic("the caller fails")
			}
		}
	}()
	c.gone(s, 2)
}

func (c *check) cancelEarly() {
	g := NewGate()
	s := New(c.T, Pause(g))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-g.Reached()
		cancel()
	}()
	c.failed(c.collect(ctx, c.model(s, provider.Timeouts{}), ask(true), nil), fault.Canceled, "canceled", "")
	c.gone(s, 1)
	c.failed(c.collect(ctx, c.model(s, provider.Timeouts{}), ask(true), nil), fault.Canceled, "canceled", "")
}

func (c *check) cancelLate() {
	s := New(c.T, Text("a").Then(Stall()))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := c.collect(ctx, c.model(s, provider.Timeouts{}), ask(true), func(ev llm.Event) bool {
		if ev.Kind == llm.Text {
			cancel()
		}
		return true
	})
	c.failed(o, fault.Canceled, "canceled", "")
	c.gone(s, 1)
}

// short is a limit that runs out; long is one that does not.
const (
	short = 20 * time.Millisecond
	long  = time.Hour
)

func (c *check) firstByte() {
	for name, step := range map[string]Step{"no head": Stall(), "head alone": Head().Then(Stall())} {
		for _, stream := range []bool{true, false} {
			s := New(c.T, step)
			o := c.collect(context.Background(), c.model(s, provider.Timeouts{Connect: long, FirstByte: short, BetweenEvents: long}), ask(stream), nil)
			c.failed(o, fault.Timeout, "upstream_timeout", "first_byte")
			if f := c.last; !strings.Contains(f.Message, short.String()) {
				c.Errorf("%s: the message does not say the limit: %s", name, f.Message)
			}
			c.gone(s, 1)
		}
	}
}

func (c *check) between() {
	s := New(c.T, Text("a").Then(Stall()))
	o := c.collect(context.Background(), c.model(s, provider.Timeouts{Connect: long, FirstByte: long, BetweenEvents: short}), ask(true), nil)
	c.failed(o, fault.Timeout, "upstream_timeout", "between_events")
	if f := c.last; !strings.Contains(f.Message, short.String()) {
		c.Errorf("the message does not say the limit: %s", f.Message)
	}
	c.gone(s, 1)
}

func (c *check) unreachable() {
	// Port 1 belongs to a service that nobody runs. A port that was free a moment ago may be somebody's by now.
	const url = "http://127.0.0.1:1/v1"
	c.failed(c.collect(context.Background(), c.at(url, provider.Timeouts{}), ask(true), nil), fault.Upstream, "upstream_error", "cannot be reached")
	if f := c.last; f.HTTPStatus() != http.StatusBadGateway {
		c.Errorf("status %d", f.HTTPStatus())
	}
}

func (c *check) cut() {
	for name, step := range map[string]Step{
		"reset before the reply": Reset(),
		"cut in the stream":      Text("a").Then(Cut()),
		"reset in the stream":    Text("a").Then(Reset()),
		"cut after the head":     Head().Then(Cut()),
	} {
		for _, stream := range []bool{true, false} {
			o := c.collect(context.Background(), c.model(New(c.T, step), provider.Timeouts{}), ask(stream), nil)
			if o.err == nil {
				c.Errorf("%s, stream %v: no error", name, stream)
				continue
			}
			c.failed(o, fault.Upstream, "upstream_error", "broke off")
		}
	}
}

func (c *check) garbage() {
	for name, step := range map[string]Step{
		"no JSON in a stream": Text("a").Then(Frame(`{"choices":`)),
		"no finish":           Text("a").NoFinish(),
		"html":                Reply(http.StatusOK, "text/html", "<html>it works</html>"),
		"empty":               Reply(http.StatusOK, "application/json", ""),
	} {
		o := c.collect(context.Background(), c.model(New(c.T, step), provider.Timeouts{}), ask(true), nil)
		if o.err == nil {
			c.Errorf("%s: no error", name)
			continue
		}
		c.failed(o, fault.Upstream, "upstream_error", "")
	}
}

func (c *check) refusals() {
	for _, status := range []int{400, 401, 404, 413, 422, 429, 500, 503, 529} {
		s := New(c.T, Error(status, "some_code", "because of "+testKey+" and "+testHeader).Header("Retry-After", "7"))
		o := c.collect(context.Background(), c.model(s, provider.Timeouts{}), ask(true), nil)
		c.failed(o, fault.Refused, "some_code", "because of")
		if f := c.last; f.HTTPStatus() != status || f.RetryAfter != "7" {
			c.Errorf("status %d retry-after %q, want %d and 7", f.HTTPStatus(), f.RetryAfter, status)
		}
	}
	s := New(c.T, Reply(http.StatusBadGateway, "text/html", "<html>"+strings.Repeat("x", 1<<16)))
	f, ok := errors.AsType[*fault.Error](c.collect(context.Background(), c.model(s, provider.Timeouts{}), ask(true), nil).err)
	if !ok || f.Kind != fault.Refused || f.HTTPStatus() != http.StatusBadGateway || len(f.Message) > 4096 {
		c.Errorf("an answer that is not JSON: %.300v", f)
	}
}

func (c *check) redirect() {
	other := New(c.T)
	s := New(c.T, Reply(http.StatusTemporaryRedirect, "text/plain", "").Header("Location", other.URL()+"/chat/completions"))
	c.failed(c.collect(context.Background(), c.model(s, provider.Timeouts{}), ask(true), nil), fault.Upstream, "upstream_error", "307")
	if len(other.Requests()) != 0 {
		c.Errorf("the redirect was followed")
	}
}
