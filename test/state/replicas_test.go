package state

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/test/gateway"
)

const newResponse = "/v1/responses"

// replicas are two gateways on one PostgreSQL.
func replicas(t *testing.T) (p *peers, a, b *gateway.Gateway) {
	t.Helper()
	address := os.Getenv("FAIRLEAD_TEST_POSTGRES")
	if address == "" {
		t.Skip("FAIRLEAD_TEST_POSTGRES names no PostgreSQL (postgres://…) that two replicas could share; CI has one")
	}
	p = newPeers(t)
	return p, p.start(t, address), p.start(t, address)
}

// TestApprovalOnAnotherReplica asks on one replica and answers on the other; the answer is taken once, wherever it comes
// again.
func TestApprovalOnAnotherReplica(t *testing.T) {
	p, a, b := replicas(t)
	first := must(t, a, http.MethodPost, newResponse, question("x"))
	if first.asked() == "" || p.runs("x") != 0 {
		t.Fatalf("the tool ran %d times; %s", p.runs("x"), first.raw)
	}
	second := must(t, b, http.MethodPost, newResponse, yes(first))
	if second.text() != "Told: marked x" || p.runs("x") != 1 {
		t.Errorf("text %q, the tool ran %d times", second.text(), p.runs("x"))
	}
	refused(t, a, http.MethodPost, newResponse, yes(first))
	refused(t, b, http.MethodPost, newResponse, yes(first))
	if p.runs("x") != 1 {
		t.Errorf("the tool ran %d times", p.runs("x"))
	}
}

// TestOneOfManyAnswers sends one answer to both replicas many times at once.
func TestOneOfManyAnswers(t *testing.T) {
	p, a, b := replicas(t)
	first := must(t, a, http.MethodPost, newResponse, question("x"))
	var mu sync.Mutex
	codes := map[int]int{}
	var all sync.WaitGroup
	for i := range 16 {
		g := a
		if i%2 == 1 {
			g = b
		}
		all.Go(func() {
			r, err := ask(t.Context(), g, http.MethodPost, newResponse, yes(first))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			codes[r.code]++
		})
	}
	all.Wait()
	if codes[http.StatusOK] != 1 || p.runs("x") != 1 {
		t.Errorf("statuses %v, the tool ran %d times", codes, p.runs("x"))
	}
}

// TestReplyOnAnotherReplica goes on from a response on the other replica, reads it there, and deletes it.
func TestReplyOnAnotherReplica(t *testing.T) {
	_, a, b := replicas(t)
	first := must(t, a, http.MethodPost, newResponse, map[string]any{"model": "m", "input": "one"})
	next := map[string]any{"model": "m", "input": "two", "previous_response_id": first.ID}
	second := must(t, b, http.MethodPost, newResponse, next)
	next["input"], next["previous_response_id"] = "three", second.ID
	third := must(t, a, http.MethodPost, newResponse, next)
	if third.text() != "You said: one, two, three" {
		t.Errorf("text %q", third.text())
	}
	read := must(t, b, http.MethodGet, newResponse+"/"+first.ID, nil)
	if read.text() != first.text() || read.Status != "completed" {
		t.Errorf("read %s, want %s", read.raw, first.raw)
	}
	if status, reply, err := send(t.Context(), b, http.MethodDelete, newResponse+"/"+third.ID, nil); err != nil || status != http.StatusOK {
		t.Errorf("DELETE: %d %s %v", status, reply, err)
	}
	refused(t, a, http.MethodGet, newResponse+"/"+third.ID, nil)
}

// TestHalfOnAnotherReplica has a turn with a call of the gateway and one of the client, whose answer goes to the other
// replica: the model is told both results.
func TestHalfOnAnotherReplica(t *testing.T) {
	p, a, b := replicas(t)
	own := map[string]any{"type": "function", "function": map[string]any{"name": "of_the_client", "parameters": map[string]any{"type": "object"}}}
	user := map[string]any{"role": "user", "content": "both x"}
	request := map[string]any{"model": "m", "messages": []any{user}, "tools": append(tools("never"), own)}
	var reply struct {
		Choices []struct {
			Message map[string]any `json:"message"`
		} `json:"choices"`
	}
	complete := func(g *gateway.Gateway) map[string]any {
		status, body, err := send(t.Context(), g, http.MethodPost, "/v1/chat/completions", request)
		if err != nil || status != http.StatusOK || json.Unmarshal(body, &reply) != nil || len(reply.Choices) != 1 {
			t.Fatalf("%d %s %v", status, body, err)
		}
		return reply.Choices[0].Message
	}
	message := complete(a)
	calls, _ := message["tool_calls"].([]any)
	if len(calls) != 1 {
		t.Fatalf("the client sees %v", message)
	}
	id, _ := calls[0].(map[string]any)["id"].(string)
	request["messages"] = []any{user, message, map[string]any{"role": "tool", "tool_call_id": id, "content": "done by the client"}}
	text, _ := complete(b)["content"].(string)
	if !strings.Contains(text, "marked x") || !strings.Contains(text, "done by the client") || p.runs("x") != 1 {
		t.Errorf("text %q, the tool ran %d times", text, p.runs("x"))
	}
}

// TestBackgroundOnAnotherReplica makes a response in the background on one replica and follows its events on the other.
func TestBackgroundOnAnotherReplica(t *testing.T) {
	_, a, b := replicas(t)
	begun := must(t, a, http.MethodPost, newResponse, map[string]any{"model": "m", "input": "one", "background": true})
	status, events, err := send(t.Context(), b, http.MethodGet, newResponse+"/"+begun.ID+"?stream=true", nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, events, err)
	}
	for _, want := range []string{"event: response.created", "You said: ", "event: response.completed"} {
		if strings.Count(string(events), want) == 0 {
			t.Errorf("no %q in %s", want, events)
		}
	}
	if r := must(t, a, http.MethodGet, newResponse+"/"+begun.ID, nil); r.Status != "completed" || r.text() != "You said: one" {
		t.Errorf("%s", r.raw)
	}
}
