package responses

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// TestSentBack looks for the client's calls whose hidden turns the client has not sent back itself, since the last message of
// somebody else than the model.
func TestSentBack(t *testing.T) {
	const (
		user = `{"role":"user","content":"hi"}`
		text = `{"type":"message","role":"assistant","content":"Wait."}`
		ours = `{"type":"mcp_call","id":"mcp_fl_1","server_label":"a","name":"set","arguments":"{}","output":"5"}`
		own  = `{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"a","output":"done"}`
		own2 = `{"type":"function_call","call_id":"b","name":"f","arguments":"{}"}`
	)
	for name, tt := range map[string]struct {
		input string
		want  []string
	}{
		"nothing":                  {user + "," + text + "," + own + "," + own2, nil},
		"before":                   {user + "," + ours + "," + text + "," + own + "," + own2, []string{"a", "b"}},
		"behind":                   {user + "," + own + "," + ours + "," + own2, []string{"a", "b"}},
		"in an earlier reply":      {user + "," + ours + "," + own + "," + user + "," + own2, []string{"a"}},
		"in a later reply":         {user + "," + own + "," + user + "," + ours + "," + own2, []string{"b"}},
		"a call of the provider's": {user + "," + strings.Replace(ours, "_fl_", "_", 1) + "," + own, nil},
	} {
		t.Run(name, func(t *testing.T) {
			const connector = `{"type":"mcp","server_label":"c","connector_id":"connector_gmail"}`
			req := asked(t, `{"model":"m","tools":[`+connector+`],"input":[`+tt.input+`]}`)
			if err := (Door{}).Decode(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, req.Params.SentBack); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCallsWithoutResults gives a call of the gateway's that comes back without what came of it the result that was kept.
func TestCallsWithoutResults(t *testing.T) {
	s := newSession()
	req, err := s.read(t, `"input":"hi"`, true)
	if err != nil {
		t.Fatal(err)
	}
	doc := s.reply(t, req, "tools\nstart\nstarted call_1 x-set {\"to\":1}\nresult call_1 \"5\"\nstart\ntext \"Done.\"\nend stop 1 1")
	ran := ""
	for it := range jsonedit.Elements(jsonedit.Get(doc, "output")) {
		if s := newSaid(it, ""); s.kind == kindMCPCall {
			ran = s.id
		}
	}
	for id, want := range map[string]string{ran: "5", ran + "0": "Error: the call broke off"} {
		const rest = `"server_label":"a","name":"set","arguments":"{\"to\":1}","status":"completed","error":null}`
		next, err := s.read(t, `"input":[{"role":"user","content":"hi"},{"type":"mcp_call","id":"`+id+`",`+rest+`,{"role":"user","content":"more"}]`, true)
		if err != nil {
			t.Fatal(err)
		}
		if m := next.Messages; len(m) != 4 || m[2].Result == nil || m[2].Result.Text != want {
			t.Errorf("%s: %+v", id, m)
		}
	}
}

// TestHiddenApproval: where calls are hidden, one that the client has let run is known to have run later on.
func TestHiddenApproval(t *testing.T) {
	s := newSession()
	asks := s.ask(t)
	const yes = `"input":[{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q","approve":true}]`
	req, err := s.read(t, `"previous_response_id":"`+idOf(t, asks)+`",`+yes, true)
	if err != nil {
		t.Fatal(err)
	}
	req.Show = llm.ShowHidden
	ran := s.reply(t, req, "tool a x set x-set\ntools\napproved mcpr_fl_q call_a x-set {\"to\":1}\nresult call_a \"5\"\nstart\nourcall 0 call_b x-set {}\nturn tool_calls 1 1\nstarted call_b x-set {}\nresult call_b \"6\"\nstart\ntext \"Set.\"\nend stop 1 1")
	if n := bytes.Count(ran, []byte(`"type":"mcp_call"`)); n != 1 || bytes.Contains(ran, []byte("mcp_list_tools")) {
		t.Errorf("shown are %s", ran)
	}
	next, err := s.read(t, `"previous_response_id":"`+idOf(t, ran)+`","input":"and now?"`, true)
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	for _, m := range next.Messages {
		if m.Result != nil {
			results = append(results, m.Result.Text)
		}
	}
	if diff := cmp.Diff([]string{"5"}, results); diff != "" {
		t.Errorf("the model is told: %s", diff)
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
		user    = `{"role":"user","content":"hi"}`
		before  = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello."}]},{"role":"user","content":"go"}`
		text    = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Wait."}]}`
		own     = `{"type":"function_call","call_id":"own","name":"mine","arguments":"{}"}`
		second  = `{"type":"function_call","call_id":"own_2","name":"mine","arguments":"{}"}`
		answer  = `{"type":"function_call_output","call_id":"own","output":"done"},{"type":"function_call_output","call_id":"own_2","output":"done"}`
		ran     = `{"type":"mcp_call","id":"mcp_fl_1","server_label":"files","name":"read","arguments":"{}","output":"5"}`
		ranSent = `{"type":"function_call","call_id":"mcp_fl_1","name":"files-read","arguments":"{}"},{"type":"function_call_output","call_id":"mcp_fl_1","output":"5"}`
		state   = `,"store":false,"include":["reasoning.encrypted_content"]`
	)
	kept := round()
	kept[0].Calls = append(kept[0].Calls, llm.Call{ID: "own", Name: "mine", Arguments: "{}"}, llm.Call{ID: "own_2", Name: "mine", Arguments: "{}"})
	back := roundSent[:len(roundSent)-len(results)] + own + "," + second + "," + results
	for name, tt := range map[string]struct{ input, want string }{
		"with its text":    {user + "," + text + "," + own + "," + second + "," + answer, user + "," + back + "," + answer},
		"alone":            {user + "," + own + "," + second + "," + answer, user + "," + back + "," + answer},
		"after another":    {user + "," + before + "," + text + "," + own + "," + second + "," + answer, user + "," + before + "," + back + "," + answer},
		"sent back":        {user + "," + text + "," + ran + "," + text + "," + own + "," + second + "," + answer, user + "," + text + "," + ranSent + "," + back + "," + answer},
		"first":            {own + "," + second + "," + answer, back + "," + answer},
		"with other calls": {user + "," + text + "," + `{"type":"function_call","call_id":"x","name":"mine","arguments":"{}"}`, user + "," + text + "," + `{"type":"function_call","call_id":"x","name":"mine","arguments":"{}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			req := posed(t, `{"model":"m","input":[`+tt.input+`]}`)
			req.Restored = []llm.Kept{{IDs: []string{"own", "own_2"}, Messages: kept}}
			more := ""
			if req.Local { // what the gateway has made stands in it
				more = state
			}
			if got, want := sent(t, wire.Quirks{}, req), `{"model":"m","input":[`+tt.want+`]`+more+`}`; got != want {
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
