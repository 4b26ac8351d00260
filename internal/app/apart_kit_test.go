package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

func TestMain(m *testing.M) {
	mcptest.Main() // does not return in a child
	os.Exit(m.Run())
}

// A mark stands in all that belongs to one request of one client, and in nothing else: mk-, and then who and which.
const (
	markFormat = "mk-%03d-%04d-z"
	markSize   = len("mk-000-0000-z")
)

// markIn returns the first mark of the texts, "" if there is none, and whether all others are the same.
func markIn(texts ...string) (mark string, alone bool) {
	all, same := 0, 0
	for _, text := range texts {
		if i := strings.Index(text, "mk-"); i >= 0 && mark == "" {
			mark = text[i:min(len(text), i+markSize)]
		}
		if mark != "" {
			all, same = all+strings.Count(text, "mk-"), same+strings.Count(text, mark)
		}
	}
	return mark, all == same
}

// repeated is a text of at least size bytes that is the mark over and over.
func repeated(mark string, size int) string { return strings.Repeat(mark+" ", size/(markSize+1)+1) }

// crowd is a gateway between models, servers and clients that all look at the marks of what they get.
type crowd struct {
	t      *testing.T
	app    *app.App
	cfg    func() *config.Config
	url    string
	client *http.Client
	shaken atomic.Int64
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(c.client.CloseIdleConnections)
	steady, shaky := providertest.NewRule(t, c.answer).Loose(), providertest.NewRule(t, c.shake).Loose()
	echo := mcptest.Tool{Name: "echo", Func: c.echo}
	web := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{echo}, JSON: true, Stateless: true})
	flow := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{echo}})
	command, env := mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}}.Command()
	pipe, err := json.Marshal(map[string]any{"command": command, "env": env}, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("STEADY", steady.URL(), "SHAKY", shaky.URL(), "CLAUDE", strings.TrimSuffix(steady.URL(), "/v1"),
		"WEB", c.serve(c.tagged(web.HTTP()), web.Close), "FLOW", c.serve(flow.HTTP(), flow.Close), "PIPE", string(pipe)).Replace(crowdConfig)
	c.cfg = func() *config.Config {
		cfg, err := config.Parse("crowd.yaml", []byte(text), app.ConfigOptions(func(string) string { return "" }))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	c.open()
	return c
}

const crowdConfig = `
models:
  - {name: steady, provider: openai, model: steady-1, api_key: sk-model, base_url: "STEADY"}
  - {name: answers, provider: openai, model: answers-1, api_key: sk-model, base_url: "STEADY", wire: responses}
  - {name: claude, provider: anthropic, model: claude-1, api_key: sk-model, base_url: "CLAUDE"}
  - name: shaky
    retries: 4
    deployments:
      - {provider: openai, model: shaky-1, api_key: sk-model, base_url: "SHAKY"}
      - {provider: openai, model: shaky-2, api_key: sk-model, base_url: "STEADY"}
mcp_servers:
  web: {url: "WEB", transport: http, forward_headers: [x-tag]}
  flow: {url: "FLOW", transport: http}
  pipe: PIPE
keys:
  - {name: crowd, key: sk-crowd-0123456789abcdef, mcp_servers: ["*"]}
`

// open starts the gateway behind its own HTTP server.
func (c *crowd) open() {
	c.t.Helper()
	a, err := app.Open(c.cfg(), app.Options{Version: "1", Log: slog.New(slog.DiscardHandler), Access: obs.JSONAccess{To: io.Discard}})
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(c.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			c.t.Errorf("the gateway ended with %v", err)
		}
		a.Close()
	})
	c.app, c.url = a, "http://"+l.Addr().String()
}

// serve serves h until the test ends.
func (c *crowd) serve(h http.Handler, end func()) string {
	s := httptest.NewServer(h)
	c.t.Cleanup(func() { end(); s.Close() })
	return s.URL + "/mcp"
}

// alone complains of texts that have another mark than their first, and returns that.
func (c *crowd) alone(where string, texts ...string) string {
	mark, alone := markIn(texts...)
	if !alone {
		c.t.Errorf("%s: something else stands beside %s: %.20000q", where, mark, texts)
	}
	return mark
}

// tagged is a server in whose requests headers and body are of one client.
func (c *crowd) tagged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if m := c.alone("request to a server", fmt.Sprint(r.Header), string(body)); m != "" && r.Header.Get("X-Tag") != m {
			c.t.Errorf("request to a server: the header is %q, the mark %s", r.Header.Get("X-Tag"), m)
		}
		h.ServeHTTP(w, r)
	})
}

// echo is a tool that says how often it was asked to repeat what.
func (c *crowd) echo(_ context.Context, call *mcptest.Call) ([]byte, error) {
	mark := c.alone("call of a tool", string(call.Params))
	size, _ := jsonedit.Int(jsonedit.Get(call.Args, "size"))
	return mcptest.Text(repeated(mark, int(size))), nil
}

// answer is a model that calls all tools on offer at first, and then repeats the mark of the request.
func (c *crowd) answer(r *providertest.Request) providertest.Step {
	mark := c.alone("request to a model", fmt.Sprint(r.Header), string(r.Raw))
	size := 900
	if strings.Contains(string(r.Raw), "at length") {
		size = 90 << 10
	}
	results := len(r.Results())
	switch {
	case len(r.Tools) > 0 && results == 0:
		var s providertest.Step
		for i, name := range r.ToolNames() {
			s = s.Then(providertest.Text(mark), providertest.Call(fmt.Sprintf("call_%d", i), name, `{"ma`, fmt.Sprintf(`rk":%q,"si`, mark), fmt.Sprintf(`ze":%d}`, size)))
		}
		return s
	case len(r.Tools) != results:
		c.t.Errorf("%s: %d results of %d tools", mark, results, len(r.Tools))
	}
	for id, text := range r.Results() {
		if m, _ := markIn(text); m != mark {
			c.t.Errorf("%s: the result of %s is of %q", mark, id, m)
		}
	}
	var pieces []string
	for range 16 {
		pieces = append(pieces, repeated(mark, size/16))
	}
	return providertest.Text(pieces...).Header("X-Request-Id", mark)
}

// shake is a model that fails in every second request, each time in another phase.
func (c *crowd) shake(r *providertest.Request) providertest.Step {
	s := c.answer(r)
	mark, _ := markIn(string(r.Raw))
	switch n := c.shaken.Add(1); n % 12 {
	case 0:
		return providertest.Error(http.StatusInternalServerError, "server_error", "no "+mark)
	case 2:
		return providertest.Reset()
	case 4:
		return providertest.Head().Then(providertest.Cut())
	case 6:
		return providertest.Text(mark).Then(s).Then(providertest.Cut())
	case 8:
		return providertest.Reply(http.StatusOK, "application/json", `{"id":"`+mark+`","choices":[{"index":0,"message":{"content":"`+mark)
	case 10:
		return providertest.Error(http.StatusTooManyRequests, "rate_limit_exceeded", "slow, "+mark).Header("Retry-After", "0")
	}
	return s
}
