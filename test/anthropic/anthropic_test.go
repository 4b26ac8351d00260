// Package anthropic reads the gateway's messages with Anthropic's own Go SDK, in both majors that are in use. They differ
// in how they show their key and in the version of the API that they name.
package anthropic

import (
	"os"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

func TestMain(m *testing.M) {
	mcptest.Main() // does not return in a child
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

const toolset = "mcp-client-2025-11-20"

var scripts = map[string][]scripted.Turn{
	"rounds": {
		{Text: "First I look.", Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{"x":1}`}}},
		{Calls: []scripted.Call{{Name: "tools-echo", Arguments: `{"x":2}`}, {Name: "tools-echo", Arguments: `{"x":3}`}}},
		{Text: "That is all."},
	},
	"client": {
		{Text: "We ask.", Calls: []scripted.Call{{Name: "of_the_client", Arguments: `{"y":2}`}}},
		{Text: "The client said {result}"},
	},
}

// read is a message as an SDK has put it together.
type read struct {
	text   string
	blocks []string
	inputs []string // of mcp_tool_use blocks, as JSON
	stop   string
	input  int64
	output int64
}

// client is one major of the SDK. rounds asks for the script of this name with an MCP server, client for its first turn
// with a tool of the client and then for the second with its answer.
type client interface {
	rounds(t *testing.T, stream bool) read
	client(t *testing.T) (first, second read)
}

// sdks runs f with each major of the SDK against a gateway with the scripted model and one MCP server. f is told how many
// times the model has been asked so far.
func sdks(t *testing.T, f func(t *testing.T, c client, asked func() int)) {
	model := scripted.Start(t, scripts)
	g := gateway.Start(t, gateway.Config(model.URL(),
		gateway.Scripted("tools", mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})))
	for name, open := range map[string]func(url, key string) client{"v1": openV1, "v2": openV2} {
		t.Run(name, func(t *testing.T) {
			before := len(model.Requests())
			f(t, open(g.URL, gateway.Key), func() int { return len(model.Requests()) - before })
		})
	}
}

func TestMCP(t *testing.T) {
	sdks(t, func(t *testing.T, c client, asked func() int) {
		for _, stream := range []bool{true, false} {
			before := asked()
			r := c.rounds(t, stream)
			if r.text != "First I look.That is all." || r.stop != "end_turn" {
				t.Errorf("stream %v: text %q, stop_reason %q", stream, r.text, r.stop)
			}
			blocks := []string{
				"text", "mcp_tool_use", "mcp_tool_result",
				"mcp_tool_use", "mcp_tool_use", "mcp_tool_result", "mcp_tool_result", "text",
			}
			if !slices.Equal(r.blocks, blocks) {
				t.Errorf("stream %v: blocks %q, want %q", stream, r.blocks, blocks)
			}
			if want := []string{`{"x":1}`, `{"x":2}`, `{"x":3}`}; !slices.Equal(r.inputs, want) {
				t.Errorf("stream %v: inputs %q, want %q", stream, r.inputs, want)
			}
			if r.input != 3*scripted.TurnInput || r.output != 3*scripted.TurnOutput {
				t.Errorf("stream %v: usage %d/%d, want three turns", stream, r.input, r.output)
			}
			if n := asked() - before; n != 3 {
				t.Errorf("stream %v: the model was asked %d times, want 3", stream, n)
			}
		}
	})
}

func TestToolOfTheClient(t *testing.T) {
	sdks(t, func(t *testing.T, c client, asked func() int) {
		first, second := c.client(t)
		if first.stop != "tool_use" || !slices.Equal(first.blocks, []string{"text", "tool_use"}) {
			t.Errorf("first: stop_reason %q, blocks %q", first.stop, first.blocks)
		}
		if second.text != "The client said hello" || second.stop != "end_turn" {
			t.Errorf("second: text %q, stop_reason %q", second.text, second.stop)
		}
		if asked() != 2 {
			t.Errorf("the model was asked %d times, want 2", asked())
		}
	})
}
