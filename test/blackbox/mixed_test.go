package blackbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestOneTurnOfThreeKinds has the model call, in one turn, a tool that runs by itself, two that wait for the client's word, and one
// of the client's own. The client lets one run and the other not, and answers its own; the model then sees what came of all
// four. It is the same over every wire.
func TestOneTurnOfThreeKinds(t *testing.T) {
	t.Parallel()
	const given = "-- server s --\n" + `{"tools":[{"name":"free","do":"echo"},{"name":"dear","do":"echo"}]}`
	tools := `"tools":[{"type":"mcp","server_label":"s","server_url":"fairlead/mcp/s","require_approval":{"never":{"tool_names":["free"]}}},` +
		`{"type":"function","name":"mine","parameters":{"type":"object"},"strict":false}]`
	for _, model := range []string{"m", "r", "a"} {
		for _, store := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, kept %v", model, store), func(t *testing.T) {
				t.Parallel()
				tr := build(t, threeWires+"store: "+t.TempDir()+"/fairlead.db\n"+given, func(tr *transcript) {
					tr.rule = play(
						providertest.Text("All of them.").Then(providertest.Call("c1", "s-free", `{"n":1}`), providertest.Call("c2", "s-dear", `{"n":2}`),
							providertest.Call("c3", "mine", `{"n":3}`), providertest.Call("c4", "s-dear", `{"n":4}`)),
						providertest.Text("Done."))
				})
				base := tools + fmt.Sprintf(`,"store":%v,"parallel_tool_calls":true`, store)
				first := tr.responses(strings.Replace(response(base, userItem), `"m"`, `"`+model+`"`, 1)).fine()
				ran, asked, own := first.items("mcp_call"), first.items("mcp_approval_request"), first.items("function_call")
				if len(ran) != 1 || len(asked) != 2 || len(own) != 1 || member(t, ran[0], "output") != `{"n":1}` || member(t, own[0], "call_id") != "c3" {
					t.Fatalf("the first reply is %s", first.text)
				}
				items := []string{
					word(member(t, asked[0], "id"), true), `{"type":"function_call_output","call_id":"c3","output":"three"}`, word(member(t, asked[1], "id"), false),
				}
				if store {
					base += `,"previous_response_id":"` + first.get("id") + `"`
				} else {
					said := []string{userItem}
					for _, it := range first.items("") {
						said = append(said, string(it))
					}
					items = append(said, items...)
				}
				second := tr.responses(strings.Replace(response(base, items...), `"m"`, `"`+model+`"`, 1)).fine()
				if ran := second.items("mcp_call"); len(ran) != 1 || member(t, ran[0], "output") != `{"n":2}` || !strings.Contains(second.text, "Done.") {
					t.Errorf("the second reply is %s", second.text)
				}
				m := tr.model.Request(2)
				var results []string
				for _, v := range m.Results() {
					results = append(results, strings.SplitAfterN(v, "call", 2)[0])
				}
				slices.Sort(results)
				want := []string{"Error: the user did not allow this call", "three", `{"n":1}`, `{"n":2}`}
				if !slices.Equal(results, want) {
					t.Errorf("the model has the results %q, want %q: %s", results, want, m.Raw)
				}
				if n := tr.server("s").count(t, "tools/call"); n != 2 {
					t.Errorf("%d calls ran", n)
				}
			})
		}
	}
}
