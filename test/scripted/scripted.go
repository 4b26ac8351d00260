// Package scripted turns short scripts into a scripted model. The model keeps no state: which turn of a script it plays
// follows from the calls in the conversation that it is sent, so that many requests can run at once.
package scripted

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// Turn is one reply of the model. "{result}" in Text stands for the last tool result that it was sent.
type Turn struct {
	Text  string
	Calls []Call
}

// Call is a tool call; Arguments is JSON.
type Call struct{ Name, Arguments string }

// What each turn is said to cost.
const (
	TurnInput  = 10
	TurnOutput = 5
)

// Start serves a model on loopback until the test ends. The name of the model in a request is the name of the script.
func Start(t *testing.T, scripts map[string][]Turn) *providertest.Server {
	t.Helper()
	return providertest.NewRule(t, func(r *providertest.Request) providertest.Step {
		turn, err := pick(scripts[r.Model], r)
		if err != nil {
			return providertest.Error(http.StatusBadRequest, "script", fmt.Sprintf("script %q: %v", r.Model, err))
		}
		text := strings.ReplaceAll(turn.Text, "{result}", r.Last().Text)
		step := providertest.Text(strings.SplitAfter(text, " ")...)
		for _, c := range turn.Calls {
			half := len(c.Arguments) / 2
			step = step.Then(providertest.Call("call_"+rand.Text(), c.Name, c.Arguments[:half], c.Arguments[half:]))
		}
		return step.Costs(providertest.Usage{Input: TurnInput, Output: TurnOutput})
	})
}

func pick(script []Turn, r *providertest.Request) (Turn, error) {
	made := 0
	for _, m := range r.Messages {
		made += len(m.Calls)
	}
	played := 0
	for played < len(script) && len(script[played].Calls) > 0 && made >= len(script[played].Calls) {
		made -= len(script[played].Calls)
		played++
	}
	if played == len(script) || made > 0 {
		return Turn{}, fmt.Errorf("the calls of the conversation are not those of its turns (%d)", len(script))
	}
	offered := r.ToolNames()
	for _, c := range script[played].Calls {
		if !slices.Contains(offered, c.Name) {
			return Turn{}, fmt.Errorf("the tool %s is not among %q", c.Name, offered)
		}
	}
	return script[played], nil
}
