package blackbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// memoryLimit is what a gateway may hold at most under the faults below. It idles at a tenth of it.
const memoryLimit = 150 << 20

// TestServerDies: the call gets an error result, the server is started again, and there is one child, not two.
func TestServerDies(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- server s --\n"+`{"tools":[{"name":"die","do":"die"},{"name":"echo","do":"echo"}]}`,
		providertest.Call("c1", "s-die", "{}"), providertest.Text("sorry"), providertest.Call("c1", "s-echo", `{"a":1}`), providertest.Text("ok"))
	tr.want(200, chat(plainTools), `"is_error":true`, "was lost while the tool ran", "sorry")
	tr.want(200, chat(plainTools), `"is_error":false`, `"result":"{\"a\":1}"`)
	if n := len(tr.gateway.Children()); n != 1 {
		t.Errorf("%d children, want 1", n)
	}
}

// TestServerHangs: limits.call_time ends the call, the server is told, and the model goes on.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"stdio", "http", "sse"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			tr := house(t, "-- config --\nlimits: {call_time: 300ms}\n-- server s --\n"+`{"transport":"`+transport+`","tools":[{"name":"hang","do":"hang"}]}`,
				providertest.Call("c1", "s-hang", "{}"), providertest.Text("it hangs"))
			tr.want(200, chat(plainTools), `"is_error":true`, "300ms", "it hangs")
			must(t, "the server is told that the call is over", func() bool { return tr.server("s").count(t, "cancelled") == 1 })
		})
	}
}

// TestProgressKeepsACallAlive: a tool that says that it goes on may take longer than the time of one call.
func TestProgressKeepsACallAlive(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- config --\nlimits: {call_time: 1500ms}\n-- server s --\n"+`{"tools":[{"name":"slow","do":"steps","count":8,"millis":300,"text":"at last"}]}`,
		providertest.Call("c1", "s-slow", "{}"), providertest.Text("ok"))
	tr.want(200, chat(plainTools), `"is_error":false`, "at last")
}

// TestServerSendsForEver: a result without end is cut off where it stands, over every transport, and is an error result.
func TestServerSendsForEver(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"json", "event", "stdio"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			config := "-- config --\nlimits: {call_time: 20s}\n-- server s --\n" + `{"transport":"http","stateless":true,"tools":[{"name":"flood"},{"name":"echo","do":"echo"}]}`
			steps := []providertest.Step{providertest.Call("c1", "s-flood", "{}"), providertest.Text("too much"), providertest.Call("c1", "s-echo", "{}"), providertest.Text("ok")}
			tr := build(t, config, func(tr *transcript) {
				tr.rule = play(steps...)
				tr.wrap = func(_ string, h http.Handler) http.Handler { return flooding(h, how) }
				if how == "stdio" {
					tr.archive.Files[1].Data = nil
					tr.archive.Files = tr.archive.Files[:1]
					tr.archive.Files[0].Data = append(tr.archive.Files[0].Data, "mcp_servers:\n  "+gateway.Stdio("s", []string{self(t)}, map[string]string{floodVariable: "1"})+"\n"...)
				}
			})
			tr.want(200, chat(plainTools), `"is_error":true`, "too much")
			tr.want(200, chat(plainTools), `"is_error":false`)
			if n := peak(tr.gateway.PID()); n > memoryLimit {
				t.Errorf("the gateway held %d MiB", n>>20)
			}
		})
	}
}

// flooding answers calls of the tool flood with a result that does not end.
func flooding(h http.Handler, how string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(`"flood"`)) {
			h.ServeHTTP(w, r)
			return
		}
		head := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`
		if how == "event" {
			w.Header().Set("Content-Type", "text/event-stream")
			head = "data: " + head
		} else {
			w.Header().Set("Content-Type", "application/json")
		}
		flood(r.Context().Done(), w, head)
	})
}

// flood writes head and then text without end, until the other side has had enough. It gives up after 10 GB.
func flood(done <-chan struct{}, w io.Writer, head string) {
	_, _ = io.WriteString(w, head)
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range 10 << 10 {
		select {
		case <-done:
			return
		default:
		}
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// floodVariable makes the test binary a server over stdio whose tool flood answers without end.
const floodVariable = "BLACKBOX_FLOOD"

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// floodServer is that server: of the handshake's era, as small as it can be.
func floodServer() {
	if os.Getenv(floodVariable) == "" {
		return
	}
	in := make([]byte, 0, 1<<16)
	buf := make([]byte, 1<<16)
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil {
			os.Exit(0)
		}
		in = append(in, buf[:n]...)
		for {
			i := bytes.IndexByte(in, '\n')
			if i < 0 {
				break
			}
			answer(string(in[:i]))
			in = in[i+1:]
		}
	}
}

func answer(line string) {
	_, id, _ := strings.Cut(line, `"id":`)
	id = id[:max(0, strings.IndexAny(id+",", ",}"))]
	say := func(result string) { fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", id, result) }
	switch {
	case id == "":
	case strings.Contains(line, `"server/discover"`):
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`+"\n", id)
	case strings.Contains(line, `"initialize"`):
		say(`{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"flood","version":"1"}}`)
	case strings.Contains(line, `"tools/list"`):
		say(`{"tools":[{"name":"flood","inputSchema":{"type":"object"}},{"name":"echo","inputSchema":{"type":"object"}}]}`)
	case strings.Contains(line, `"flood"`):
		flood(nil, os.Stdout, `{"jsonrpc":"2.0","id":`+id+`,"result":{"content":[{"type":"text","text":"`)
	default:
		say(`{"content":[{"type":"text","text":"small"}]}`)
	}
}

// TestEndlessLists: a server that names a next page for ever is asked a bounded number of times, and what it listed counts.
func TestEndlessLists(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"same_cursor", "endless_pages"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			tr := house(t, "-- server s --\n"+`{"`+fault+`":true,"tools":[{"name":"echo","do":"echo"}]}`,
				providertest.Text("ok"))
			status, text := tr.post(chat(plainTools))
			if n := tr.server("s").count(t, "tools/list"); n > 1100 {
				t.Errorf("%d pages were asked for", n)
			}
			if status != 200 && status != 424 {
				t.Errorf("status %d: %s", status, text)
			}
		})
	}
}

// TestProbe: servers of the older era that end or hang when they are asked for the newer one serve all the same.
func TestProbe(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"exit_on_discover", "hang_on_discover"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			tr := house(t, "-- server s --\n"+`{"`+fault+`":true,"tools":[{"name":"echo","do":"echo"}]}`,
				providertest.Call("c1", "s-echo", `{"a":1}`), providertest.Text("ok"))
			tr.want(200, chat(plainTools), `"is_error":false`)
			if n := len(tr.gateway.Children()); n != 1 {
				t.Errorf("%d children, want 1", n)
			}
		})
	}
}

// TestDeadListingDelaysOnce: a server that never lists delays one request, told in mcp_errors, and not the next.
func TestDeadListingDelaysOnce(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- server s --\n"+`{"list_hang":true}`+"\n-- server u --\n"+`{"tools":[{"name":"u","text":"u"}]}`,
		providertest.Text("one"), providertest.Text("two"))
	all := strings.ReplaceAll(plainTools, "%", `{"type":"mcp","server_url":"fairlead","require_approval":"never"}`)
	tr.want(200, chat(all), "one", `"mcp_errors":[{"server":"s"`)
	asked := tr.server("s").count(t, "tools/list")
	tr.want(200, chat(all), "two", `"mcp_errors":[{"server":"s"`)
	if n := tr.server("s").count(t, "tools/list"); n != asked {
		t.Errorf("the second request asked the dead server again")
	}
}

// TestNothingOrphaned: when the gateway ends, so do its children, those that ignore signals and those of their own too.
func TestNothingOrphaned(t *testing.T) {
	t.Parallel()
	tr := house(t, "-- server s --\n"+`{"stubborn":true,"spawn":true,"tools":[{"name":"echo","do":"echo"}]}`+"\n-- server u --\n"+`{"tools":[{"name":"u"}]}`,
		providertest.Call("c1", "s-echo", `{}`), providertest.Text("ok"))
	tr.want(200, chat(plainTools), `"is_error":false`)
	children := tr.gateway.Children()
	if len(children) < 2 {
		t.Fatalf("%d children, want the servers and the child of one", len(children))
	}
	if err := tr.gateway.Stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	for _, pid := range children {
		must(t, "the child "+itoa(pid)+" is gone", func() bool { return !gateway.Alive(pid) })
	}
}
