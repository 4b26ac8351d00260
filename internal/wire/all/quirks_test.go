package all_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/all"
)

// sent is what each wire sends for a conversation in which a tool with this name was called with these arguments.
func sent(t *testing.T, wireName, tool, args string) []byte {
	t.Helper()
	u, err := all.Upstream(wireName, wire.Quirks{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := u.AppendRequest(nil, &llm.Request{
		Model: "m", Params: llm.Params{MaxCalls: -1, MaxOutput: 100}, Messages: []llm.Message{{Role: llm.User, Text: "go"}},
		AddedTools: []llm.Tool{{Name: tool, Description: "d", Schema: []byte(`{"type":"object"}`)}},
		AddedMessages: []llm.Message{
			{Role: llm.Assistant, Calls: []llm.Call{{ID: "call_0123456789abcdef", Name: tool, Arguments: args}}},
			{Role: llm.ToolRole, Result: &llm.Result{CallID: "call_0123456789abcdef", Name: tool, Text: "done"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Arguments are a text of JSON on some wires and an object on others. On each they are the model's own bytes, numbers and all.
func TestArgumentStringAndObject(t *testing.T) {
	const args = `{"n":1.0,"big":12345678901234567890}`
	text, object := []byte(`"{\"n\":1.0,\"big\":12345678901234567890}"`), []byte(":"+args)
	for name, want := range map[string][]byte{
		"chat": text, "responses": text, "cohere": text,
		"messages": object, "gemini": object, "converse": object,
	} {
		t.Run(name, func(t *testing.T) {
			if body := sent(t, name, "f", args); !bytes.Contains(bytes.ReplaceAll(body, []byte(`": `), []byte(`":`)), want) {
				t.Errorf("the arguments are not %s in %s", want, body)
			}
		})
	}
}

// The longest names that tools are offered under, 64 characters, pass on every wire as they are.
func TestNamesOf64Characters(t *testing.T) {
	tool := strings.Repeat("long-name_", 6) + "1234"
	for _, name := range []string{"chat", "responses", "messages", "gemini", "converse", "cohere"} {
		t.Run(name, func(t *testing.T) {
			if n := bytes.Count(sent(t, name, tool, "{}"), []byte(`"`+tool+`"`)); n < 2 {
				t.Errorf("the name stands %d times, want it in the offer and in the call", n)
			}
		})
	}
}
