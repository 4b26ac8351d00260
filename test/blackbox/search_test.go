package blackbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// field is a text of an item.
func field(item jsontext.Value, name string) string {
	s, _ := jsonedit.Unquote(jsonedit.Get(item, name))
	return s
}

// searchGiven is a key whose tools are found by a search.
const searchGiven = threeWires + `keys:
  - {name: dev, key: "{{key}}", mcp_servers: ["*"], tool_search: true}
-- server files --
{"tools":[
  {"raw":{"name":"read","description":"Reads a file.","inputSchema":{"type":"object"}},"do":"echo"},
  {"raw":{"name":"write","description":"Writes a file.","inputSchema":{"type":"object"}},"text":"written"}
]}
-- server docs --
{"tools":[{"raw":{"name":"read","description":"Reads a page.","inputSchema":{"type":"object"}},"text":"page 7"}]}
`

func through(id, name, args string) providertest.Step {
	return providertest.Call(id, "call_tool", `{"name":"`+name+`","arguments":`+args+`}`)
}

// searchOffered wants the model to have been offered the two tools alone, in each request.
func (tr *transcript) searchOffered() {
	tr.t.Helper()
	for i, r := range tr.model.Requests() {
		if names := r.ToolNames(); !slices.Equal(names, []string{"search_tools", "call_tool"}) {
			tr.t.Errorf("request %d offers %v", i+1, names)
		}
	}
}

// TestSearchOfResponses: what ran is an mcp_call of its server's label under its own name, towards every wire; where two tools
// of a label have one name, under the offered one.
func TestSearchOfResponses(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"m", "r", "a"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			tr := house(t, searchGiven, providertest.Call("call_1", "search_tools", `{"query":"reads"}`),
				through("call_2", "files-read", `{"n":1.0}`).Then(through("call_3", "files-write", `{}`)).Then(through("call_4", "docs-none", `{}`)), providertest.Text("Done."))
			for _, stream := range []string{"false", "true"} {
				body := `{"model":"` + model + `","input":"Go.","stream":` + stream + `,"tools":[{"type":"mcp","server_label":"all","server_url":"fairlead","require_approval":"never"}]}`
				if stream == "true" {
					tr = house(t, searchGiven, through("call_2", "docs-read", `{"n":1.0}`).Then(through("call_3", "files-write", `{}`)), providertest.Text("Done."))
					a, _ := tr.streamed(body)
					for _, want := range []string{`"name":"docs-read"`, `"name":"write"`, `page 7`, `"delta":"{\"n\":1.0}"`} {
						if !strings.Contains(a.text, want) {
							t.Errorf("the stream has no %s: %s", want, a.text)
						}
					}
					continue
				}
				a := tr.responses(body).fine()
				var got []string
				for _, call := range a.items("mcp_call") {
					got = append(got, field(call, "server_label")+" "+field(call, "name")+" "+field(call, "arguments")+" "+field(call, "status"))
				}
				if want := []string{
					`all search_tools {"query":"reads"} completed`, `all files-read {"n":1.0} completed`, `all write {} completed`,
					`all call_tool {"name":"docs-none","arguments":{}} failed`,
				}; !slices.Equal(got, want) {
					t.Errorf("it shows %q", got)
				}
				if last := tr.model.Request(3); strings.Count(string(last.Raw), "call_tool") < 4 || !strings.Contains(string(last.Raw), "written") {
					t.Errorf("the model saw %s", last.Raw)
				}
			}
			tr.searchOffered()
		})
	}
}

// TestSearchAndApproval: whether a call waits for the client is decided by the tool that is called. It is asked about by that
// tool's name, and runs when it was allowed.
func TestSearchAndApproval(t *testing.T) {
	t.Parallel()
	tr := house(t, searchGiven, through("call_1", "files-write", `{"path":"/a"}`).Then(through("call_2", "files-read", `{"path":"/b"}`)),
		providertest.Text("Done."))
	tools := `"tools":[{"type":"mcp","server_label":"f","server_url":"fairlead/mcp/files","require_approval":{"never":{"tool_names":["read"]}}}]`
	a := tr.responses(`{"model":"m","input":"Go.",` + tools + `}`).fine()
	if calls := a.items("mcp_call"); len(calls) != 1 || field(calls[0], "name") != "read" {
		t.Errorf("ran: %v", calls)
	}
	asks := a.items("mcp_approval_request")
	if len(asks) != 1 || field(asks[0], "name") != "write" || field(asks[0], "server_label") != "f" || field(asks[0], "arguments") != `{"path":"/a"}` {
		t.Fatalf("it asks %v", asks)
	}
	if n := tr.server("files").count(t, "tools/call"); n != 1 {
		t.Errorf("%d calls were made before the word", n)
	}
	a = tr.responses(`{"model":"m","previous_response_id":"` + a.get("id") + `","input":[` + word(field(asks[0], "id"), true) + `],` + tools + `}`).fine()
	if calls := a.items("mcp_call"); len(calls) != 1 || field(calls[0], "name") != "write" || field(calls[0], "output") != "written" || !strings.Contains(a.text, "Done.") {
		t.Errorf("after the word: %s", a.text)
	}
}

// TestSearchHandsOver: on chat, a call that waits for the client is handed over as a call of the tool that it means. The model is
// told of its own call when the client has answered.
func TestSearchHandsOver(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"false", "true"} {
		tr := house(t, searchGiven, providertest.Call("call_0", "search_tools", `{"query":"files"}`),
			providertest.Text("Well.").Then(through("call_1", "files-write", `{"path":"/a"}`)).Then(through("call_2", "files-read", `{"path":"/b"}`)), providertest.Text("Done."))
		tools := `"tools":[{"type":"mcp","server_label":"f","server_url":"fairlead/mcp/files","require_approval":{"never":{"tool_names":["read"]}}}]`
		_, text := tr.post(`{"model":"m","stream":` + stream + `,"messages":[{"role":"user","content":"Go."}],` + tools + `}`)
		for _, want := range []string{`"name":"files-write"`, `"arguments":"{\"path\":\"/a\"}"`, `"finish_reason":"tool_calls"`, `"display_name":"read"`, `"display_name":"search_tools"`} {
			if strings.Count(text, want) != 1 {
				t.Errorf("stream %s: %s is there %d times in %s", stream, want, strings.Count(text, want), text)
			}
		}
		if n := tr.server("files").count(t, "tools/call"); n != 1 {
			t.Errorf("%d calls were made, want the reader's alone", n)
		}
		tr.want(200, `{"model":"m","messages":[{"role":"user","content":"Go."},{"role":"assistant","content":"Well.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"files-write","arguments":"{\"path\":\"/a\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"by hand"}],`+tools+`}`, "Done.")
		seen := string(tr.model.Request(3).Raw)
		for _, want := range []string{`"name":"call_tool","arguments":"{\"name\":\"files-write\"`, `by hand`, `"name":"search_tools"`, `{\"path\":\"/b\"}`} {
			if !strings.Contains(seen, want) {
				t.Errorf("stream %s: the model saw no %s in %s", stream, want, seen)
			}
		}
	}
}

// TestSearchOfMessages: the blocks show the tools that ran by their servers' words, and come back as calls that may be made again.
func TestSearchOfMessages(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"m", "r", "a"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			tr := house(t, searchGiven, providertest.Call("call_1", "search_tools", `{"query":"reads"}`), through("call_2", "files-read", `{"n":1}`), providertest.Text("Done."), providertest.Text("More."))
			head := strings.Replace(`{"model":"m","max_tokens":100,"mcp_servers":[{"type":"url","url":"fairlead/mcp/files","name":"f"}],"tools":[{"type":"mcp_toolset","mcp_server_name":"f"}],"messages":[{"role":"user","content":"Go."}`, `"m"`, `"`+model+`"`, 1)
			a := tr.messages(head+`]}`, connector).fine()
			for _, want := range []string{`"type":"mcp_tool_use"`, `"name":"search_tools","server_name":"f"`, `"name":"read","server_name":"f","input":{"n":1}`, `Done.`} {
				if !strings.Contains(a.text, want) {
					t.Errorf("the answer has no %s: %s", want, a.text)
				}
			}
			tr.messages(head+`,{"role":"assistant","content":`+a.get("content")+`},{"role":"user","content":"More?"}]}`, connector).fine()
			seen := string(tr.model.Request(4).Raw)
			if !strings.Contains(seen, `"name":"files-read"`) || !strings.Contains(seen, `"name":"search_tools"`) {
				t.Errorf("going on, the model saw %s", seen)
			}
			tr.searchOffered()
		})
	}
}
