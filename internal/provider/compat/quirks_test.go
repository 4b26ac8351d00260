package compat_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
)

// This file has one test for each vendor whose ways are known to break tools or streams, and in it one for each of those ways.
// They go through the vendor's row, so that what holds is the row and not a codec with quirks made up for a test.

// turn is what a reply comes to.
type turn struct {
	message llm.Message
	thought string
	stop    string
	usage   *llm.Usage
	top     string // members beside the choices
	err     *fault.Error
}

// asks has the vendor's client ask a model that plays steps. Each of reqs is one request.
func asks(t *testing.T, vendor string, reqs []*llm.Request, steps ...providertest.Step) ([]turn, *providertest.Server) {
	t.Helper()
	tr := provider.Transport(0)
	t.Cleanup(tr.CloseIdleConnections)
	s := providertest.New(t, steps...)
	m, err := open(vendor, provider.Target{Model: "their-name", BaseURL: s.URL(), Key: secret.New("key-1")}, env(tr))
	if err != nil {
		t.Fatal(err)
	}
	var out []turn
	for _, req := range reqs {
		out = append(out, read(m.Generate(t.Context(), req)))
	}
	return out, s
}

// read reads a reply to its end, as the loop does.
func read(reply func(func(llm.Event, error) bool)) turn {
	r := turn{message: llm.Message{Role: llm.Assistant}}
	var extra []byte
	for ev, err := range reply {
		if err != nil {
			r.err = fault.From(err)
			break
		}
		switch ev.Kind {
		case llm.Text:
			r.message.Text += ev.Text
		case llm.Thinking:
			r.thought += ev.Text
		case llm.ToolCall:
			if ev.Index == len(r.message.Calls) {
				r.message.Calls = append(r.message.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			r.message.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.End:
			r.stop, r.usage = ev.Stop, ev.Usage
		default:
		}
		if ev.Extra.Wire != "" && len(ev.Extra.Delta) > 0 {
			r.message.Wire, extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
		}
		r.top += string(ev.Extra.Top)
	}
	r.message.Extra = extra
	return r
}

// question is a request of another dialect, or one made in process.
func question(change ...func(*llm.Request)) *llm.Request {
	req := &llm.Request{
		Model: "our-name", Stream: true, Messages: []llm.Message{{Role: llm.User, Text: "hi"}},
		Tools: []llm.Tool{{Name: "look", Description: "Looks.", Schema: []byte(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"minItems":1}}}`)}},
	}
	for _, f := range change {
		f(req)
	}
	return req
}

// answered is the request that goes on behind a turn with the results of its calls.
func answered(req *llm.Request, m llm.Message) *llm.Request {
	next := *req
	next.AddedMessages = []llm.Message{m}
	for _, c := range m.Calls {
		next.AddedMessages = append(next.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: c.ID, Name: c.Name, Text: "seen"}})
	}
	return &next
}

// sees wants pieces of JSON in a request, or, with a ! before them, wants them not there.
func sees(t *testing.T, r *providertest.Request, pieces ...string) {
	t.Helper()
	for _, want := range pieces {
		want, not := strings.CutPrefix(want, "!")
		if strings.Contains(string(r.Raw), want) == not {
			t.Errorf("%s: wanted %v in %s", want, !not, r.Raw)
		}
	}
}

// chunk is a chunk of a stream with one choice.
func chunk(delta, finish string) string {
	if finish != "null" {
		finish = `"` + finish + `"`
	}
	return `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`
}

// wantCalls wants these calls, with whole arguments, and ids that differ.
func wantCalls(t *testing.T, r turn, want ...string) {
	t.Helper()
	ids := map[string]bool{}
	var got []string
	for _, c := range r.message.Calls {
		got = append(got, c.Name+c.Arguments)
		if !json.Valid([]byte(c.Arguments)) {
			t.Errorf("the arguments %s are no JSON", c.Arguments)
		}
		ids[c.ID] = true
	}
	if r.err != nil || strings.Join(got, " ") != strings.Join(want, " ") || len(ids) != len(want) || r.stop != llm.StopTools {
		t.Errorf("calls %q with ids %v, stop %q, error %v; want %q", got, ids, r.stop, r.err, want)
	}
}

func effort(req *llm.Request) { req.Params.Effort = "low" }

func TestOpenAI(t *testing.T) {
	t.Run("only the first piece of a call has id and name, usage stands alone in a last chunk", func(t *testing.T) {
		got, s := asks(t, "openai", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":null}`, "null"),
			chunk(`{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"look","arguments":""}}]}`, "null"),
			chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}`, "null"),
			chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"[1]}"}}]}`, "null"),
			chunk(`{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"look","arguments":""}}]}`, "null"),
			chunk(`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`, "null"),
			chunk(`{}`, "tool_calls"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`,
			`[DONE]`,
		))
		wantCalls(t, got[0], `look{"a":[1]}`, `look{}`)
		if u := got[0].usage; u == nil || u.Input != 5 || u.CacheRead != 4 || u.Output != 5 || u.Reasoning != 2 {
			t.Errorf("usage %+v", u)
		}
		sees(t, s.Request(1), `"stream_options":{"include_usage":true}`)
	})
	t.Run("finish stop with calls", func(t *testing.T) {
		got, _ := asks(t, "openai", []*llm.Request{question()}, providertest.Call("call_a", "look", "{}").Stop("stop"))
		wantCalls(t, got[0], `look{}`)
	})
	t.Run("max_completion_tokens, and strict as the caller says it", func(t *testing.T) {
		_, s := asks(t, "openai", []*llm.Request{question(func(r *llm.Request) { r.Params.MaxOutput, r.Tools[0].Strict = 9, new(true) })}, providertest.Text("ok"))
		sees(t, s.Request(1), `"max_completion_tokens":9`, `"strict":true`, `"minItems":1`)
	})
}

func TestMistral(t *testing.T) {
	t.Run("ids of nine alphanumerics, the same for a call and its result", func(t *testing.T) {
		req := question()
		m := llm.Message{Role: llm.Assistant, Calls: []llm.Call{{ID: "call_0123456789abcdef", Name: "look", Arguments: "{}"}, {ID: "abcDEF123", Name: "look", Arguments: "{}"}}}
		_, s := asks(t, "mistral", []*llm.Request{answered(req, m), answered(req, m)}, providertest.Text("ok"), providertest.Text("ok"))
		var ids []string
		for n := 1; n <= 2; n++ {
			for _, msg := range s.Request(n).Messages {
				for _, c := range msg.Calls {
					ids = append(ids, c.ID)
					if s.Request(n).Results()[c.ID] != "seen" || len(c.ID) != 9 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
						t.Errorf("the call has the id %q: %s", c.ID, s.Request(n).Raw)
					}
				}
			}
		}
		if len(ids) != 4 || ids[0] != ids[2] || ids[1] != "abcDEF123" || ids[3] != ids[1] {
			t.Errorf("the ids of two requests are %q", ids)
		}
	})
	t.Run("its own words, and none that it does not know", func(t *testing.T) {
		_, s := asks(t, "mistral", []*llm.Request{question(func(r *llm.Request) {
			r.Params = llm.Params{
				MaxOutput: 9, Seed: []byte("7"), Choice: llm.ToolChoice{Mode: "required"}, ForcedTool: true,
				User: "u", CacheKey: "k", ServiceTier: "auto", Verbosity: "low",
			}
		})}, providertest.Text("ok"))
		sees(t, s.Request(1), `"max_tokens":9`, `"random_seed":7`, `"tool_choice":"any"`, "!stream_options", `!"user":`, "!prompt_cache_key", "!service_tier", "!verbosity")
	})
	t.Run("thinking in content arrays", func(t *testing.T) {
		got, _ := asks(t, "mistral", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]}]}`, "null"),
			chunk(`{"content":[{"type":"text","text":"Ho"}]}`, "null"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
			`[DONE]`,
		))
		if r := got[0]; r.err != nil || r.thought != "Hm." || r.message.Text != "Ho." || r.usage == nil || r.usage.Input != 3 {
			t.Errorf("%+v", r)
		}
	})
}

func TestGroq(t *testing.T) {
	const failed = `{"message":"Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=look{\"a\": [1}</function>"`
	for name, step := range map[string]providertest.Step{
		"tool_use_failed":               providertest.Reply(400, "application/json", `{"error":`+failed+`}}`),
		"tool_use_failed in the stream": providertest.Frames(chunk(`{"role":"assistant"}`, "null"), `{"error":`+failed+`,"status_code":400}}`),
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := asks(t, "groq", []*llm.Request{question()}, step)
			e := got[0].err
			if e == nil || e.Kind != fault.Upstream || e.Code != "tool_use_failed" || !strings.Contains(e.Message, "ask again") || !strings.Contains(e.Message, "<function=look") {
				t.Errorf("%+v", e)
			}
		})
	}
	t.Run("whole calls in one chunk, usage in x_groq", func(t *testing.T) {
		got, s := asks(t, "groq", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":null}`, "null"),
			chunk(`{"tool_calls":[{"id":"call_a","type":"function","function":{"name":"look","arguments":"{\"a\":[1]}"},"index":0},{"id":"call_b","type":"function","function":{"name":"look","arguments":"{}"},"index":1}]}`, "null"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"x_groq":{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}}`,
			`[DONE]`,
		))
		wantCalls(t, got[0], `look{"a":[1]}`, `look{}`)
		if u := got[0].usage; u == nil || u.Input != 9 || u.Output != 7 {
			t.Errorf("usage %+v", u)
		}
		sees(t, s.Request(1), `"parameters":{`)
	})
}

func TestDeepSeek(t *testing.T) {
	t.Run("reasoning_content comes back on tool turns", func(t *testing.T) {
		req := question(effort)
		got, _ := asks(t, "deepseek", []*llm.Request{req}, providertest.Reasoning("Hm.").Then(providertest.Call("call_a", "look", "{}")))
		if got[0].thought != "Hm." {
			t.Fatalf("%+v", got[0])
		}
		_, s := asks(t, "deepseek", []*llm.Request{answered(req, got[0].message)}, providertest.Text("ok"))
		sees(t, s.Request(1), `"reasoning_content":"Hm."`)
		sent := llm.Message{Role: llm.Assistant, Think: "Hm.", Calls: []llm.Call{{ID: "a", Name: "look", Arguments: "{}"}}}
		_, s = asks(t, "deepseek", []*llm.Request{answered(req, sent)}, providertest.Text("ok"))
		sees(t, s.Request(1), `"reasoning_content":"Hm."`)
	})
	t.Run("cache hits and misses, max_tokens", func(t *testing.T) {
		got, s := asks(t, "deepseek", []*llm.Request{question(func(r *llm.Request) { r.Params.MaxOutput = 9 })}, providertest.Frames(
			chunk(`{"role":"assistant","content":"ok"}`, "null"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5}}`,
			`[DONE]`,
		))
		if u := got[0].usage; u == nil || u.Input != 5 || u.CacheRead != 4 {
			t.Errorf("usage %+v", u)
		}
		sees(t, s.Request(1), `"max_tokens":9`)
	})
}

func TestXAI(t *testing.T) {
	t.Run("an assistant has content", func(t *testing.T) {
		_, s := asks(t, "xai", []*llm.Request{answered(question(), llm.Message{Role: llm.Assistant, Calls: []llm.Call{{ID: "a", Name: "look", Arguments: "{}"}}})}, providertest.Text("ok"))
		sees(t, s.Request(1), `{"role":"assistant","content":"",`, `!"content":null`)
	})
	t.Run("reasoning is counted beside the completion", func(t *testing.T) {
		got, _ := asks(t, "xai", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":"ok"}`, "stop"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":116,"prompt_tokens_details":{"text_tokens":9,"cached_tokens":4,"image_tokens":0},"completion_tokens_details":{"reasoning_tokens":100}}}`,
			`[DONE]`,
		))
		if u := got[0].usage; u == nil || u.Inputs() != 9 || u.Output != 7 || u.Reasoning != 100 {
			t.Errorf("usage %+v", u)
		}
	})
}

// marked is an answer of a model that puts its reasoning into its text, cut where it is hardest to tell.
func marked() providertest.Step {
	return providertest.Text("\n<thi", "nk>Hm", ", <b> and </thin", "g></", "think>", "\n\n", "So <think> it is.")
}

// wantUnmarked wants the reasoning of marked told apart from its answer.
func wantUnmarked(t *testing.T, r turn) {
	t.Helper()
	if r.err != nil || r.thought != "Hm, <b> and </thing>" || r.message.Text != "So <think> it is." || r.stop != llm.StopDone {
		t.Errorf("thought %q, said %q: %+v", r.thought, r.message.Text, r)
	}
}

func TestTogether(t *testing.T) {
	t.Run("reasoning in the text", func(t *testing.T) {
		plain := question(func(r *llm.Request) { r.Stream = false })
		got, _ := asks(t, "together", []*llm.Request{question(), plain, question(), question()}, marked(), marked(), providertest.Text("<thi"), providertest.Text("<think>cut ", "off</thi").Stop("length"))
		wantUnmarked(t, got[0])
		wantUnmarked(t, got[1])
		if got[2].message.Text != "<thi" || got[3].thought != "cut off</thi" || got[3].message.Text != "" || got[3].stop != llm.StopLength {
			t.Errorf("%+v, %+v", got[2], got[3])
		}
	})
	t.Run("no tools in place of the choice none", func(t *testing.T) {
		_, s := asks(t, "together", []*llm.Request{question(func(r *llm.Request) { r.ToolChoice = llm.ChoiceNone })}, providertest.Text("ok"))
		sees(t, s.Request(1), "!tools", "!tool_choice")
	})
}

func TestFireworks(t *testing.T) {
	t.Run("reasoning in the text", func(t *testing.T) {
		got, _ := asks(t, "fireworks", []*llm.Request{question()}, marked())
		wantUnmarked(t, got[0])
	})
	t.Run("usage without being asked for", func(t *testing.T) {
		got, s := asks(t, "fireworks", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","reasoning_content":"Hm."}`, "null"),
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`,
			`[DONE]`,
		))
		if r := got[0]; r.usage == nil || r.usage.Input != 9 || r.thought != "Hm." || r.message.Text != "ok" {
			t.Errorf("%+v", r)
		}
		sees(t, s.Request(1), "!stream_options")
	})
}

func TestOpenRouter(t *testing.T) {
	t.Run("comments while it waits", func(t *testing.T) {
		got, _ := asks(t, "openrouter", []*llm.Request{question()}, providertest.Bytes(": OPENROUTER PROCESSING\n\n").Then(providertest.Text("ok"), providertest.Bytes(": OPENROUTER PROCESSING\n\n")))
		if r := got[0]; r.err != nil || r.message.Text != "ok" || r.stop != llm.StopDone {
			t.Errorf("%+v", r)
		}
	})
	t.Run("an error in the stream", func(t *testing.T) {
		got, _ := asks(t, "openrouter", []*llm.Request{question()}, providertest.Text("a").Then(providertest.Frame(
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","provider":"X","error":{"code":502,"message":"Provider disconnected"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`)))
		if e := got[0].err; e == nil || e.Kind != fault.Refused || e.Status != 502 || !strings.Contains(e.Message, "Provider disconnected") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("reasoning_details come back", func(t *testing.T) {
		const details = `"reasoning_details":[{"type":"reasoning.encrypted","data":"EqQB+/==","id":"r1","format":"anthropic-claude-v1","index":0}]`
		req := question(effort)
		got, _ := asks(t, "openrouter", []*llm.Request{req}, providertest.Frames(
			chunk(`{"role":"assistant","content":"",`+details+`}`, "null"),
			chunk(`{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"look","arguments":"{}"}}]}`, "tool_calls"),
			`[DONE]`,
		))
		wantCalls(t, got[0], `look{}`)
		_, s := asks(t, "openrouter", []*llm.Request{answered(req, got[0].message)}, providertest.Text("ok"))
		sees(t, s.Request(1), details)
	})
}

func TestPerplexity(t *testing.T) {
	t.Run("citations", func(t *testing.T) {
		got, s := asks(t, "perplexity", []*llm.Request{question(func(r *llm.Request) { r.Tools, r.Params.MaxOutput = nil, 9 })}, providertest.Frames(
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","citations":["https://h/1"],"search_results":[{"title":"One","url":"https://h/1"}],"choices":[{"index":0,"delta":{"role":"assistant","content":"ok[1]"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","citations":["https://h/1"],"choices":[{"index":0,"delta":{"content":""},"message":{"role":"assistant","content":"ok[1]"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`,
			`[DONE]`,
		))
		if r := got[0]; r.err != nil || r.message.Text != "ok[1]" || strings.Count(r.top, "https://h/1") != 2 || r.usage == nil {
			t.Errorf("%+v", r)
		}
		sees(t, s.Request(1), `"max_tokens":9`, "!stream_options", "!tools")
	})
}

func TestCerebras(t *testing.T) {
	t.Run("a subset of schemas", func(t *testing.T) {
		_, s := asks(t, "cerebras", []*llm.Request{question()}, providertest.Text("ok"))
		sees(t, s.Request(1), `"additionalProperties":false`, `"items":{"type":"integer"}`, "!minItems")
	})
	t.Run("a form has a name", func(t *testing.T) {
		_, s := asks(t, "cerebras", []*llm.Request{question(func(r *llm.Request) {
			r.Tools, r.Params.Format = nil, &llm.Format{Schema: []byte(`{"type":"object","additionalProperties":false}`)}
		})}, providertest.Text("ok"))
		sees(t, s.Request(1), `"json_schema":{"name":"answer"`)
	})
}

func TestOllama(t *testing.T) {
	one := `{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"a\":[1]}"}`
	two := `{"id":"call_2","type":"function","function":{"name":"look","arguments":"{}"}`
	for name, index := range map[string]string{"no index": `}`, "the index 0 always": `,"index":0}`} {
		t.Run(name, func(t *testing.T) {
			got, s := asks(t, "ollama", []*llm.Request{question(func(r *llm.Request) { r.Params.MaxOutput = 9 })}, providertest.Frames(
				chunk(`{"role":"assistant","content":"","tool_calls":[`+one+index+`]}`, "null"),
				chunk(`{"role":"assistant","content":"","tool_calls":[`+two+index+`]}`, "null"),
				chunk(`{"role":"assistant","content":""}`, "stop"),
				`[DONE]`,
			))
			wantCalls(t, got[0], `look{"a":[1]}`, `look{}`)
			sees(t, s.Request(1), `"max_tokens":9`)
		})
	}
	t.Run("both calls in one chunk", func(t *testing.T) {
		got, _ := asks(t, "ollama", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":"","tool_calls":[`+one+`,"index":0},`+two+`,"index":0}]}`, "stop"),
			`[DONE]`,
		))
		wantCalls(t, got[0], `look{"a":[1]}`, `look{}`)
	})
}

func TestVLLM(t *testing.T) {
	for _, member := range []string{"reasoning_content", "reasoning"} {
		t.Run(member+" comes back as it came", func(t *testing.T) {
			req := question(effort)
			got, _ := asks(t, "vllm", []*llm.Request{req}, providertest.Frames(
				chunk(`{"role":"assistant","content":"","`+member+`":"Hm."}`, "null"),
				chunk(`{"tool_calls":[{"id":"call_a","type":"function","index":0,"function":{"name":"look","arguments":"{}"}}]}`, "tool_calls"),
				`[DONE]`,
			))
			wantCalls(t, got[0], `look{}`)
			if got[0].thought != "Hm." {
				t.Errorf("thought %q", got[0].thought)
			}
			_, s := asks(t, "vllm", []*llm.Request{answered(req, got[0].message)}, providertest.Text("ok"))
			sees(t, s.Request(1), `"`+member+`":"Hm."`)
		})
	}
	t.Run("a server without tools says so", func(t *testing.T) {
		got, s := asks(t, "vllm", []*llm.Request{question(func(r *llm.Request) { r.Params.Choice.Mode = "auto" })},
			providertest.Reply(400, "application/json", `{"object":"error","message":"\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set","type":"BadRequestError","param":null,"code":400}`))
		if e := got[0].err; e == nil || e.Status != 400 || !strings.Contains(e.Message, "--enable-auto-tool-choice") {
			t.Errorf("%+v", e)
		}
		sees(t, s.Request(1), "!tool_choice")
	})
}

func TestSGLang(t *testing.T) {
	t.Run("no index", func(t *testing.T) {
		got, _ := asks(t, "sglang", []*llm.Request{question()}, providertest.Frames(
			chunk(`{"role":"assistant","content":null,"tool_calls":[{"id":"call_a","type":"function","function":{"name":"look","arguments":""}}]}`, "null"),
			chunk(`{"tool_calls":[{"id":null,"type":"function","function":{"name":null,"arguments":"{\"a\":"}}]}`, "null"),
			chunk(`{"tool_calls":[{"id":null,"type":"function","function":{"name":null,"arguments":"[1]}"}}]}`, "null"),
			chunk(`{"tool_calls":[{"id":"call_b","type":"function","function":{"name":"look","arguments":"{}"}}]}`, "null"),
			chunk(`{}`, "tool_calls"),
			`[DONE]`,
		))
		wantCalls(t, got[0], `look{"a":[1]}`, `look{}`)
	})
}

// TestTGI has a server without a row of its own: its tools are not streamed.
func TestTGI(t *testing.T) {
	got, _ := asks(t, "openai-compatible", []*llm.Request{question()}, providertest.JSON(
		`{"id":"","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"0","type":"function","function":{"description":null,"name":"look","arguments":{"a":[1]}}}]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`))
	wantCalls(t, got[0], `look{"a":[1]}`)
}

func TestNVIDIANIM(t *testing.T) {
	t.Run("no choice is said where the model chooses", func(t *testing.T) {
		_, s := asks(t, "nvidia", []*llm.Request{question(func(r *llm.Request) { r.Params.Choice.Mode = "auto" })}, providertest.Text("ok"))
		sees(t, s.Request(1), "!tool_choice", `"tools":[`)
	})
}
