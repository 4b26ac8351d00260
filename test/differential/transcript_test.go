package differential

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/sse"
)

// patience bounds every wait; nothing is timed by it.
const patience = 30 * time.Second

// client plays a scenario and writes down what it sees.
type client struct {
	t        *testing.T
	era      string
	url, key string
	session  string // Mcp-Session-Id
	steps    []step
}

// play plays the scenario of an era.
func play(t *testing.T, era, url, key string, server *fixture) []step {
	t.Helper()
	c := &client{t: t, era: era, url: url, key: key}
	if era == modern {
		c.stateless(server)
	} else {
		c.sessions(server)
	}
	return c.steps
}

// shown are the headers of answers that are compared, beside the type of the content and whether there is a session's id.
var shown = []string{"Allow", "Retry-After", "Mcp-Protocol-Version"}

// do sends a request and writes down the answer. It returns the last message.
func (c *client) do(name, method string, header http.Header, body string) []byte {
	c.t.Helper()
	s := step{name: name + ": " + method + " " + body}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	resp := c.send(ctx, method, header, body)
	defer resp.Body.Close()
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	s.lines = append(s.lines, strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", media)))
	for _, h := range shown {
		if v := resp.Header.Get(h); v != "" {
			s.lines = append(s.lines, h+": "+v)
		}
	}
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		c.session = id
		s.lines = append(s.lines, "Mcp-Session-Id: ID")
	}
	var last []byte
	c.messages(resp.Body, media, func(m []byte) {
		last = m
		s.lines = append(s.lines, stable(m))
		c.reply(m)
	})
	c.steps = append(c.steps, s)
	return last
}

// The gateway gives the requests to a client its own ids, and seals what servers want back.
var (
	askID  = regexp.MustCompile(`^(\{"jsonrpc":"2.0","id":)"[^"]*"(,"method")`)
	sealed = regexp.MustCompile(`"requestState":"[A-Za-z0-9_-]{60,}"`)
)

// stable is a message without what differs from run to run.
func stable(m []byte) string {
	text := askID.ReplaceAllString(string(m), `$1"ID"$2`)
	return sealed.ReplaceAllString(text, `"requestState":"SEALED"`)
}

func (c *client) send(ctx context.Context, method string, header http.Header, body string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		r.Header = header.Clone()
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	if c.session != "" {
		r.Header.Set("Mcp-Session-Id", c.session)
		r.Header.Set("Mcp-Protocol-Version", older)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// messages calls see with each message of a body.
func (c *client) messages(body io.Reader, media string, see func([]byte)) {
	c.t.Helper()
	if media != "text/event-stream" {
		b, err := io.ReadAll(body)
		if err != nil {
			c.t.Fatal(err)
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			see(b)
		}
		return
	}
	r := sse.NewReader(body, 1<<20)
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if len(ev.Data) > 0 {
			see(bytes.Clone(ev.Data))
		}
	}
}

// said are the client's answers to what it is asked.
var said = map[string]string{
	"elicitation/create":     `{"action":"accept","content":{"name":"\u00e9","n":9007199254740993,"f":1.0},"vendor/a":1.0}`,
	"sampling/createMessage": `{"role":"assistant","model":"m","content":{"type":"text","text":"says \/"},"vendor/s":9007199254740993}`,
	"roots/list":             `{"roots":[{"uri":"file:///r","name":"r","vendor/x":1.0}]}`,
}

// reply answers a request of the server.
func (c *client) reply(m []byte) {
	c.t.Helper()
	if q, err := jsonrpc.Parse(m); err == nil && q.IsRequest() {
		resp := c.send(c.t.Context(), http.MethodPost, nil, string(jsonrpc.AppendResult(nil, q.ID, []byte(said[q.Method]))))
		resp.Body.Close()
	}
}

// call sends a request as the era has it.
func (c *client) call(name, id, method, params, meta string) []byte {
	c.t.Helper()
	if c.era == older {
		members := params
		if meta != "" {
			members = strings.TrimPrefix(params+`,"_meta":{`+meta+`}`, ",")
		}
		return c.do(name, http.MethodPost, nil, `{"jsonrpc":"2.0","id":`+id+`,"method":"`+method+`","params":{`+members+`}}`)
	}
	if meta != "" {
		meta = "," + meta
	}
	h := http.Header{"Mcp-Protocol-Version": {modern}, "Mcp-Method": {method}}
	for _, member := range []string{"name", "uri"} {
		if v, ok := jsonedit.Unquote(jsonedit.Get([]byte("{"+params+"}"), member)); ok && named[method] {
			h.Set("Mcp-Name", headerValue(v))
		}
	}
	members := strings.TrimPrefix(params+`,"_meta":{"io.modelcontextprotocol/protocolVersion":"`+modern+`","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":`+offers+meta+`}`, ",")
	return c.do(name, http.MethodPost, h, `{"jsonrpc":"2.0","id":`+id+`,"method":"`+method+`","params":{`+members+`}}`)
}

// offers are the client's capabilities.
const offers = `{"elicitation":{"form":{}},"sampling":{},"roots":{}}`

// named are the methods whose subject stands in a header too.
var named = map[string]bool{"tools/call": true, "prompts/get": true, "resources/read": true}

// headerValue writes what is not plain text in Base64.
func headerValue(v string) string {
	if strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(v)) + "?="
	}
	return v
}
