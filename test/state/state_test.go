// Package state looks at what outlives a request: in two gateways on one PostgreSQL, and in one that is killed under load.
package state

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

// peers are what gateways stand between: a model, and a server whose one tool counts how often it has run for each mark.
type peers struct {
	model *providertest.Server
	mcp   string // its URL

	mu  sync.Mutex
	ran map[string]int
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	p := &peers{ran: map[string]int{}}
	srv := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "mark", Func: p.mark}}})
	ts := httptest.NewServer(srv.HTTP())
	t.Cleanup(func() {
		srv.Close()
		ts.Close()
	})
	p.mcp = ts.URL
	p.model = providertest.NewRule(t, answer)
	return p
}

func (p *peers) mark(_ context.Context, c *mcptest.Call) ([]byte, error) {
	var args struct {
		Mark string `json:"mark"`
	}
	if err := json.Unmarshal(c.Args, &args); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ran[args.Mark]++
	return mcptest.Text("marked " + args.Mark), nil
}

// runs is how often the tool has run for a mark.
func (p *peers) runs(mark string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ran[mark]
}

// answer is the model. Asked "mark X" it calls the tool, asked "both X" also a tool of the client; told results it says
// them, and otherwise it says everything that the user has said.
func answer(r *providertest.Request) providertest.Step {
	last := r.Last()
	verb, mark, _ := strings.Cut(last.Text, " ")
	id := fmt.Sprintf("call_%d", len(r.Messages))
	ours := providertest.Call(id, "marks-mark", fmt.Sprintf(`{"mark":%q}`, mark))
	switch {
	case last.Role == "tool":
		var told []string
		for _, m := range r.Messages {
			if m.Role == "tool" {
				told = append(told, m.Text)
			}
		}
		return providertest.Text("Told: ", strings.Join(told, ", "))
	case verb == "mark":
		return ours
	case verb == "both":
		return ours.Then(providertest.Call(id+"_own", "of_the_client", `{}`))
	}
	var said []string
	for _, m := range r.Messages {
		if m.Role == "user" {
			said = append(said, m.Text)
		}
	}
	return providertest.Text("You said: ", strings.Join(said, ", "))
}

// start runs a gateway on a store.
func (p *peers) start(t *testing.T, store string) *gateway.Gateway {
	t.Helper()
	config := gateway.Config(p.model.URL(), fmt.Sprintf("marks: {url: %q}", p.mcp))
	return gateway.Start(t, config+fmt.Sprintf("store: %q\n", store))
}

// response is a reply of the responses API.
type response struct {
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Output []item         `json:"output"`
	Usage  jsontext.Value `json:"usage"`
	Error  *responseError `json:"error"`
	raw    []byte         // as it came
	code   int            // the HTTP status
}

type responseError struct {
	Message string `json:"message"`
	Param   string `json:"param"`
	Code    string `json:"code"`
}

type item struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	Approval string `json:"approval_request_id"`
	Output   string `json:"output"`
	Content  []struct {
		Text string `json:"text"`
	} `json:"content"`
}

func (r *response) text() string {
	var all string
	for _, i := range r.Output {
		for _, c := range i.Content {
			all += c.Text
		}
	}
	return all
}

// asked is the id of the response's request for approval.
func (r *response) asked() string {
	for _, i := range r.Output {
		if i.Type == "mcp_approval_request" {
			return i.ID
		}
	}
	return ""
}

// question is a request for a call of the tool that waits for the client.
func question(mark string) map[string]any {
	return map[string]any{"model": "m", "input": "mark " + mark, "tools": tools("always")}
}

// yes approves what a response asked for.
func yes(r *response) map[string]any {
	return map[string]any{
		"model": "m", "tools": tools("always"), "previous_response_id": r.ID,
		"input": []any{map[string]any{"type": "mcp_approval_response", "approval_request_id": r.asked(), "approve": true}},
	}
}

func tools(approval string) []any {
	return []any{map[string]any{"type": "mcp", "server_label": "m", "server_url": "fairlead/mcp/marks", "require_approval": approval}}
}

// send sends a request. Its error says that no whole answer came.
func send(ctx context.Context, g *gateway.Gateway, method, path string, body any) (status int, reply []byte, err error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.URL+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+gateway.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(resp.Body)
	return resp.StatusCode, reply, err
}

// ask sends a request of the responses API and reads the answer, an error too.
func ask(ctx context.Context, g *gateway.Gateway, method, path string, body any) (*response, error) {
	status, reply, err := send(ctx, g, method, path, body)
	if err != nil {
		return nil, err
	}
	r := &response{raw: reply, code: status}
	return r, json.Unmarshal(reply, r)
}

// must is ask for answers of status 200.
func must(t *testing.T, g *gateway.Gateway, method, path string, body any) *response {
	t.Helper()
	r, err := ask(t.Context(), g, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.code != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", method, path, r.code, r.raw)
	}
	return r
}

// refused is ask for answers of status 400 or 404.
func refused(t *testing.T, g *gateway.Gateway, method, path string, body any) {
	t.Helper()
	r, err := ask(t.Context(), g, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.code != http.StatusBadRequest && r.code != http.StatusNotFound || r.Error == nil {
		t.Errorf("%s %s: status %d: %s", method, path, r.code, r.raw)
	}
}
