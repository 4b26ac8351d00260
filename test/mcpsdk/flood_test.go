package mcpsdk

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

// flood is a way in which a server answers a call with more than anybody wants.
type flood struct {
	kind  string            // the media type
	extra map[string]string // headers
	write func(w io.Writer, id string) error
	says  string // what its client is told
}

// tooMuch is what clients are told of answers over the limit of a session.
const tooMuch = "larger than the limit of 16 MiB"

// upTo writes a piece again and again, 10 GiB of it if nobody stops it.
func upTo(piece string) func(io.Writer, string) error {
	return func(w io.Writer, _ string) error {
		for range (10 << 30) / len(piece) {
			if _, err := io.WriteString(w, piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// bomb are 64 MiB of zeros, packed.
func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 64<<20))
	_ = z.Close()
	return b.String()
}

func floods() map[string]flood {
	packed := bomb()
	const asJSON, asStream = "application/json", "text/event-stream"
	return map[string]flood{
		"body":  {kind: asJSON, write: upTo(strings.Repeat(" ", 1<<16)), says: tooMuch},
		"event": {kind: asStream, write: upTo("data: " + strings.Repeat("x", 1<<16) + "\n"), says: tooMuch},
		"line":  {kind: asStream, write: upTo(strings.Repeat("x", 1<<16)), says: tooMuch},
		"events": {kind: asStream, says: "no answer within", write: upTo(
			strings.Repeat(`data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"`+strings.Repeat("x", 500)+`"}}`+"\n\n", 100))},
		"gzip": {kind: asJSON, extra: map[string]string{"Content-Encoding": "gzip"}, says: "not a JSON-RPC message", write: func(w io.Writer, _ string) error {
			_, err := io.WriteString(w, packed)
			return err
		}},
		"blocks": {kind: asJSON, says: tooMuch, write: func(w io.Writer, id string) error {
			_, err := io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"result":{"content":[`+strings.Repeat(`{"type":"text","text":"x"},`, 1_000_000)+`{"type":"text","text":"x"}]}}`)
			return err
		}},
		"loris": {kind: asJSON, says: "no answer within", write: func(w io.Writer, _ string) error {
			for {
				if _, err := io.WriteString(w, " "); err != nil {
					return err
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}},
	}
}

// flooding serves tools that flood.
func flooding(t *testing.T, all map[string]flood) string {
	t.Helper()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		id := string(jsonedit.Get(b, "id"))
		w.Header().Set("Content-Type", "application/json")
		switch method, _ := jsonedit.Unquote(jsonedit.Get(b, "method")); method {
		case "initialize":
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"f","version":"1"}}}`, id)
		case "tools/list":
			var tools []string
			for name := range all {
				tools = append(tools, `{"name":"`+name+`","inputSchema":{"type":"object"}}`)
			}
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s]}}`, id, strings.Join(tools, ","))
		case "tools/call":
			name, _ := jsonedit.Unquote(jsonedit.Get(b, "params", "name"))
			f := all[name]
			w.Header().Set("Content-Type", f.kind)
			for k, v := range f.extra {
				w.Header().Set(k, v)
			}
			_ = f.write(w, id) // it ends when the gateway has enough
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(func() {
		ts.CloseClientConnections()
		ts.Close()
	})
	return ts.URL
}

// peak is the most memory that a process has had, in MiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}

// TestAttack19ResultFlooding: a server that answers with 10 GiB, in one body, one event or endless ones, packed or byte by byte, is
// given up on. Its client is told why, the gateway needs little memory for it, and the calls of others go on.
func TestAttack19ResultFlooding(t *testing.T) {
	all := floods()
	good := mcptest.New(mcptest.Spec{Era: "legacy", Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1",
		fmt.Sprintf(`bad: {url: %q, protocol: "2025-11-25", timeout: 1s}`, flooding(t, all)), fmt.Sprintf("good: {url: %q}", serve(t, good, good.HTTP()))))
	b := &bridge{Gateway: g}
	older, newer, other := b.older(t, "2025-11-25", `{}`), b.newer(t, `{}`), b.newer(t, `{}`)
	other.want(other.call("good-echo", `{"n":1}`), 200, `{\"n\":1}`)
	before := peak(t, g.PID())
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; !over.Load(); n++ {
			other.want(other.call("good-echo", fmt.Sprintf(`{"n":%d}`, n)), 200, fmt.Sprintf(`{\"n\":%d}`, n))
		}
	})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		for _, c := range []*raw{older, newer} {
			a := c.call("bad-"+name, `{}`)
			c.want(a, 200, `"error"`, f.says)
		}
		// An answer may take its limit, and the collector lets the heap grow to three times of what is in use before it runs.
		grown := peak(t, g.PID()) - before
		if t.Logf("%s: %d MiB more than before", name, grown); grown > 6*16 {
			t.Errorf("after %s the gateway has needed %d MiB more than before", name, grown)
		}
	}
	over.Store(true)
	wg.Wait()
}
