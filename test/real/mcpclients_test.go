//go:build real

package real

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// stand is a gateway with one MCP server, and what counts the requests on either side of it.
type stand struct {
	url   string
	seen  *visits // what came to the gateway
	model *providertest.Server
}

func newStand(t *testing.T) *stand {
	t.Helper()
	model := scripted.Start(t, clientScripts)
	g := gateway.Start(t, gateway.Config(model.URL(), stdio("everything", "everything", "stdio")))
	url, seen := counted(t, g)
	return &stand{url, seen, model}
}

// run runs a client with a script. It holds that the client has seen no error, has sent this many requests, and that the
// model was asked this often.
func (s *stand) run(t *testing.T, script string, cmd []string, requests, asked int) seen {
	t.Helper()
	before := len(s.model.Requests())
	s.seen.take()
	client := runClient(t, cmd, "BASE_URL="+s.url+"/v1", "MODEL="+script, "STREAM_MODE=standard")
	if len(client.Errors) > 0 {
		t.Fatalf("errors %q", client.Errors)
	}
	if came := s.seen.take(); client.Requests != requests || len(came) != requests {
		t.Errorf("the client sent %d requests and %q came; want %d", client.Requests, came, requests)
	}
	if got := len(s.model.Requests()) - before; got != asked {
		t.Errorf("the model was asked %d times, want %d", got, asked)
	}
	return client
}

// wantCalls checks the calls that the client shows, as name/arguments/output; parts that it does not show are not looked at.
func (s seen) wantCalls(t *testing.T, want ...call) {
	t.Helper()
	if len(s.Calls) != len(want) {
		t.Fatalf("%d calls, want %d: %+v", len(s.Calls), len(want), s.Calls)
	}
	for i, c := range s.Calls {
		w := want[i]
		if c.Name != w.Name || c.Server != "" && c.Server != "tools" || c.Arguments != "" && c.Arguments != w.Arguments || !strings.Contains(c.Output, w.Output) {
			t.Errorf("call %d: %+v, want %+v", i, c, w)
		}
	}
}

var (
	sum = call{Name: "get-sum", Arguments: `{"a":2,"b":3}`, Output: "5"}
	one = call{Name: "echo", Arguments: `{"message":"one"}`, Output: "one"}
	two = call{Name: "echo", Arguments: `{"message":"two"}`, Output: "two"}
)

// What clients show of the script "two-rounds". The second turn has two calls: an item has its call's result with it, and of
// blocks the calls come first.
var (
	items     = []string{"mcp_list_tools", "message", "mcp_call", "message", "mcp_call", "mcp_call", "message"}
	aiParts   = []string{"text", "tool-call", "tool-result", "text", "tool-call", "tool-result", "tool-call", "tool-result", "text"}
	textParts = []string{"text", "text", "text"}
	blocks    = []string{"text", "mcp_tool_use", "mcp_tool_result", "text", "mcp_tool_use", "mcp_tool_use", "mcp_tool_result", "mcp_tool_result", "text"}
	aiBlocks  = []string{"text", "tool-call", "tool-result", "text", "tool-call", "tool-call", "tool-result", "tool-result", "text"}
)

// TestMCPClients has clients of the two dialects that know MCP tools read a reply with two rounds of calls: one request
// each, the whole text, every call with its result, and nothing that the client would answer itself.
func TestMCPClients(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		cmd    []string
		finish string
		input  int // tokens; the output is always that of all turns
		items  []string
		silent bool // shows no calls
		last   bool // shows the text of the last turn alone
	}{
		{cmd: node("openai-responses.mjs", "stream"), finish: "completed", input: scripted.TurnInput, items: items},
		{cmd: node("openai-responses.mjs", "create"), finish: "completed", input: scripted.TurnInput, items: items},
		{cmd: node("openai-agents.mjs", "never", "stream"), input: scripted.TurnInput, items: items, last: true},
		{cmd: node("openai-agents.mjs", "never", "plain"), input: scripted.TurnInput, items: items, last: true},
		{cmd: node("ai-sdk-mcp.mjs", "responses", "stream"), finish: "stop", input: scripted.TurnInput, items: aiParts},
		{cmd: node("ai-sdk-mcp.mjs", "responses", "text"), finish: "stop", input: scripted.TurnInput, items: aiParts},
		{cmd: node("ai-sdk-mcp.mjs", "open-responses", "stream"), finish: "stop", input: scripted.TurnInput, items: textParts, silent: true},
		{cmd: node("ai-sdk-mcp.mjs", "open-responses", "text"), finish: "stop", input: scripted.TurnInput, items: textParts, silent: true},
		{cmd: node("langchain-mcp.mjs", "openai"), finish: "completed", input: scripted.TurnInput},
		{cmd: node("langchain-mcp.mjs", "openai-invoke"), finish: "completed", input: scripted.TurnInput},
		{cmd: node("langchain-mcp.mjs", "langgraph"), finish: "completed", input: scripted.TurnInput},
		{cmd: node("anthropic.mjs", "stream"), finish: "end_turn", input: 3 * scripted.TurnInput, items: blocks},
		{cmd: node("anthropic.mjs", "beta-stream"), finish: "end_turn", input: 3 * scripted.TurnInput, items: blocks},
		{cmd: node("anthropic.mjs", "create"), finish: "end_turn", input: 3 * scripted.TurnInput, items: blocks},
		{cmd: node("ai-sdk-mcp.mjs", "anthropic", "stream"), finish: "stop", input: 3 * scripted.TurnInput},
		{cmd: node("ai-sdk-mcp.mjs", "anthropic", "text"), finish: "stop", input: 3 * scripted.TurnInput, items: aiBlocks},
		// Streamed, LangChain keeps text alone and takes the usage of the stream's start, also from Anthropic itself.
		{cmd: node("langchain-mcp.mjs", "anthropic"), finish: "end_turn", silent: true},
		{cmd: node("langchain-mcp.mjs", "anthropic-invoke"), finish: "end_turn", input: 3 * scripted.TurnInput, items: blocks},
	} {
		t.Run(strings.Join(c.cmd[3:], " "), func(t *testing.T) {
			got := s.run(t, "two-rounds", c.cmd, 1, 3)
			want := "First I add.Then I echo.That is all."
			if c.last {
				want = "That is all."
			}
			if got.Text != want {
				t.Errorf("text %q, want %q", got.Text, want)
			}
			if got.Finish != c.finish || got.ToolCalls != 0 || got.Steps > 1 {
				t.Errorf("finish %q, %d tool calls, %d steps; want %q, none", got.Finish, got.ToolCalls, got.Steps, c.finish)
			}
			if c.items != nil && !slices.Equal(got.Items, c.items) {
				t.Errorf("items %q, want %q", got.Items, c.items)
			}
			if c.input != 0 && (got.Usage["input"] != c.input || got.Usage["output"] != 3*scripted.TurnOutput) {
				t.Errorf("usage %v, want %d/%d", got.Usage, c.input, 3*scripted.TurnOutput)
			}
			if !c.silent {
				got.wantCalls(t, sum, one, two)
			}
		})
	}
}

// TestApprovals has clients ask their user about a call and go on with the answer, each in the way that it has of its own:
// by previous_response_id, with a replay of everything, with references to items, and with the answer alone.
func TestApprovals(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		cmd    []string
		denied bool
	}{
		{cmd: node("openai-responses.mjs", "approve")},
		{cmd: node("openai-responses.mjs", "approve-stream")},
		{cmd: node("openai-responses.mjs", "deny"), denied: true},
		{cmd: node("openai-agents.mjs", "always", "stream")},
		{cmd: node("openai-agents.mjs", "always", "plain")},
		{cmd: node("ai-sdk-mcp.mjs", "approval", "store")},
		{cmd: node("ai-sdk-mcp.mjs", "approval", "store-stream")},
		{cmd: node("ai-sdk-mcp.mjs", "approval", "nostore")},
	} {
		t.Run(strings.Join(c.cmd[3:], " "), func(t *testing.T) {
			got := s.run(t, "asked", c.cmd, 2, 2)
			if got.Asked != 1 {
				t.Errorf("asked %d times, want once", got.Asked)
			}
			if c.denied {
				got.wantCalls(t)
				if !strings.HasPrefix(got.Text, "Told: ") || strings.Contains(got.Text, "5") {
					t.Errorf("text %q, want what the model was told of the refusal", got.Text)
				}
				return
			}
			got.wantCalls(t, sum)
			if got.Text != "Told: The sum of 2 and 3 is 5." {
				t.Errorf("text %q", got.Text)
			}
		})
	}
}

// TestToolRunner has Anthropic's tool runner answer a tool of the client. It begins with a thread, which is refused so
// that it goes on without.
func TestToolRunner(t *testing.T) {
	s := newStand(t)
	got := s.run(t, "client", node("anthropic.mjs", "runner"), 3, 2)
	if got.Text != "Done by the client." || got.Finish != "end_turn" || got.ToolCalls != 1 {
		t.Errorf("text %q, finish %q, %d calls of the client's tool", got.Text, got.Finish, got.ToolCalls)
	}
}

// TestSharedTurns has clients with a tool of their own read a reply in which the model calls the gateway's, and then one of
// the gateway's and the client's in one turn. They run their own alone; the model is told all three results.
func TestSharedTurns(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		cmd      []string
		requests int
	}{
		{node("openai-responses.mjs", "shared"), 2},
		{node("openai-responses.mjs", "shared-nostore"), 2},
		{node("openai-agents.mjs", "never", "plain", "shared"), 2},
		{node("openai-agents.mjs", "never", "stream", "shared"), 2},
		{node("ai-sdk-mcp.mjs", "responses", "text", "store"), 2},
		{node("ai-sdk-mcp.mjs", "responses", "stream", "nostore"), 2},
		{node("ai-sdk-mcp.mjs", "anthropic", "text", "store"), 2},
		{node("ai-sdk-mcp.mjs", "anthropic", "stream", "store"), 2},
		{node("langchain-mcp.mjs", "langgraph-shared"), 2},
		{node("anthropic.mjs", "runner-shared"), 3}, // the first is refused: it wants a thread
	} {
		t.Run(strings.Join(c.cmd[3:], " "), func(t *testing.T) {
			got := s.run(t, "shared", c.cmd, c.requests, 3)
			if !strings.Contains(got.Text, "Told: ") || got.ToolCalls != 1 {
				t.Errorf("text %q, %d calls of the client's tool", got.Text, got.ToolCalls)
			}
			all := s.model.Requests()
			told := fmt.Sprint(all[len(all)-1].Results())
			for _, want := range []string{"The sum of 2 and 3 is 5.", "Echo: one", "by the client"} {
				if !strings.Contains(told, want) {
					t.Errorf("the model was told %s, want %q in it", told, want)
				}
			}
		})
	}
}
