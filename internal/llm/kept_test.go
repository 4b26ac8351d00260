package llm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConversation puts a hidden turn in the place of the message that the client has of it, and of the texts of its rounds
// where they are messages of their own.
func TestConversation(t *testing.T) {
	user := Message{Role: User, Text: "hi"}
	first := Message{Role: Assistant, Text: "One.", Calls: []Call{{ID: "ours"}}}
	result := Message{Role: ToolRole, Result: &Result{CallID: "ours"}}
	last := Message{Role: Assistant, Text: "Two.", Calls: []Call{{ID: "own"}}}
	answer := Message{Role: ToolRole, Result: &Result{CallID: "own"}}
	added := Message{Role: Assistant, Text: "Three."}
	kept := Kept{IDs: []string{"own"}, Messages: []Message{first, result, last}}
	said := func(text string, calls ...Call) Message { return Message{Role: Assistant, Text: text, Calls: calls} }

	want := []Message{user, first, result, last, answer, added}
	for name, seen := range map[string][]Message{
		"one message":  {said("One.\n\nTwo.", Call{ID: "own"})},
		"two messages": {said("One."), said("Two.", Call{ID: "own"})},
		"three":        {said("One."), said("Two."), said("", Call{ID: "own"})},
	} {
		messages := append(append([]Message{user}, seen...), answer)
		r := Request{Messages: messages, Restored: []Kept{kept}, AddedMessages: []Message{added}}
		if diff := cmp.Diff(want, r.Conversation()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	other := []Message{user, said("Else."), said("Two.", Call{ID: "own"}), answer}
	r := Request{Messages: other, Restored: []Kept{kept}}
	if diff := cmp.Diff([]Message{user, other[1], first, result, last, answer}, r.Conversation()); diff != "" {
		t.Errorf("a text of another turn: %s", diff)
	}
}

// TestTurn puts back the turn of the client's calls alone, if that is signed and has no calls of others.
func TestTurn(t *testing.T) {
	own, signed := []Call{{ID: "own"}}, []byte(`"output":[]`)
	first := Message{Role: Assistant, Text: "One.", Calls: []Call{{ID: "ours"}}, Extra: signed}
	for name, tt := range map[string]struct {
		last Message
		want bool
	}{
		"signed":   {Message{Role: Assistant, Calls: own, Extra: signed}, true},
		"unsigned": {Message{Role: Assistant, Calls: own}, false},
		"mixed":    {Message{Role: Assistant, Calls: append([]Call{{ID: "ours"}}, own...), Extra: signed}, false},
	} {
		k, ok := Kept{Calls: own, Messages: []Message{first, tt.last, {Role: ToolRole}}}.Turn()
		if ok != tt.want || ok && cmp.Diff([]Message{tt.last}, k.Messages) != "" {
			t.Errorf("%s: %v, %+v", name, ok, k.Messages)
		}
	}
	if _, ok := (Kept{}).Turn(); ok {
		t.Error("a turn of nothing")
	}
}
