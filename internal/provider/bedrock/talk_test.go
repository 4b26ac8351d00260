package bedrock_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestAnyConversation has Bedrock take whatever clients may have said before: roles in any order, blank texts, calls that come
// again under one id or were never answered, odd ids and names, media in results, tools that are gone.
func TestAnyConversation(t *testing.T) {
	signed(t)
	s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("Fine.") })
	clients := map[string]*provider.Client{}
	for _, w := range []string{"converse", "messages"} {
		clients[w] = open(t, provider.Target{Model: model, BaseURL: base(s), Wire: w})
	}
	for seed := range uint64(300) {
		req := talk(rand.New(rand.NewPCG(seed, 7)))
		for w, c := range clients {
			if got, err := ask(t, c, req); err != nil || got.text != "Fine." {
				all := s.Requests()
				t.Fatalf("%s, seed %d: %v\n%s", w, seed, err, all[len(all)-1].Raw)
			}
		}
	}
}

func talk(r *rand.Rand) *llm.Request {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	texts := func() string { return pick("", " \n", "a", "b \"c\"", "d\xff\x00") }
	image := llm.Part{Kind: "image", MediaType: "image/png", Data: "AAAA"}
	file := llm.Part{Kind: "file", MediaType: "application/pdf", Name: pick("", "a.pdf", "Ümlaut_&  b.pdf"), Data: "AAAA"}
	req := &llm.Request{Stream: r.IntN(2) == 0}
	for range r.IntN(3) {
		req.Tools = append(req.Tools, llm.Tool{Name: fmt.Sprintf("tool%d", len(req.Tools)), Description: texts(), Schema: []byte(pick("", "{}", `{"type":"object"}`))})
	}
	add := func(m llm.Message) { req.Messages = append(req.Messages, m) }
	for range 1 + r.IntN(8) {
		switch r.IntN(4) {
		case 0:
			add(llm.Message{Role: llm.System, Text: texts()})
		case 1:
			add(llm.Message{Role: llm.User, Text: texts()})
		case 2:
			add(llm.Message{Role: llm.User, Parts: [][]llm.Part{{image}, {file, file}, {{Kind: "text", Text: texts()}, file}}[r.IntN(3)]})
		default:
			m := llm.Message{Role: llm.Assistant, Text: texts(), Think: texts()}
			for i := range r.IntN(4) {
				m.Calls = append(m.Calls, llm.Call{ID: fmt.Sprintf("%s%d", pick("call_", "call|", ""), i), Name: pick("tool0", "gone"), Arguments: pick("", "{}", `{"a":1.0}`, `{"a":`, "[]")})
			}
			add(m)
			for _, i := range r.Perm(len(m.Calls)) {
				if r.IntN(5) > 0 {
					res := &llm.Result{CallID: m.Calls[i].ID, Name: m.Calls[i].Name, Text: texts(), IsError: r.IntN(3) == 0}
					if r.IntN(4) == 0 {
						res.Parts = []llm.Part{image, {Kind: "audio", MediaType: "audio/wav", Data: "AAAA"}, file}
					}
					add(llm.Message{Role: llm.ToolRole, Result: res})
				}
			}
		}
	}
	add(llm.Message{Role: llm.User, Text: "So?"})
	switch r.IntN(4) {
	case 0:
		req.Params.Effort = "high"
	case 1:
		req.Params.Choice.Mode = pick("none", "auto", "required")
	case 2:
		req.ToolChoice = llm.ChoiceNone
	}
	return req
}
