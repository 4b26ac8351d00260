package responses

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// TestShows shows the gateway's calls to clients that have named its servers and want to see them.
func TestShows(t *testing.T) {
	const named = `,"tools":[{"type":"mcp","server_label":"files","server_url":"litellm_proxy/mcp/fs"}]`
	for _, tt := range []struct {
		tools string
		show  llm.Show
		want  bool
	}{
		{named, llm.ShowStandard, true},
		{named, llm.ShowHidden, false},
		{"", llm.ShowStandard, false},
	} {
		req := asked(t, `{"model":"m","input":"hi"`+tt.tools+`}`)
		req.Show = tt.show
		if err := (Door{}).Decode(t.Context(), req); err != nil || req.Params.Shows != tt.want {
			t.Errorf("%q, %v: shows %v, %v; want %v", tt.tools, tt.show, req.Params.Shows, err, tt.want)
		}
	}
}

// TestPastCalls reads the calls of an earlier turn as they were kept: for another wire under the names of the functions that
// the client's tools were offered as.
func TestPastCalls(t *testing.T) {
	const body = `{"model":"m","tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]},{"type":"function","name":"f"},{"type":"custom","name":"free"}],"input":[` +
		`{"type":"function_call","call_id":"a","namespace":"n","name":"f","arguments":"{}"},{"type":"function_call","call_id":"b","name":"f","arguments":"{}"},` +
		`{"type":"custom_tool_call","call_id":"c","name":"free","input":"a \"b\""}]}`
	same := asked(t, body)
	if err := (Door{}).Decode(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	want := []llm.Call{{ID: "a", Name: "f", Arguments: "{}"}, {ID: "b", Name: "f", Arguments: "{}"}, {ID: "c", Name: "free", Arguments: `a "b"`}}
	if diff := cmp.Diff(want, same.Params.PastCalls); diff != "" {
		t.Error(diff)
	}
	other := all(t, body)
	var calls []llm.Call
	for _, m := range other.Messages {
		calls = append(calls, m.Calls...)
	}
	if diff := cmp.Diff(calls, other.Params.PastCalls); diff != "" {
		t.Error(diff)
	}
}

// TestHiddenTurnsComeBack puts a hidden turn in the place of what the client has seen of it, before the client's own answer.
func TestHiddenTurnsComeBack(t *testing.T) {
	const (
		user   = `{"role":"user","content":"hi"}`
		before = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello."}]},{"role":"user","content":"go"}`
		text   = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Wait."}]}`
		own    = `{"type":"function_call","call_id":"own","name":"mine","arguments":"{}"}`
		second = `{"type":"function_call","call_id":"own_2","name":"mine","arguments":"{}"}`
		answer = `{"type":"function_call_output","call_id":"own","output":"done"},{"type":"function_call_output","call_id":"own_2","output":"done"}`
		state  = `,"store":false,"include":["reasoning.encrypted_content"]`
	)
	kept := round()
	kept[0].Calls = append(kept[0].Calls, llm.Call{ID: "own", Name: "mine", Arguments: "{}"}, llm.Call{ID: "own_2", Name: "mine", Arguments: "{}"})
	back := roundSent[:len(roundSent)-len(results)] + own + "," + second + "," + results
	for name, tt := range map[string]struct{ input, want string }{
		"with its text":    {user + "," + text + "," + own + "," + second + "," + answer, user + "," + back + "," + answer},
		"alone":            {user + "," + own + "," + second + "," + answer, user + "," + back + "," + answer},
		"after another":    {user + "," + before + "," + text + "," + own + "," + second + "," + answer, user + "," + before + "," + back + "," + answer},
		"first":            {own + "," + second + "," + answer, back + "," + answer},
		"with other calls": {user + "," + text + "," + `{"type":"function_call","call_id":"x","name":"mine","arguments":"{}"}`, user + "," + text + "," + `{"type":"function_call","call_id":"x","name":"mine","arguments":"{}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			req := posed(t, `{"model":"m","input":[`+tt.input+`]}`)
			req.Restored = []llm.Kept{{IDs: []string{"own", "own_2"}, Messages: kept}}
			if got, want := sent(t, wire.Quirks{}, req), `{"model":"m","input":[`+tt.want+`]}`; got != want {
				t.Errorf("relayed as\n%s\nwant\n%s", got, want)
			}
			req.MCP = []llm.MCPEntry{{Label: "files"}}
			if got, want := sent(t, wire.Quirks{}, req), `{"model":"m","input":[`+tt.want+`]`+state+`}`; got != want {
				t.Errorf("with tools sent as\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// results are the outputs in roundSent.
const results = `{"type":"function_call_output","call_id":"c1","output":"line\n\"2\""},` +
	`{"type":"function_call_output","call_id":"c1_2","output":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}`
