//go:build real

package real

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// seen is the line that a client script prints.
type seen struct {
	Text        string         `json:"text"`
	Role        string         `json:"role"`
	Finish      string         `json:"finish"`
	Usage       map[string]int `json:"usage"`
	ToolCalls   int            `json:"toolCalls"`
	Steps       int            `json:"steps"`
	Items       []string       `json:"items"` // types of items, blocks or parts, as the client names them
	Calls       []call         `json:"calls"` // that the gateway has run and the client shows
	Asked       int            `json:"asked"` // calls that the client was asked about
	ContentDone []string       `json:"contentDone"`
	Fields      []string       `json:"fields"`
	Results     []result       `json:"results"`
	Requests    int            `json:"requests"`
	Errors      []string       `json:"errors"`
}

// call is a call of a tool as a client shows it; not every client shows all of it.
type call struct {
	Server    string `json:"server"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
	Output    string `json:"output"`
}

var clientScripts = map[string][]scripted.Turn{
	"two-rounds": {
		{Text: "First I add.", Calls: []scripted.Call{{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`}}},
		{Text: "Then I echo.", Calls: []scripted.Call{
			{Name: "everything-echo", Arguments: `{"message":"one"}`},
			{Name: "everything-echo", Arguments: `{"message":"two"}`},
		}},
		{Text: "That is all."},
	},
	"mixed": {
		{Text: "We share.", Calls: []scripted.Call{
			{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`},
			{Name: "client_side", Arguments: `{}`},
		}},
		{Text: "Done {result}."},
	},
	"asked": {
		{Calls: []scripted.Call{{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`}}},
		{Text: "Told: {result}"},
	},
	"shared": {
		{Text: "I add.", Calls: []scripted.Call{{Name: "everything-get-sum", Arguments: `{"a":2,"b":3}`}}},
		{Text: "We share.", Calls: []scripted.Call{
			{Name: "everything-echo", Arguments: `{"message":"one"}`},
			{Name: "client_side", Arguments: `{}`},
		}},
		{Text: "Told: {result}"},
	},
	"client": {
		{Text: "We ask.", Calls: []scripted.Call{{Name: "client_side", Arguments: `{}`}}},
		{Text: "Done {result}."},
	},
}

// TestClients lets real clients accumulate a stream of three turns, two of them with tool calls that the gateway runs, in
// each way that tool rounds can show.
func TestClients(t *testing.T) {
	model := scripted.Start(t, clientScripts)
	g, _ := house(t, model.URL())
	const text = "First I add.\n\nThen I echo.\n\nThat is all."

	python := installed("venv", "bin", "python")
	for _, c := range []struct {
		name   string
		cmd    []string
		fields bool // the client keeps the gateway's fields
	}{
		{"openai stream", node("openai-stream.mjs"), true},
		{"openai runTools", node("openai-runtools.mjs"), false},
		{"ai openai", node("ai-sdk.mjs", "openai"), false},
		{"ai openai-compatible", node("ai-sdk.mjs", "compatible"), false},
		{"langchain", node("langchain.mjs"), false},
		{"openai-python stream", []string{python, "openai_stream.py"}, true},
	} {
		for _, mode := range []string{"standard", "hidden", "annotated"} {
			t.Run(c.name+" "+mode, func(t *testing.T) {
				if _, err := os.Stat(c.cmd[0]); err != nil {
					t.Skip("needs python3 with venv; CI has it")
				}
				before := len(model.Requests())
				s := runClient(t, c.cmd, "BASE_URL="+g.URL+"/v1", "MODEL=two-rounds", "STREAM_MODE="+mode)
				s.want(t, text)
				if c.fields && mode != "hidden" && (len(s.Results) != 3 || s.Results[2].Round != 2 || !strings.Contains(s.Results[2].Result, "two")) {
					t.Errorf("mcp_call_results: %+v (fields %q)", s.Results, s.Fields)
				}
				if mode == "hidden" && len(s.Fields) > 0 {
					t.Errorf("fields %q", s.Fields)
				}
				if asked := len(model.Requests()) - before; asked != 3 {
					t.Errorf("the model was asked %d times, want 3", asked)
				}
			})
		}
	}
}

// want checks one request that came to an end with text, after three turns, and with nothing of the gateway's calls in it.
func (s seen) want(t *testing.T, text string) {
	t.Helper()
	if len(s.Errors) > 0 || s.Requests != 1 {
		t.Fatalf("%d requests, errors %q", s.Requests, s.Errors)
	}
	if s.Text != text || s.Finish != "stop" || s.ToolCalls != 0 || s.Steps > 1 {
		t.Errorf("text %q, finish %q, %d tool calls, %d steps; want %q, stop, none", s.Text, s.Finish, s.ToolCalls, s.Steps, text)
	}
	if s.Usage["input"] != 3*scripted.TurnInput || s.Usage["output"] != 3*scripted.TurnOutput {
		t.Errorf("usage %v, want three turns of %d/%d", s.Usage, scripted.TurnInput, scripted.TurnOutput)
	}
	if s.ContentDone != nil && !slices.Equal(s.ContentDone, []string{text}) {
		t.Errorf("content.done came with %q", s.ContentDone)
	}
	if s.Role != "" && s.Role != "assistant" {
		t.Errorf("role %q", s.Role)
	}
}

// TestMixedTurn has runTools answer its own half of a turn whose other half the gateway has run.
func TestMixedTurn(t *testing.T) {
	model := scripted.Start(t, clientScripts)
	g, _ := house(t, model.URL())
	s := runClient(t, node("openai-runtools.mjs"), "BASE_URL="+g.URL+"/v1", "MODEL=mixed", "STREAM_MODE=standard")
	if len(s.Errors) > 0 || s.Requests != 2 || s.ToolCalls != 1 {
		t.Fatalf("%d requests, %d calls of the client's tool, errors %q; want 2, 1, none", s.Requests, s.ToolCalls, s.Errors)
	}
	if s.Text != "Done by the client." || s.Finish != "stop" {
		t.Errorf("text %q, finish %q", s.Text, s.Finish)
	}
	results := model.Requests()[1].Results()
	if len(results) != 2 {
		t.Errorf("the model was told %q, want the gateway's result and the client's", results)
	}
}

// node runs one of clients/ and keeps it on this machine.
func node(script string, args ...string) []string {
	return append([]string{installed("node", "node"), "--require", here("loopback.cjs"), script}, args...)
}

// runClient runs one of clients/ beside the installed packages, where its imports look.
func runClient(t *testing.T, cmd []string, env ...string) seen {
	t.Helper()
	if err := os.RemoveAll(installed("clients")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(installed("clients"), os.DirFS(here("clients"))); err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), cmd[0], cmd[1:]...)
	run.Dir = installed("clients")
	run.Env = append(os.Environ(), "API_KEY="+gateway.Key, "MCP_SERVERS=everything", "PROMPT=Do what the script says.", "NO_PROXY=127.0.0.1,localhost")
	run.Env = append(run.Env, env...)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd[1:], err, stderr.String())
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, stderr.String())
	}
	return s
}
