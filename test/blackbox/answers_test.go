package blackbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/test/gateway"
)

// restart ends the gateway and starts another one with the same config.
func (tr *transcript) restart() {
	tr.t.Helper()
	if err := tr.gateway.Stop(); err != nil {
		tr.t.Fatal(err)
	}
	tr.gateway = gateway.Start(tr.t, tr.config())
}

// got is the answer to one request.
type got struct {
	t      *testing.T
	status int
	header http.Header
	text   string
}

// call sends a request to any endpoint. A header is "Name: value".
func (tr *transcript) call(method, path, body string, headers ...string) *got {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), patience)
	defer cancel()
	r := tr.request(method + " " + path + "\n" + strings.Join(headers, "\n") + "\n\n" + body).WithContext(ctx)
	conns := new(http.Transport)
	defer conns.CloseIdleConnections()
	resp, err := conns.RoundTrip(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tr.t.Fatalf("%v after %s", err, b)
	}
	tr.checkLeaks(string(b))
	return &got{tr.t, resp.StatusCode, resp.Header, string(b)}
}

func (tr *transcript) responses(body string, headers ...string) *got {
	tr.t.Helper()
	return tr.call(http.MethodPost, "/v1/responses", body, headers...)
}

// fine wants status 200.
func (a *got) fine() *got {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.status, a.text)
	}
	return a
}

// get returns what stands at a path of members and indices, "output.0.id".
func (a *got) get(path string) string {
	a.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		a.t.Fatalf("%v in %s", err, a.text)
	}
	for step := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// refused wants an error of OpenAI's form: its status, code and param.
func (a *got) refused(status int, code, param string) *got {
	a.t.Helper()
	if a.status != status || a.get("error.code") != code || a.get("error.param") != param || a.get("error.message") == "" {
		a.t.Errorf("status %d, want %d with code %q and param %q: %s", a.status, status, code, param, a.text)
	}
	return a
}

// items are the items of a response, whole, by their type.
func (a *got) items(kind string) []jsontext.Value {
	a.t.Helper()
	var r struct {
		Output []jsontext.Value `json:"output"`
	}
	if err := json.Unmarshal([]byte(a.text), &r); err != nil {
		a.t.Fatalf("%v in %s", err, a.text)
	}
	var out []jsontext.Value
	for _, it := range r.Output {
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(it, &head); err != nil {
			a.t.Fatal(err)
		}
		if kind == "" || head.Type == kind {
			out = append(out, it)
		}
	}
	return out
}

// member is a string member of an item.
func member(t *testing.T, item jsontext.Value, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(item, &m); err != nil {
		t.Fatal(err)
	}
	s, _ := m[name].(string)
	return s
}

// entryOf is the tool that names the server s.
func entryOf(approval string) string {
	return `"tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":"` + approval + `"}]`
}

const userItem = `{"role":"user","content":"Go."}`

func response(more string, items ...string) string {
	return `{"model":"m",` + more + `,"input":[` + strings.Join(items, ",") + `]}`
}

func word(id string, yes bool) string {
	return fmt.Sprintf(`{"type":"mcp_approval_response","approval_request_id":%q,"approve":%v}`, id, yes)
}

// follow reads the stream of a kept reply; after -1 from the beginning.
func (tr *transcript) follow(id string, after int) *stream {
	tr.t.Helper()
	path := "/v1/responses/" + id + "?stream=true"
	if after >= 0 {
		path += "&starting_after=" + itoa(after)
	}
	ctx, leave := context.WithTimeout(tr.t.Context(), patience)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(tr.request("GET " + path + "\n\n").WithContext(ctx))
	if err != nil {
		leave()
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { leave(); resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		tr.t.Fatalf("status %d", resp.StatusCode)
	}
	return &stream{tr.t, resp, bufio.NewScanner(resp.Body), leave}
}

// numbers are the sequence numbers of a stream's events.
func numbers(text string) []int {
	var out []int
	for _, m := range regexp.MustCompile(`"sequence_number":(\d+)`).FindAllStringSubmatch(text, -1) {
		var n int
		_, _ = fmt.Sscan(m[1], &n)
		out = append(out, n)
	}
	return out
}
