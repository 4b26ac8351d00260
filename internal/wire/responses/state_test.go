package responses

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/llm/llmtest"
)

const entry = `"tools":[{"type":"mcp","server_label":"a","server_url":"fairlead/mcp/x"}]`

// session is a gateway's state for one principal.
type session struct {
	door      Door
	replies   *kept
	approvals *llmtest.Approvals
}

func newSession() *session {
	return &session{testDoor(), &kept{}, &llmtest.Approvals{}}
}

// read reads a request as plan does.
func (s *session) read(t *testing.T, body string, cross bool) (*llm.Request, error) {
	t.Helper()
	req := asked(t, `{"model":"m",`+body+`,`+entry+`}`)
	req.Replies, req.Approvals = s.replies, s.approvals
	if cross {
		return req, s.door.DecodeAll(t.Context(), req)
	}
	return req, s.door.Decode(t.Context(), req)
}

// reply writes a scripted reply, and returns the response.
func (s *session) reply(t *testing.T, req *llm.Request, events string) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	sc := script{tools: []llm.Tool{{Label: "a", Server: "x", Tool: "set", Name: "x-set"}}}
	if err := s.door.WriteReply(w, req, sc.reply(t, events)); err != nil {
		t.Fatal(err)
	}
	return w.Body.Bytes()
}

func idOf(t *testing.T, doc []byte) string {
	t.Helper()
	id, ok := jsonedit.Unquote(jsonedit.Get(doc, "id"))
	if !ok {
		t.Fatalf("no id in %s", doc)
	}
	return id
}

// ask has the model ask whether a call may run, and returns the response.
func (s *session) ask(t *testing.T) []byte {
	t.Helper()
	req, err := s.read(t, `"input":"go"`, true)
	if err != nil {
		t.Fatal(err)
	}
	p := llm.Pending{ID: "mcpr_fl_q", Label: "a", Server: "x", Tool: "set", Call: llm.Call{ID: "call_a", Name: "x-set", Arguments: `{"to":1}`}}
	if err := s.approvals.Ask(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return s.reply(t, req, "tools\nstart\nthink \"May I?\"\nourcall 0 call_a x-set {\"to\":1}\nasked mcpr_fl_q x-set {\"to\":1}\nend stop 1 1")
}

// TestApprovalShapes answers a question in the four ways that clients have.
func TestApprovalShapes(t *testing.T) {
	const yes = `{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q","approve":true,"reason":"fine"}`
	for _, tt := range []struct {
		name, input, param string
		messages           []llm.Message
	}{
		{"previous_response_id", `"previous_response_id":"PREV","input":[` + yes + `]`, "input[0]", []llm.Message{{Role: llm.User, Text: "go"}}},
		{"full replay", `"input":[{"role":"user","content":"go"},{"type":"mcp_list_tools","id":"mcpl_fl_z","server_label":"a","tools":[]},{"type":"reasoning","id":"rs_fl_z","summary":[{"type":"summary_text","text":"May I?"}]},{"type":"mcp_approval_request","id":"mcpr_fl_q","server_label":"a","name":"set","arguments":"{ \"to\": 1 }"},` + yes + `]`, "input[4]", []llm.Message{{Role: llm.User, Text: "go"}}},
		{"references", `"input":[{"role":"user","content":"go"},{"type":"item_reference","id":"RS"},{"type":"item_reference","id":"mcpr_fl_q"},` + yes + `]`, "input[3]", []llm.Message{{Role: llm.User, Text: "go"}}},
		{"alone", `"store":false,"input":[{"role":"user","content":"go"},` + yes + `]`, "input[1]", []llm.Message{{Role: llm.User, Text: "go"}}},
	} {
		for _, cross := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				s := newSession()
				first := s.ask(t)
				rs := ""
				for it := range jsonedit.Elements(jsonedit.Get(first, "output")) {
					if id := idOf(t, it); strings.HasPrefix(id, "rs_") {
						rs = id
					}
				}
				req, err := s.read(t, strings.NewReplacer("PREV", idOf(t, first), "RS", rs).Replace(tt.input), cross)
				if err != nil {
					t.Fatal(err)
				}
				want := []llm.Answer{{Param: tt.param, Approve: true, Reason: "fine", Pending: llm.Pending{ID: "mcpr_fl_q", Label: "a", Server: "x", Tool: "set", Call: llm.Call{ID: "call_a", Name: "x-set", Arguments: `{"to":1}`}}}}
				if diff := cmp.Diff(want, req.Answers); diff != "" {
					t.Error(diff)
				}
				if !req.Local {
					t.Error("the request could be relayed")
				}
				if cross {
					if diff := cmp.Diff(tt.messages, req.Messages); diff != "" {
						t.Error(diff)
					}
				}
				if body := string(req.Raw.Bytes); strings.Contains(body, "_fl_") || strings.Contains(body, "mcp_approval") {
					t.Errorf("a provider would see %s", body)
				}
			})
		}
	}
}

func TestApprovalIsRefused(t *testing.T) {
	const request = `{"type":"mcp_approval_request","id":"mcpr_fl_q","server_label":"a","name":"set","arguments":"{\"to\":1}"}`
	answer := func(id string) string {
		return `{"type":"mcp_approval_response","approval_request_id":"` + id + `","approve":true}`
	}
	for _, tt := range []struct{ name, input, param, says string }{
		{"unknown", answer("mcpr_fl_other"), "input[0].approval_request_id", "not found"},
		{"a provider's", answer("mcpr_1"), "input[0].approval_request_id", "not found"},
		{"twice", answer("mcpr_fl_q") + `,` + answer("mcpr_fl_q"), "input[1].approval_request_id", "twice"},
		{"without a word", `{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q"}`, "input[0].approve", "true or false"},
		{"other arguments", strings.Replace(request, `:1`, `:2`, 1) + `,` + answer("mcpr_fl_q"), "input[0].arguments", "asked for"},
		{"another tool", strings.Replace(request, `"set"`, `"drop"`, 1) + `,` + answer("mcpr_fl_q"), "input[0].name", "asked for"},
		{"another server", strings.Replace(request, `"a"`, `"b"`, 1) + `,` + answer("mcpr_fl_q"), "input[0].server_label", "asked for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSession()
			s.ask(t)
			_, err := s.read(t, `"input":[`+tt.input+`]`, true)
			if e := fault.From(err); err == nil || e.Kind != fault.Invalid || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
				t.Errorf("%v (%s)", err, e.Param)
			}
		})
	}
}

// TestAnswerIsUsedUp sends an answer again, in the place where it was live and later in the conversation.
func TestAnswerIsUsedUp(t *testing.T) {
	s := newSession()
	first := idOf(t, s.ask(t))
	const yes = `{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q","approve":true}`
	req, err := s.read(t, `"previous_response_id":"`+first+`","input":[`+yes+`]`, true)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := s.approvals.Claim(t.Context(), "mcpr_fl_q"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	second := s.reply(t, req, "tools\napproved mcpr_fl_q call_a x-set {\"to\":1}\nresult call_a \"done\"\nstart\ntext \"Set.\"\nend stop 1 1")
	if strings.Contains(string(jsonedit.Get(second, "output")), "mcp_list_tools") {
		t.Errorf("the tools are listed again: %s", second)
	}
	if _, err := s.read(t, `"previous_response_id":"`+first+`","input":[`+yes+`]`, true); err == nil {
		t.Error("the answer counts twice")
	}
	req, err = s.read(t, `"previous_response_id":"`+idOf(t, second)+`","input":"and?"`, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(req.Messages) != 5 || len(req.Answers) != 0 {
		t.Fatalf("messages %+v, answers %+v", req.Messages, req.Answers)
	}
	call := req.Messages[1].Calls[0]
	if call.Label != "a" || call.Tool != "set" || req.Messages[2].Result.Text != "done" || req.Messages[3].Text != "Set." || req.Messages[4].Text != "and?" {
		t.Errorf("messages %+v", req.Messages)
	}
}

// TestWhatIsKept compares what a reply leaves behind.
func TestWhatIsKept(t *testing.T) {
	s := newSession()
	req, err := s.read(t, `"input":[{"role":"user","content":"go"},{"type":"message","id":"msg_7","role":"user","content":"on"}]`, false)
	if err != nil {
		t.Fatal(err)
	}
	body := s.reply(t, req, "start\ntext \"Done.\"\nend stop 1 1")
	req, err = s.read(t, `"input":"more","previous_response_id":"`+idOf(t, body)+`"`, false)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m","input":[{"type":"message","role":"user","content":"go"},{"type":"message","id":"msg_7","role":"user","content":"on"},{"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Done."}]},{"type":"message","role":"user","content":"more"}],` + entry + `}`
	if got := string(req.Raw.Bytes); got != want {
		t.Errorf("a provider is sent\n%s\nwant\n%s", got, want)
	}
	next := s.reply(t, req, "start\ntext \"More.\"\nend stop 1 1")
	if got := string(jsonedit.Get(next, "previous_response_id")); got != `"`+idOf(t, body)+`"` {
		t.Errorf("previous_response_id is %s", got)
	}
	if len(s.replies.replies) != 2 {
		t.Fatalf("%d replies are kept", len(s.replies.replies))
	}
	for i, r := range s.replies.replies {
		if r.Status != "completed" || r.Model != "gpt-x" || string(r.Items) != string(jsonedit.Get(r.Body, "output")) {
			t.Errorf("kept %+v", r)
		}
		want := []string{`[{"id":"msg_fl_3","type":"message","role":"user","content":"go"},{"type":"message","id":"msg_7","role":"user","content":"on"}]`, `[{"id":"msg_fl_6","type":"message","role":"user","content":"more"}]`}[i]
		if string(r.Input) != want || r.Previous != []string{"", idOf(t, body)}[i] {
			t.Errorf("input %s, previous %q", r.Input, r.Previous)
		}
	}
	if string(s.replies.replies[0].Body) != string(body) {
		t.Errorf("kept %s, shown %s", s.replies.replies[0].Body, body)
	}
}

func TestStatesOfADetachedReply(t *testing.T) {
	for _, tt := range []struct{ events, want string }{
		{"start\ntext \"a\"\nend stop 1 1", "queued in_progress completed"},
		{"start\ntext \"a\"\nend length 1 1", "queued in_progress incomplete"},
		{"error refused no", "queued in_progress failed"},
		{"start\nerror canceled by the client", "queued in_progress cancelled"},
	} {
		for _, stream := range []bool{true, false} {
			s := newSession()
			req, err := s.read(t, `"input":"go","background":true`, true)
			if err != nil {
				t.Fatal(err)
			}
			req.Stream = stream
			s.reply(t, req, tt.events)
			var states []string
			for _, r := range s.replies.replies {
				states = append(states, r.Status)
			}
			if got := strings.Join(states, " "); got != tt.want {
				t.Errorf("%s: %s", tt.events, got)
			}
		}
	}
}

// TestDetachedReplyThatCannotBeKept is refused before the model is asked.
func TestDetachedReplyThatCannotBeKept(t *testing.T) {
	s := newSession()
	req, err := s.read(t, `"input":"go","background":true`, true)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(func(llm.Event, error) bool) { t.Error("the model is asked") }
	s.replies.err = errors.New("disk full")
	w := httptest.NewRecorder()
	if err := s.door.WriteReply(w, req, ask); fault.KindOf(err) != fault.Unavailable || w.Body.Len() > 0 {
		t.Errorf("a store that fails: %v, wrote %s", err, w.Body)
	}
	req.Replies = nil
	if err := s.door.WriteReply(w, req, ask); fault.From(err).Param != "background" || w.Body.Len() > 0 {
		t.Errorf("no store: %v, wrote %s", err, w.Body)
	}
}

// TestReplyToARequestThatWasNotDecoded is kept with what its body says.
func TestReplyToARequestThatWasNotDecoded(t *testing.T) {
	s := newSession()
	req := asked(t, `{"model":"m","input":"hi","mock_response":"x"}`)
	req.Replies = s.replies
	s.reply(t, req, "start\ntext \"x\"\nend stop 1 1")
	if got := string(s.replies.replies[0].Input); got != `[{"id":"msg_fl_3","type":"message","role":"user","content":"hi"}]` {
		t.Errorf("input %s", got)
	}
}

// TestReplyOfAClientThatLeft is kept as cancelled once the client has seen its id.
func TestReplyOfAClientThatLeft(t *testing.T) {
	s := newSession()
	req, err := s.read(t, `"input":"go"`, true)
	if err != nil {
		t.Fatal(err)
	}
	req.Stream = true
	s.reply(t, req, "start\ntext \"a\"\nerror canceled gone")
	if len(s.replies.replies) != 1 || s.replies.replies[0].Status != "cancelled" || !strings.Contains(string(s.replies.replies[0].Items), `"text":"a"`) {
		t.Errorf("kept %+v", s.replies.replies)
	}
}

func TestReferencesThatFail(t *testing.T) {
	s := newSession()
	s.replies.replies = []llm.Reply{{ID: "resp_fl_run", Status: "in_progress"}, {ID: "resp_fl_cut", Status: "completed", Previous: "resp_fl_gone"}}
	for _, tt := range []struct{ body, code, param string }{
		{`"input":"x","previous_response_id":"resp_fl_none"`, "previous_response_not_found", "previous_response_id"},
		{`"input":"x","previous_response_id":"resp_fl_cut"`, "previous_response_not_found", "previous_response_id"},
		{`"input":"x","previous_response_id":"resp_fl_run"`, "invalid_value", "previous_response_id"},
		{`"input":[{"type":"item_reference","id":"msg_fl_none"}]`, "invalid_value", "input[0].id"},
	} {
		for _, cross := range []bool{false, true} {
			_, err := s.read(t, tt.body, cross)
			if e := fault.From(err); err == nil || e.HTTPStatus() != 400 || e.Code != tt.code || e.Param != tt.param {
				t.Errorf("%s: %v", tt.body, err)
			}
		}
	}
	s.replies.err = errors.New("disk full")
	if _, err := s.read(t, `"input":"x","previous_response_id":"resp_fl_cut"`, true); !errors.Is(err, s.replies.err) {
		t.Errorf("a store that fails: %v", err)
	}
}

// TestItemsOfTheChain refuses an item that the earlier response has already.
func TestItemsOfTheChain(t *testing.T) {
	s := newSession()
	first := idOf(t, s.ask(t))
	_, err := s.read(t, `"previous_response_id":"`+first+`","input":[{"type":"mcp_approval_request","id":"mcpr_fl_q","server_label":"a","name":"set","arguments":"{\"to\":1}"},{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q","approve":true}]`, true)
	if e := fault.From(err); e.Param != "input" || e.Message != "Duplicate item found with id mcpr_fl_q. Remove duplicate items from your input and try again." {
		t.Errorf("%v", err)
	}
}

// TestProvidersOwnMCP leaves alone what is between the client and a provider that serves MCP servers itself.
func TestProvidersOwnMCP(t *testing.T) {
	const body = `{"model":"m","tools":[{"type":"mcp","server_label":"g","connector_id":"connector_gmail"},{"type":"mcp","server_label":"a","server_url":"fairlead"}],"input":[{"type":"mcp_list_tools","id":"mcpl_1","server_label":"g","tools":[]},{"type":"mcp_approval_request","id":"mcpr_1","server_label":"g","name":"n","arguments":"{}"},{"type":"mcp_approval_response","approval_request_id":"mcpr_1","approve":true}]}`
	req := asked(t, body)
	if err := (Door{}).Decode(t.Context(), req); err != nil || string(req.Raw.Bytes) != body || len(req.Answers) > 0 {
		t.Errorf("%v, body %s", err, req.Raw.Bytes)
	}
}

// FuzzDecode reads what clients may send: nothing panics, what is refused is refused as the client's, and members that nobody
// knows survive the edits.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","input":"hi","x":{"y":[1.0]}}`,
		`{"model":"m","previous_response_id":"resp_fl_1","input":[{"type":"mcp_approval_response","approval_request_id":"mcpr_fl_q","approve":true}],"z":1e3}`,
		`{"model":"m","background":true,"input":[{"type":"item_reference","id":"msg_fl_2"},{"id":"rs_fl_3","type":"reasoning","summary":[]}],"tools":[{"type":"mcp","server_label":"a","server_url":"fairlead"},{"type":"namespace","name":"n","tools":[{"type":"custom","name":"c"}]}]}`,
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"}]},{"type":"mcp_call","id":"mcp_fl_1","error":{"content":[{"text":"x"}]}}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]}}`,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, cross bool) {
		req, err := Door{}.ReadRequest(nil, body)
		if err == nil {
			req.Approvals = &llmtest.Approvals{}
			_ = req.Approvals.Ask(t.Context(), llm.Pending{ID: "mcpr_fl_q", Label: "a", Tool: "t"})
			req.Replies = &kept{replies: []llm.Reply{{ID: "resp_fl_1", Status: "completed", Input: []byte(`[{"id":"msg_fl_2","type":"message","role":"user","content":"hi"}]`), Items: []byte(`[{"id":"mcpr_fl_q","type":"mcp_approval_request","server_label":"a","name":"t","arguments":"{}"}]`)}}}
			if err = (Door{}).Decode(t.Context(), req); err == nil && cross {
				err = Door{}.DecodeAll(t.Context(), req)
			}
		}
		if err != nil {
			if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Message == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		var before, after map[string]any
		if json.Unmarshal(body, &before) != nil {
			return // members of the same name: the strict reader takes none of them
		}
		if err := json.Unmarshal(req.Raw.Bytes, &after); err != nil {
			t.Fatalf("%v in %s", err, req.Raw.Bytes)
		}
		for _, known := range []string{"input", "previous_response_id", "background"} {
			delete(before, known)
			delete(after, known)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatal(diff)
		}
		w := httptest.NewRecorder()
		var s script
		if err := (Door{}).WriteReply(w, req, s.reply(t, "start\ntext \"a\"\nend stop 1 1")); err != nil {
			t.Fatal(err)
		}
	})
}
