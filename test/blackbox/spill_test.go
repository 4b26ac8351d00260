package blackbox

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// longText is 4,000 bytes, with a word in the middle.
var longText = strings.Repeat("0123456789", 200) + " needle " + strings.Repeat("9876543210", 199) + "the end"

var spillGiven = threeWires[:strings.Index(threeWires, "limits:")] + `limits: {result_bytes: 1000B, long_results: spill}
keys:
  - {name: dev, key: "{{key}}", mcp_servers: ["*"]}
  - {name: other, key: sk-other-canary, mcp_servers: ["*"]}
  - {name: cut, key: sk-cut-canary, mcp_servers: ["*"], long_results: cut}
-- server web --
{"tools":[{"name":"fetch","text":"` + longText + `"}]}
`

var readOn = regexp.MustCompile(`read_result \{"id":"(res_[A-Z2-7]+)","offset":(\d+)\}`)

// spillHouse has a model that fetches, reads on where it was cut, looks for the needle, and says what it has found.
func spillHouse(t *testing.T) (tr *transcript, id *string) {
	t.Helper()
	id = new(string)
	return build(t, spillGiven, func(tr *transcript) {
		tr.rule = func(r *providertest.Request) providertest.Step {
			last := r.Last()
			switch m := readOn.FindStringSubmatch(last.Text); {
			case m != nil:
				*id = m[1]
				return providertest.Call("call_2", "read_result", fmt.Sprintf(`{"id":%q,"offset":%s}`, m[1], m[2])).
					Then(providertest.Call("call_3", "read_result", fmt.Sprintf(`{"id":%q,"pattern":"needle"}`, m[1]))).
					Then(providertest.Call("call_4", "read_result", fmt.Sprintf(`{"id":%q,"offset":3990}`, m[1])))
			case last.Role == "tool":
				return providertest.Text("It ends with: " + last.Text)
			}
			return providertest.Call("call_1", "web-fetch", `{}`)
		}
	}), id
}

// TestSpill: in every dialect, towards every wire, a long result is cut with a word on how to read on, and the model reads on.
func TestSpill(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"m", "r", "a"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			tr, id := spillHouse(t)
			asks := map[string]func(stream string) string{
				"chat": func(stream string) string {
					_, text := tr.post(`{"model":"` + model + `","stream":` + stream + `,"messages":[{"role":"user","content":"Go."}],"tools":[{"type":"mcp","server_url":"fairlead/mcp/web","require_approval":"never"}]}`)
					return text
				},
				"responses": func(stream string) string {
					return tr.responses(`{"model":"` + model + `","stream":` + stream + `,"input":"Go.","tools":[{"type":"mcp","server_label":"web","server_url":"fairlead/mcp/web","require_approval":"never"}]}`).fine().text
				},
				"messages": func(stream string) string {
					body := strings.ReplaceAll(message(`,"stream":`+stream+`,`+serverS+`,"tools":[`+toolsetS+`]`), "fairlead/mcp/s", "fairlead/mcp/web")
					return tr.messages(strings.Replace(body, `"m"`, `"`+model+`"`, 1), connector).fine().text
				},
			}
			for dialect, ask := range asks {
				for _, stream := range []string{"false", "true"} {
					text := ask(stream)
					for _, want := range []string{"bytes 1000 to 2000 of ", "the end of ", "needle", "lines found: 1", *id} {
						if !strings.Contains(text, want) {
							t.Errorf("%s, stream %s: no %q in %s", dialect, stream, want, text)
						}
					}
				}
			}
			for i, r := range tr.model.Requests() {
				if names := fmt.Sprint(r.ToolNames()); names != "[web-fetch read_result]" {
					t.Errorf("request %d offers %s", i+1, names)
				}
			}
		})
	}
}

// TestSpillIsThePrincipals: another key's id is like one that never was, in the loop and at /mcp; a key whose results are cut is
// offered nothing.
func TestSpillIsThePrincipals(t *testing.T) {
	t.Parallel()
	tr, id := spillHouse(t)
	tr.want(http.StatusOK, `{"model":"m","messages":[{"role":"user","content":"Go."}],"tools":[{"type":"mcp","server_url":"fairlead","require_approval":"never"}]}`, "needle")
	each(t, func(t *testing.T, revision string) {
		read := func(key, id string) (string, bool) {
			res, err := connect(t, key, tr.gateway.URL+"/mcp/web", revision, nil).CallTool(t.Context(), &mcp.CallToolParams{Name: "read_result", Arguments: map[string]any{"id": id, "offset": 2000, "limit": 8}})
			if err != nil {
				t.Fatal(err)
			}
			return textOf(res), res.IsError
		}
		if text, failed := read(gatewayKey, *id); failed || !strings.HasPrefix(text, " needle ") {
			t.Errorf("its own: %s", text)
		}
		unknown, failed := read("sk-other-canary", "res_NONE")
		foreign, alike := read("sk-other-canary", *id)
		if !failed || !alike || strings.ReplaceAll(foreign, *id, "res_NONE") != unknown {
			t.Errorf("another's: %s, and one that never was: %s", foreign, unknown)
		}
		s := connect(t, gatewayKey, tr.gateway.URL+"/mcp", revision, nil)
		if names := fmt.Sprint(toolNames(t, s)); names != "[web-fetch read_result]" {
			t.Errorf("it lists %s", names)
		}
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "web-fetch"})
		if err != nil {
			t.Fatal(err)
		}
		m := readOn.FindStringSubmatch(textOf(res))
		if m == nil || m[2] != "1000" || !strings.HasPrefix(textOf(res), longText[:1000]+"\n") {
			t.Fatalf("the result is %s", textOf(res))
		}
		if text, failed := read(gatewayKey, m[1]); failed || !strings.HasPrefix(text, " needle ") {
			t.Errorf("of a client's call: %s", text)
		}
		cut := connect(t, "sk-cut-canary", tr.gateway.URL+"/mcp", revision, nil)
		if names := fmt.Sprint(toolNames(t, cut)); names != "[web-fetch]" {
			t.Errorf("a key whose results are cut has %s", names)
		}
		if res, err := cut.CallTool(t.Context(), &mcp.CallToolParams{Name: "web-fetch"}); err != nil || textOf(res) != longText {
			t.Errorf("its client gets %v, %v", res, err)
		}
	})
	if status, text := tr.post(`{"model":"m","messages":[{"role":"user","content":"Go."}],"tools":[{"type":"mcp","server_url":"fairlead","require_approval":"never"}]}`, "Authorization: Bearer sk-cut-canary"); status != http.StatusOK || !strings.Contains(text, "[cut: this is the first 1000 of") || strings.Contains(text, "read_result") {
		t.Errorf("in the loop it gets %s", text)
	}
}
