package blackbox

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// otherKey is the key of another principal.
const otherKey = "sk-gateway-other-77aa"

// keptHouse is a house whose state is kept in a file, with two principals. Its server s has the tool echo.
func keptHouse(t *testing.T, steps ...providertest.Step) *transcript {
	t.Helper()
	return build(t, fmt.Sprintf("-- config --\nstore: %s\nkeys:\n  - {name: dev, key: %q, mcp_servers: [\"*\"]}\n  - {name: eve, key: %q, mcp_servers: [\"*\"]}\n%s",
		filepath.Join(t.TempDir(), "fairlead.db"), gatewayKey, otherKey, oneTool), func(tr *transcript) { tr.rule = play(steps...) })
}

// TestApprovalShapes resumes a call that waits for the client's word in each of the forms in which clients do it. The gateway
// is restarted in between.
func TestApprovalShapes(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name  string
		first string // members of the first request
		next  func(tr *transcript, first *got, ask string) string
		kept  bool // the conversation that led there is the gateway's to know
	}{
		{"previous_response_id", entryOf("always"), func(_ *transcript, first *got, ask string) string {
			return response(entryOf("always")+`,"previous_response_id":"`+first.get("id")+`"`, word(ask, true))
		}, true},
		{"everything sent again", entryOf("always") + `,"store":false`, func(_ *transcript, first *got, ask string) string {
			items := []string{userItem}
			for _, it := range first.items("") {
				items = append(items, string(it))
			}
			return response(entryOf("always")+`,"store":false`, append(items, word(ask, true))...)
		}, false},
		{"item references", entryOf("always"), func(_ *transcript, _ *got, ask string) string {
			return response(entryOf("always"), userItem, `{"type":"item_reference","id":"`+ask+`"}`, word(ask, true))
		}, false},
		{"the answer alone", entryOf("always") + `,"store":false`, func(_ *transcript, _ *got, ask string) string {
			return response(entryOf("always")+`,"store":false`, userItem, word(ask, true))
		}, false},
	} {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			tr := keptHouse(t, providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("After."), providertest.Text("Twice?"))
			first := tr.responses(response(shape.first, userItem)).fine()
			asked := first.items("mcp_approval_request")
			if len(asked) != 1 || len(first.items("mcp_call")) != 0 || first.get("status") != "completed" {
				t.Fatalf("asked %s", first.text)
			}
			ask := member(t, asked[0], "id")
			if !regexp.MustCompile(`^mcpr_fl_[0-9a-f]+$`).MatchString(ask) || member(t, asked[0], "name") != "echo" || member(t, asked[0], "arguments") != `{"n":1}` || member(t, asked[0], "server_label") != "s" {
				t.Errorf("asked %s", asked[0])
			}
			tr.restart()
			next := shape.next(tr, first, ask)
			second := tr.responses(next).fine()
			ran := second.items("mcp_call")
			if len(ran) != 1 || member(t, ran[0], "output") != `{"n":1}` || member(t, ran[0], "approval_request_id") != ask || member(t, ran[0], "status") != "completed" {
				t.Fatalf("ran %s", second.text)
			}
			if len(second.items("message")) != 1 || !strings.Contains(second.text, "After.") {
				t.Errorf("the answer is %s", second.text)
			}
			m := tr.model.Request(2)
			if len(m.Messages) != 3 || m.Messages[0].Text != "Go." || len(m.Messages[1].Calls) != 1 || m.Messages[1].Calls[0].Name != "s-echo" || m.Last().Text != `{"n":1}` {
				t.Errorf("the model was asked %s", m.Raw)
			}
			// The word is good for one call.
			again := tr.responses(next)
			if again.status != http.StatusBadRequest || !strings.Contains(again.get("error.message"), ask) || again.get("error.param") == "" {
				t.Errorf("the same word once more: status %d: %s", again.status, again.text)
			}
			if n := tr.server("s").count(t, "tools/call"); n != 1 {
				t.Errorf("the tool ran %d times", n)
			}
		})
	}
}

// TestApprovalIsRefused: no call, and the model is told why.
func TestApprovalIsRefused(t *testing.T) {
	t.Parallel()
	tr := keptHouse(t, providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("A pity."))
	first := tr.responses(response(entryOf("always"), userItem)).fine()
	ask := member(t, first.items("mcp_approval_request")[0], "id")
	second := tr.responses(response(entryOf("always")+`,"previous_response_id":"`+first.get("id")+`"`,
		`{"type":"mcp_approval_response","approval_request_id":"`+ask+`","approve":false,"reason":"too dear"}`)).fine()
	if len(second.items("mcp_call")) != 0 || !strings.Contains(second.text, "A pity.") {
		t.Errorf("the answer is %s", second.text)
	}
	if m := tr.model.Request(2); !strings.Contains(m.Last().Text, "too dear") || tr.server("s").count(t, "tools/call") != 0 {
		t.Errorf("the model was asked %s", m.Raw)
	}
}

// TestApprovalIsOneCalls: the word of another principal, on another call, or on none at all lets nothing run, and tells
// nobody what there is.
func TestApprovalIsOneCalls(t *testing.T) {
	t.Parallel()
	tr := keptHouse(t, providertest.Call("call_1", "s-echo", `{"n":1}`), providertest.Text("After."))
	first := tr.responses(response(entryOf("always")+`,"store":false`, userItem)).fine()
	question := string(first.items("mcp_approval_request")[0])
	ask := member(t, first.items("mcp_approval_request")[0], "id")
	unknown := "mcpr_fl_" + strings.Repeat("0", 32)
	base := entryOf("always") + `,"store":false`

	foreign := tr.responses(response(base, userItem, word(ask, true)), "Authorization: Bearer "+otherKey)
	foreign.refused(http.StatusBadRequest, "invalid_value", "input[1].approval_request_id")
	nobody := tr.responses(response(base, userItem, word(unknown, true)))
	nobody.refused(http.StatusBadRequest, "invalid_value", "input[1].approval_request_id")
	if strings.ReplaceAll(foreign.text, ask, unknown) != nobody.text {
		t.Errorf("a foreign question can be told from an unknown one:\n%s\n%s", foreign.text, nobody.text)
	}
	for name, c := range map[string]struct{ item, param string }{
		"other arguments": {strings.Replace(question, `{\"n\":1}`, `{\"n\":2}`, 1), "input[1].arguments"},
		"another tool":    {strings.Replace(question, `"name":"echo"`, `"name":"hang"`, 1), "input[1].name"},
		"another server":  {strings.Replace(question, `"server_label":"s"`, `"server_label":"t"`, 1), "input[1].server_label"},
	} {
		if c.item == question {
			t.Fatalf("%s: nothing was changed in %s", name, question)
		}
		tr.responses(response(base, userItem, c.item, word(ask, true))).refused(http.StatusBadRequest, "invalid_value", c.param)
	}
	tr.responses(response(base, userItem, word(ask, true), word(ask, false))).refused(http.StatusBadRequest, "invalid_value", "input[2].approval_request_id")
	tr.responses(response(base, userItem, `{"type":"mcp_approval_response","approval_request_id":"`+ask+`"}`)).refused(http.StatusBadRequest, "invalid_value", "input[1].approve")
	// Without the server there is nobody to run the call.
	gone := tr.responses(response(`"store":false`, userItem, word(ask, true)))
	if gone.status != http.StatusBadRequest || !strings.Contains(gone.get("error.message"), `"s"`) {
		t.Errorf("status %d: %s", gone.status, gone.text)
	}
	if tr.server("s").count(t, "tools/call") != 0 || len(tr.model.Requests()) != 1 {
		t.Fatal("something ran")
	}
	// None of these has used it up.
	if second := tr.responses(response(base, userItem, word(ask, true))).fine(); len(second.items("mcp_call")) != 1 {
		t.Errorf("the answer is %s", second.text)
	}
}

// TestReplyIsKept: a reply is found again, as it was, by whom it was made for, until it is deleted.
func TestReplyIsKept(t *testing.T) {
	t.Parallel()
	tr := keptHouse(t, providertest.Text("One."), providertest.Text("Two."), providertest.Text("Not kept."))
	first := tr.responses(`{"model":"m","input":"First?","instructions":"Be brief."}`).fine()
	id := first.get("id")
	next := func(previous string) string {
		return `{"model":"m","input":"Second?","previous_response_id":"` + previous + `"}`
	}
	tr.restart()
	if got := tr.call(http.MethodGet, "/v1/responses/"+id, "").fine(); strings.TrimSpace(got.text) != strings.TrimSpace(first.text) {
		t.Errorf("it was\n%s\nand is\n%s", first.text, got.text)
	}
	second := tr.responses(next(id)).fine()
	if second.get("previous_response_id") != id || second.get("id") == id {
		t.Errorf("the second reply is %s", second.text)
	}
	m := tr.model.Request(2)
	if len(m.Messages) != 3 || m.Messages[0].Text != "First?" || m.Messages[1].Text != "One." || m.Messages[2].Text != "Second?" || strings.Contains(string(m.Raw), "Be brief.") {
		t.Errorf("the model was asked %s", m.Raw)
	}

	input := tr.call(http.MethodGet, "/v1/responses/"+second.get("id")+"/input_items?order=asc", "").fine()
	if input.get("object") != "list" || input.get("has_more") != "false" || !strings.Contains(input.text, "Second?") {
		t.Errorf("the input is %s", input.text)
	}
	page := tr.call(http.MethodGet, "/v1/responses/"+second.get("id")+"/input_items?limit=1", "").fine()
	if len(page.get("data.1")) > 0 || page.get("first_id") != page.get("last_id") || page.get("first_id") == "" {
		t.Errorf("a page is %s", page.text)
	}
	tr.call(http.MethodGet, "/v1/responses/"+id+"/input_items?limit=0", "").refused(http.StatusBadRequest, "invalid_value", "limit")
	tr.call(http.MethodPost, "/v1/responses/compact", `{"model":"m","input":"x"}`).refused(http.StatusNotFound, "not_found", "")
	tr.call(http.MethodPut, "/v1/responses/"+id, `{}`).refused(http.StatusMethodNotAllowed, "method_not_allowed", "")
	tr.call(http.MethodGet, "/v1/responses/"+id+"/input_items?after=nobody", "").refused(http.StatusBadRequest, "invalid_value", "after")

	// Foreign, unknown and deleted are one.
	none := "resp_fl_" + strings.Repeat("0", 32)
	eve := "Authorization: Bearer " + otherKey
	foreign, unknown := tr.responses(next(id), eve), tr.responses(next(none))
	for _, a := range []*got{foreign, unknown} {
		a.refused(http.StatusBadRequest, "previous_response_not_found", "previous_response_id")
	}
	if strings.ReplaceAll(foreign.text, id, none) != unknown.text {
		t.Errorf("a foreign reply can be told from an unknown one:\n%s\n%s", foreign.text, unknown.text)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if a := tr.call(method, "/v1/responses/"+id, "", eve); a.status != http.StatusNotFound {
			t.Errorf("%s by another principal: %d %s", method, a.status, a.text)
		}
	}
	gone := tr.call(http.MethodDelete, "/v1/responses/"+id, "").fine()
	if gone.get("id") != id || gone.get("object") != "response" || gone.get("deleted") != "true" {
		t.Errorf("deleted: %s", gone.text)
	}
	for _, path := range []string{"", "/input_items"} {
		if a := tr.call(http.MethodGet, "/v1/responses/"+id+path, ""); a.status != http.StatusNotFound || a.get("error.message") == "" {
			t.Errorf("after it was deleted: %d %s", a.status, a.text)
		}
	}
	tr.responses(next(id)).refused(http.StatusBadRequest, "previous_response_not_found", "previous_response_id")
	// With one of them gone there is no chain.
	tr.responses(next(second.get("id"))).refused(http.StatusBadRequest, "previous_response_not_found", "previous_response_id")

	unkept := tr.responses(`{"model":"m","input":"x","store":false}`).fine()
	if a := tr.call(http.MethodGet, "/v1/responses/"+unkept.get("id"), ""); a.status != http.StatusNotFound {
		t.Errorf("a reply that was not to be kept is there: %s", a.text)
	}
	if n := len(tr.model.Requests()); n != 3 {
		t.Errorf("the model was asked %d times", n)
	}
}

// TestBackground: a reply goes on without its client; it can be asked for, followed from any event on, and cancelled.
func TestBackground(t *testing.T) {
	t.Parallel()
	gate := providertest.NewGate()
	tr := keptHouse(t,
		providertest.Text("Hel", "lo.").Then(providertest.Pause(gate), providertest.Text(" Bye.")),
		providertest.Text("Never").Then(providertest.Stall()))
	begun := tr.responses(`{"model":"m","input":"x","background":true}`).fine()
	id := begun.get("id")
	if s := begun.get("status"); s != "queued" && s != "in_progress" || begun.get("background") != "true" {
		t.Errorf("it begins as %s", begun.text)
	}
	closed(t, gate.Reached(), "the first half")
	must(t, "the reply is in progress", func() bool {
		return tr.call(http.MethodGet, "/v1/responses/"+id, "").fine().get("status") == "in_progress"
	})
	follow := tr.follow(id, -1)
	follow.until("lo.")
	gate.Open()
	if rest := follow.rest(); !strings.Contains(rest, "response.completed") || !strings.HasSuffix(rest, "data: [DONE]") && !strings.HasSuffix(rest, "data: [DONE]\n") {
		t.Errorf("the stream ends with %s", rest)
	}
	must(t, "the reply is complete", func() bool {
		return tr.call(http.MethodGet, "/v1/responses/"+id, "").fine().get("status") == "completed"
	})
	all := numbers(tr.follow(id, -1).rest())
	for i, n := range all {
		if n != i {
			t.Fatalf("the events are numbered %v", all)
		}
	}
	if some := numbers(tr.follow(id, 3).rest()); len(some) != len(all)-4 || some[0] != 4 {
		t.Errorf("after 3 come %v of %v", some, all)
	}
	if a := tr.call(http.MethodGet, "/v1/responses/"+id+"?stream=true", "", "Authorization: Bearer "+otherKey); a.status != http.StatusNotFound {
		t.Errorf("another principal follows: %d %s", a.status, a.text)
	}

	endless := tr.responses(`{"model":"m","input":"x","background":true}`).fine().get("id")
	must(t, "the model is asked", func() bool { return len(tr.model.Requests()) == 2 })
	if a := tr.call(http.MethodPost, "/v1/responses/"+endless+"/cancel", "", "Authorization: Bearer "+otherKey); a.status != http.StatusNotFound {
		t.Errorf("another principal cancels: %d %s", a.status, a.text)
	}
	if a := tr.call(http.MethodPost, "/v1/responses/"+endless+"/cancel", "").fine(); a.get("status") != "cancelled" {
		t.Errorf("cancelled it is %s", a.text)
	}
	closed(t, tr.model.Request(2).Gone(), "the end of the model call")
	if got := tr.call(http.MethodGet, "/v1/responses/"+endless, "").fine(); got.get("status") != "cancelled" {
		t.Errorf("after it was cancelled it is %s", got.text)
	}
}
