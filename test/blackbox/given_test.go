package blackbox

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// showing says what is printed.
type showing struct {
	response []string        // headers of answers
	model    []string        // headers of requests to the model
	server   []string        // headers of requests to servers
	raw      map[string]bool // "response", "model": bodies as they are
	external map[string]bool // servers whose address the client knows
	loose    bool            // the model takes what real ones refuse
}

// readShowing reads the section show: lines such as "model headers: traceparent", "raw: response model", "external: files",
// "loose".
func readShowing(t *testing.T, a *txtar.Archive) showing {
	t.Helper()
	s := showing{
		response: []string{"Retry-After", "X-Should-Retry", "Allow", "WWW-Authenticate", "X-Request-Id"},
		raw:      map[string]bool{}, external: map[string]bool{},
	}
	for _, f := range a.Files {
		if f.Name != "show" {
			continue
		}
		for line := range strings.Lines(string(f.Data)) {
			what, list, _ := strings.Cut(strings.TrimSpace(line), ":")
			words := strings.Fields(strings.ReplaceAll(list, ",", " "))
			switch what {
			case "response headers":
				s.response = append(s.response, words...)
			case "model headers":
				s.model = words
			case "server headers":
				s.server = words
			case "raw":
				for _, w := range words {
					s.raw[w] = true
				}
			case "external":
				for _, w := range words {
					s.external[w] = true
				}
			case "loose":
				s.loose = true
			case "":
			default:
				t.Fatalf("show: %q is not known", what)
			}
		}
	}
	return s
}

// server is a scripted MCP server.
type server struct {
	name   string
	given  given
	url    string
	record string // of a child
	inside *mcptest.Server
	http   *httptest.Server
}

// given is the section of a server.
type given struct {
	mcptest.Spec `json:",inline"`

	Transport string         `json:"transport,omitzero"`
	Config    jsontext.Value `json:"config,omitzero"` // further members of its config
	Hidden    bool           `json:"hidden,omitzero"` // not in the config
}

func (s *server) requests(t *testing.T) []mcptest.Request {
	t.Helper()
	if s.inside != nil {
		return s.inside.Requests()
	}
	all, err := mcptest.ReadRecord(s.record)
	if err != nil {
		t.Error(err)
	}
	return all
}

func (tr *transcript) startServers() {
	tr.t.Helper()
	for _, f := range tr.archive.Files {
		name, ok := strings.CutPrefix(f.Name, "server ")
		if !ok {
			continue
		}
		s := &server{name: name}
		if err := json.Unmarshal(f.Data, &s.given); err != nil {
			tr.t.Fatalf("server %s: %v", name, err)
		}
		tr.servers = append(tr.servers, s)
		switch s.given.Transport {
		case "", "stdio":
			s.record = filepath.Join(tr.t.TempDir(), "record")
			s.given.Record = s.record
		case "down":
			s.url = "http://" + tr.dead + "/mcp"
		default:
			for i, tool := range s.given.Tools {
				s.given.Tools[i].Func = tr.funcs[tool.Name]
			}
			s.inside = mcptest.New(s.given.Spec)
			h := s.inside.HTTP()
			if s.given.Transport == "sse" {
				h = s.inside.SSE()
			}
			if tr.wrap != nil {
				h = tr.wrap(name, h)
			}
			ts := httptest.NewServer(h)
			s.http = ts
			tr.t.Cleanup(func() { s.inside.Close(); ts.CloseClientConnections(); ts.Close() })
			s.url = ts.URL + "/mcp"
			if s.given.Transport == "sse" {
				s.url = ts.URL + "/sse"
			}
		}
	}
}

// config is the gateway's: the base, with the top-level keys of the section config in place of its own.
func (tr *transcript) config() string {
	tr.t.Helper()
	own := ""
	if f := tr.file("config"); f != nil {
		own = tr.fill(string(f.Data))
	}
	has := func(key string) bool { return regexp.MustCompile(`(?m)^` + key + `:`).MatchString(own) }
	if !has("models") {
		own += fmt.Sprintf("models:\n  - {name: m, provider: openai, model: m-1, base_url: %q, api_key: %q}\n", tr.model.URL(), upstreamKey)
	}
	if !has("keys") {
		own += fmt.Sprintf("keys:\n  - {name: dev, key: %q, mcp_servers: [\"*\"]}\n", gatewayKey)
	}
	if has("mcp_servers") {
		return own
	}
	lines := ""
	for _, s := range tr.servers {
		if !s.given.Hidden {
			lines += "  " + s.name + ": " + s.yaml(tr.t) + "\n"
		}
	}
	if lines != "" {
		own += "mcp_servers:\n" + lines
	}
	return own
}

func (s *server) yaml(t *testing.T) string {
	t.Helper()
	m := map[string]any{}
	if s.given.Config != nil {
		if err := json.Unmarshal(s.given.Config, &m); err != nil {
			t.Fatal(err)
		}
	}
	if s.url != "" {
		m["url"] = s.url
		if s.given.Transport == "sse" {
			m["transport"] = "sse"
		}
	} else {
		m["command"], m["env"] = s.given.Command()
	}
	text, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "${", "$${")
}

func (tr *transcript) startModel() {
	tr.t.Helper()
	var steps []providertest.Step
	if f := tr.file("model"); f != nil {
		var err error
		if steps, err = parseScript(string(f.Data)); err != nil {
			tr.t.Fatalf("model: %v", err)
		}
	}
	if tr.rule != nil {
		tr.model = providertest.NewRule(tr.t, tr.rule).RequireKey(upstreamKey)
		return
	}
	tr.steps = len(steps)
	tr.model = providertest.New(tr.t, steps...).RequireKey(upstreamKey)
	if tr.show.loose {
		tr.model.Loose()
	}
}

// parseScript reads the model's script. A line is one reply, of parts with " | " between them:
//
//	text "a" "b"            reasoning "a" "b"          call ID NAME ARGUMENTS
//	stop REASON             usage IN OUT [CACHED [REASONING]]
//	error STATUS CODE TEXT  header NAME VALUE          frame DATA
//	nofinish  nodone  crlf  stall  cut  reset  head
//
// "raw STATUS CONTENT-TYPE" takes the lines after it that begin with a tab as the whole reply, byte for byte.
func parseScript(text string) ([]providertest.Step, error) {
	var steps []providertest.Step
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "raw "); ok {
			var body []string
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
				i++
				body = append(body, lines[i][1:])
			}
			status, kind, _ := strings.Cut(rest, " ")
			code, err := strconv.Atoi(status)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			steps = append(steps, providertest.Reply(code, kind, strings.Join(body, "\n")))
			continue
		}
		step, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func parseStep(line string) (providertest.Step, error) {
	var s providertest.Step
	for part := range strings.SplitSeq(line, " | ") {
		word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
		var err error
		if s, err = parsePart(s, word, rest); err != nil {
			return s, err
		}
	}
	return s, nil
}

func parsePart(s providertest.Step, word, rest string) (providertest.Step, error) {
	f := strings.Fields(rest)
	switch word {
	case "text", "reasoning":
		pieces, err := quoted(rest)
		if word == "text" {
			return s.Then(providertest.Text(pieces...)), err
		}
		return s.Then(providertest.Reasoning(pieces...)), err
	case "call":
		if len(f) < 2 {
			return s, fmt.Errorf("a call has an id and a name")
		}
		args := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(rest, f[0])), f[1]))
		half := len(args) / 2
		return s.Then(providertest.Call(strings.Trim(f[0], `"`), f[1], args[:half], args[half:])), nil
	case "stop":
		return s.Stop(rest), nil
	case "usage":
		n := [4]int{}
		for i, w := range f[:min(4, len(f))] {
			n[i], _ = strconv.Atoi(w)
		}
		return s.Costs(providertest.Usage{Input: n[0], Output: n[1], Cached: n[2], Reasoning: n[3]}), nil
	case "error":
		status, _ := strconv.Atoi(f[0])
		return providertest.Error(status, f[1], strings.Join(f[2:], " ")), nil
	case "header":
		return s.Header(f[0], strings.Join(f[1:], " ")), nil
	case "frame":
		return s.Then(providertest.Frame(rest)), nil
	}
	return parseWord(s, word)
}

func parseWord(s providertest.Step, word string) (providertest.Step, error) {
	switch word {
	case "nofinish":
		return s.NoFinish(), nil
	case "nodone":
		return s.NoDone(), nil
	case "crlf":
		return s.CRLF(), nil
	case "stall":
		return s.Then(providertest.Stall()), nil
	case "cut":
		return s.Then(providertest.Cut()), nil
	case "reset":
		return s.Then(providertest.Reset()), nil
	case "head":
		return s.Then(providertest.Head()), nil
	}
	return s, fmt.Errorf("%q is no part of a reply", word)
}

// quoted reads strings in quotes.
func quoted(text string) ([]string, error) {
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		q, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, err
		}
		s, err := strconv.Unquote(q)
		if err != nil {
			return nil, err
		}
		out, text = append(out, s), text[len(q):]
	}
	return out, nil
}

// modelSaw prints the requests to the model.
func (tr *transcript) modelSaw() string {
	var out strings.Builder
	for _, r := range tr.model.Requests() {
		fmt.Fprintf(&out, "%d. POST %s\n", r.N, r.Path)
		for _, h := range tr.show.model {
			if v := r.Header.Get(h); v != "" {
				fmt.Fprintf(&out, "%s: %s\n", h, v)
			}
		}
		if tr.show.raw["model"] {
			out.Write(append(r.Raw, "\n\n"...))
			continue
		}
		out.WriteString(printJSON(r.Raw) + "\n\n")
	}
	return tr.stable(out.String())
}

// serverSaw prints the requests for tools that a server got: first what comes before calls, then the calls. Sessions are
// opened in the background, and calls of one turn come in any order, so that both lists are sorted.
func (tr *transcript) serverSaw(s *server) string {
	var before, calls []string
	for _, r := range s.requests(tr.t) {
		if !slices.Contains([]string{"initialize", "server/discover", "tools/list", "tools/call", "cancelled", "notifications/cancelled"}, r.Method) {
			continue
		}
		line := r.Method
		if r.Method == "tools/call" {
			var p struct {
				Name string         `json:"name"`
				Args jsontext.Value `json:"arguments"`
			}
			_ = json.Unmarshal(r.Params, &p)
			line += " " + p.Name + " " + string(p.Args)
		}
		for _, h := range tr.show.server {
			for name, v := range r.Header {
				if strings.EqualFold(name, h) {
					line += fmt.Sprintf("\n  %s: %s", h, strings.Join(v, ", "))
				}
			}
		}
		if r.Method == "tools/call" {
			calls = append(calls, line)
		} else {
			before = append(before, line)
		}
	}
	slices.Sort(before)
	slices.Sort(calls)
	return tr.stable(strings.Join(append(before, calls...), "\n"))
}
