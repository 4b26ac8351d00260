package blackbox

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// The two secrets. The first must not reach any upstream, neither of them a client.
const (
	gatewayKey  = "sk-gateway-canary-5f1c"
	upstreamKey = "sk-upstream-canary-9d2e"
)

// patience bounds every wait; nothing is timed by it.
const patience = 30 * time.Second

// transcript is one file on its way through the gateway.
type transcript struct {
	t       *testing.T
	archive *txtar.Archive
	show    showing
	model   *providertest.Server
	steps   int
	servers []*server
	apis    []*api
	gateway *gateway.Gateway
	dead    string

	documents [][2]string // names and paths

	// For tests in Go.
	rule  providertest.Rule                                                                // in place of the script
	funcs map[string]func(ctx context.Context, c *mcptest.Call) (result []byte, err error) // what tools of servers over HTTP do, by name
	wrap  func(server string, h http.Handler) http.Handler                                 // around servers over HTTP
}

func runTranscript(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(strings.TrimSpace(string(a.Comment))) == 0 {
		t.Error("the transcript does not say what it pins")
	}
	tr := &transcript{t: t, archive: a, show: readShowing(t, a), dead: deadAddr(t)}
	tr.startModel()
	tr.startServers()
	tr.startAPIs()
	tr.gateway = gateway.Start(t, tr.config())
	var told []string
	for i := range a.Files {
		if n, ok := strings.CutPrefix(a.Files[i].Name, "request"); ok {
			raw, text := tr.send(string(a.Files[i].Data))
			tr.checkLeaks(raw)
			told = append(told, "response"+n, text)
		}
	}
	for i := 0; i < len(told); i += 2 {
		tr.expect(told[i], told[i+1], true)
	}
	tr.expect("model saw", tr.modelSaw(), false)
	for _, s := range tr.servers {
		if f := tr.file(s.name + " saw"); f != nil && os.Getenv("UPDATE_GOLDEN") == "" {
			// The gateway asks in the background, too.
			eventually(t, func() bool { return strings.TrimSpace(tr.serverSaw(s)) == strings.TrimSpace(string(f.Data)) })
		}
		tr.expect(s.name+" saw", tr.serverSaw(s), false)
	}
	for _, a := range tr.apis {
		tr.expect(a.name+" saw", strings.Join(a.asked(), "\n"), false)
	}
	tr.checkKeyStayed()
	if n := len(tr.model.Requests()); n != tr.steps {
		t.Errorf("the model was asked %d times, the script has %d replies", n, tr.steps)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits until is holds, and reports whether it did.
func eventually(t *testing.T, is func() bool) bool {
	t.Helper()
	for end := time.Now().Add(patience / 3); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return true
		}
	}
	return false
}

// deadAddr is an address where nobody listens.
func deadAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// file returns the section with this name.
func (tr *transcript) file(name string) *txtar.File {
	i := slices.IndexFunc(tr.archive.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &tr.archive.Files[i]
}

// expect compares a section with what came, or rewrites it. A section that must be there is added.
func (tr *transcript) expect(name, got string, must bool) {
	tr.t.Helper()
	got = strings.TrimRight(got, "\n") + "\n\n"
	f := tr.file(name)
	if f == nil {
		if !must {
			return
		}
		at := slices.IndexFunc(tr.archive.Files, func(f txtar.File) bool { return f.Name == strings.Replace(name, "response", "request", 1) })
		tr.archive.Files = slices.Insert(tr.archive.Files, at+1, txtar.File{Name: name})
		f = tr.file(name)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		f.Data = []byte(got)
		return
	}
	if want := string(f.Data); strings.TrimSpace(want) != strings.TrimSpace(got) {
		tr.t.Errorf("%s differs\n%s", name, difference(want, got))
	}
}

// difference shows two texts from the first line on in which they differ.
func difference(want, got string) string {
	w, g := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1, strings.Join(w[i:], "\n"), strings.Join(g[i:], "\n"))
}

// send sends one request, and returns the whole answer as it came and as it is printed.
func (tr *transcript) send(text string) (raw, printed string) {
	tr.t.Helper()
	r := tr.request(text)
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var end string
	if err != nil {
		end = "\n(the connection broke)\n"
	}
	if !regexp.MustCompile(`^[0-9a-f-]{16,}$`).MatchString(resp.Header.Get("X-Fairlead-Call-Id")) {
		tr.t.Errorf("the answer has no call id: %q", resp.Header.Get("X-Fairlead-Call-Id"))
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s\n", resp.StatusCode, resp.Header.Get("Content-Type"))
	for _, name := range tr.show.response {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	out.WriteString("\n")
	switch {
	case tr.show.raw["response"]:
		out.Write(body)
	case strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"):
		out.WriteString(printStream(body))
	default:
		out.WriteString(printJSON(body))
	}
	head := new(bytes.Buffer)
	_ = resp.Header.Write(head)
	return head.String() + string(body), tr.stable(out.String()) + end
}

// request reads a request as HTTP text. The key and the content type are added unless a line names them; an empty value
// leaves them out.
func (tr *transcript) request(text string) *http.Request {
	tr.t.Helper()
	head, body, _ := strings.Cut(tr.fill(text), "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	method, path, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
	if !ok {
		tr.t.Fatalf("not a request line: %q", lines.Text())
	}
	r, err := http.NewRequestWithContext(tr.t.Context(), method, tr.gateway.URL+path, strings.NewReader(strings.TrimRight(body, "\n")))
	if err != nil {
		tr.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+gatewayKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimSpace(value); {
		case value == "":
			r.Header.Del(name)
		case strings.EqualFold(name, "host"):
			r.Host = value
		default:
			r.Header.Set(name, value)
		}
	}
	return r
}

// fill puts addresses and keys for their names.
func (tr *transcript) fill(text string) string {
	pairs := []string{"{{model}}", tr.model.URL(), "{{model root}}", strings.TrimSuffix(tr.model.URL(), "/v1"), "{{dead}}", "http://" + tr.dead, "{{key}}", gatewayKey, "{{upstream key}}", upstreamKey}
	if tr.gateway != nil {
		pairs = append(pairs, "{{gateway}}", tr.gateway.URL)
	}
	for _, s := range tr.servers {
		pairs = append(pairs, "{{server "+s.name+"}}", s.url)
	}
	for _, a := range tr.apis {
		pairs = append(pairs, "{{api "+a.name+"}}", a.url)
	}
	for _, d := range tr.documents {
		pairs = append(pairs, "{{document "+d[0]+"}}", d[1])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

var volatile = []struct {
	re   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"duration_ms": ?\d+`), `"duration_ms":N`},
	{regexp.MustCompile(`chatcmpl-mock-[0-9a-f-]+`), `chatcmpl-mock-N`},
	{regexp.MustCompile(`"call_[0-9a-f-]{20,}"`), `"call_N"`},
	{regexp.MustCompile(`"created": ?17[5-9]\d{7}|"created": ?1[89]\d{8}`), `"created":NOW`},
}

// stable puts names for what differs from run to run.
func (tr *transcript) stable(text string) string {
	for _, v := range volatile {
		text = v.re.ReplaceAllString(text, v.with)
	}
	return strings.ReplaceAll(text, strings.TrimPrefix(tr.gateway.URL, "http://"), "{{gateway}}")
}

// checkLeaks refuses answers that tell a secret or where upstreams are.
func (tr *transcript) checkLeaks(raw string) {
	tr.t.Helper()
	secrets := []string{gatewayKey, upstreamKey, strings.TrimPrefix(strings.TrimSuffix(tr.model.URL(), "/v1"), "http://"), tr.dead, "/secret/place"}
	for _, s := range tr.servers {
		if u := strings.TrimPrefix(s.url, "http://"); u != "" && !tr.show.external[s.name] {
			secrets = append(secrets, strings.TrimSuffix(u, "/mcp"))
		}
	}
	for _, a := range tr.apis {
		secrets = append(secrets, strings.TrimPrefix(a.url, "http://"))
	}
	for _, d := range tr.documents {
		secrets = append(secrets, d[1])
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(raw, s) {
			tr.t.Errorf("the answer tells %q:\n%s", s, raw)
		}
	}
}

// checkKeyStayed looks for the gateway's key in everything that the upstreams have seen.
func (tr *transcript) checkKeyStayed() {
	tr.t.Helper()
	for _, r := range tr.model.Requests() {
		if seen := fmt.Sprint(r.Path, r.Header, string(r.Raw)); strings.Contains(seen, gatewayKey) {
			tr.t.Errorf("the model saw the gateway's key: %s", seen)
		}
	}
	for _, s := range tr.servers {
		for _, r := range s.requests(tr.t) {
			if seen := fmt.Sprint(r.Header, string(r.Params)); strings.Contains(seen, gatewayKey) {
				tr.t.Errorf("the server %s saw the gateway's key: %s", s.name, seen)
			}
		}
	}
	for _, a := range tr.apis {
		if seen := strings.Join(a.asked(), "\n"); strings.Contains(seen, gatewayKey) {
			tr.t.Errorf("the API %s saw the gateway's key: %s", a.name, seen)
		}
	}
	if strings.Contains(tr.gateway.Log(), gatewayKey) || strings.Contains(tr.gateway.Log(), upstreamKey) {
		tr.t.Error("the log tells a secret")
	}
}
