package blackbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestCallsRunSideBySide: S9: two calls of one turn that wait for each other come to an end, and their results stand in call
// order although the second is there first.
func TestCallsRunSideBySide(t *testing.T) {
	t.Parallel()
	firstBegun, secondDone := make(chan struct{}), make(chan struct{})
	tr := build(t, "-- server s --\n"+`{"transport":"http","tools":[{"name":"first"},{"name":"second"}]}`, func(tr *transcript) {
		tr.funcs = map[string]func(context.Context, *mcptest.Call) ([]byte, error){
			"first": func(ctx context.Context, _ *mcptest.Call) ([]byte, error) {
				close(firstBegun)
				return mcptest.Text("first"), wait(ctx, secondDone)
			},
			"second": func(ctx context.Context, _ *mcptest.Call) ([]byte, error) {
				defer close(secondDone)
				return mcptest.Text("second"), wait(ctx, firstBegun)
			},
		}
		tr.rule = play(providertest.Call("c1", "s-first", "{}").Then(providertest.Call("c2", "s-second", "{}")), providertest.Text("ok"))
	})
	text := tr.want(200, chat(plainTools), `"is_error":false`)
	if i, j := strings.Index(text, `"result":"first"`), strings.Index(text, `"result":"second"`); i < 0 || j < i {
		t.Errorf("the results are not in call order: %s", text)
	}
}

func wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestWidth: parallel_tool_calls: false runs calls one by one, limits.concurrent_calls so many at once.
func TestWidth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config, body string
		most         int32
	}{
		"one by one": {"", chat(plainTools + `,"parallel_tool_calls":false`), 1},
		"limited":    {"-- config --\nlimits: {concurrent_calls: 2}\n", chat(plainTools), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var now, most, all atomic.Int32
			tr := build(t, c.config+"-- server s --\n"+`{"transport":"http","tools":[{"name":"a"}]}`, func(tr *transcript) {
				tr.funcs = map[string]func(context.Context, *mcptest.Call) ([]byte, error){"a": func(context.Context, *mcptest.Call) ([]byte, error) {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					all.Add(1)
					for range 1000 { // long enough for another to begin, if it may
						_ = fmt.Sprint(all.Load())
					}
					return mcptest.Text("a"), nil
				}}
				turn := providertest.Call("c0", "s-a", "{}")
				for i := range 7 {
					turn = turn.Then(providertest.Call(fmt.Sprintf("c%d", i+1), "s-a", "{}"))
				}
				tr.rule = play(turn, providertest.Text("ok"))
			})
			tr.want(200, c.body)
			if all.Load() != 8 || most.Load() > c.most {
				t.Errorf("%d calls ran, at most %d at once; want 8 and %d", all.Load(), most.Load(), c.most)
			}
		})
	}
}

// TestListsRunSideBySide: S4: two servers, each of which lists its tools only when the other is asked too.
func TestListsRunSideBySide(t *testing.T) {
	t.Parallel()
	asked := map[string]chan struct{}{"s": make(chan struct{}), "u": make(chan struct{})}
	tr := build(t, "-- server s --\n"+`{"transport":"http","stateless":true,"tools":[{"name":"a"}],"config":{"forward_headers":["x-tag"]}}`+
		"\n-- server u --\n"+`{"transport":"http","stateless":true,"tools":[{"name":"b"}],"config":{"forward_headers":["x-tag"]}}`, func(tr *transcript) {
		tr.rule = play(providertest.Text("ok"))
		tr.wrap = func(name string, h http.Handler) http.Handler {
			other := map[string]string{"s": "u", "u": "s"}[name]
			var once atomic.Bool
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if bytes.Contains(body, []byte(`"tools/list"`)) {
					if once.CompareAndSwap(false, true) {
						close(asked[name])
					}
					if wait(r.Context(), asked[other]) != nil {
						return
					}
				}
				h.ServeHTTP(w, r)
			})
		}
	})
	tr.want(200, chat(strings.ReplaceAll(plainTools, "%", `{"type":"mcp","server_url":"fairlead"}`)), `"s-a"`, `"u-b"`)
}

// TestBodies: a body without a length that goes over the limit is refused, one that never ends too; one whose client leaves in
// the middle leaves nothing behind.
func TestBodies(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- config --\nlimits: {body_bytes: 64KiB}\n", providertest.Text("ok"))
	send := func(ctx context.Context, body io.Reader) (*http.Response, error) {
		r := tr.request("POST /v1/chat/completions\n\n{}").WithContext(ctx)
		r.Body, r.ContentLength, r.GetBody = io.NopCloser(body), -1, nil
		return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	}
	resp, err := send(t.Context(), io.MultiReader(strings.NewReader(`{"model":"m","x":"`), endless{}))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("status %d, want 413", resp.StatusCode)
	}
	ctx, leave := context.WithCancel(t.Context())
	in, out := io.Pipe()
	go func() {
		_, _ = out.Write([]byte(`{"model":"m",`))
		leave()
	}()
	if resp, err := send(ctx, in); err == nil {
		resp.Body.Close()
		t.Errorf("an unfinished body was answered: %d", resp.StatusCode)
	}
	out.Close()
	tr.want(200, chat(""), "ok")
	if n := len(tr.model.Requests()); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
