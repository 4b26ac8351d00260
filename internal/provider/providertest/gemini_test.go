package providertest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const (
	geminiSays = `{"role":"user","parts":[{"text":"hi"}]}`
	geminiUses = `{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"1"}},{"functionCall":{"name":"g"}}]}`
	geminiEnds = `{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"},"id":"1"}},{"functionResponse":{"name":"g","response":{"output":"2"}}}]}`
)

// geminiAsk sends a request of the Gemini API.
func geminiAsk(t *testing.T, s *providertest.Server, model, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return ask(t.Context(), t, s, "beta/models/"+model, body, append([]string{"x-api-key", "", "anthropic-version", "", "x-goog-api-key", "k"}, headers...)...)
}

func TestGeminiRefusals(t *testing.T) {
	with := func(members string, list ...string) string {
		if list == nil {
			list = []string{geminiSays}
		}
		return `{` + members + `"contents":[` + strings.Join(list, ",") + `]}`
	}
	tool := func(f string) string { return with(`"tools":[{"functionDeclarations":[` + f + `]}],`) }
	config := func(c string) string { return with(`"generationConfig":{` + c + `},`) }
	part := func(p string) string { return with("", `{"role":"user","parts":[`+p+`]}`) }
	for _, c := range []struct{ name, model, body, says string }{
		{"plain", "", with(""), ""},
		{"all members", "", with(`"systemInstruction":{"parts":[{"text":"a"}]},"safetySettings":[],"cachedContent":"c","tools":[{"googleSearch":{}}],`), ""},
		{"not JSON", "", `{"contents":`, "Invalid JSON payload"},
		{"unknown member", "", with(`"model":"m",`), `Unknown name \"model\": Cannot find field.`},
		{"unknown member of a part", "", part(`{"text":"a","cache_control":{}}`), `Unknown name \"cache_control\" at 'contents[0].parts[0]': Cannot find field.`},
		{"no contents", "", `{"contents":[]}`, "contents is not specified"},
		{"role", "", with("", `{"role":"assistant","parts":[{"text":"a"}]}`), "valid role"},
		{"no parts", "", with("", `{"role":"user","parts":[]}`), "must not be empty"},
		{"empty part", "", part(`{}`), "oneof field 'data'"},
		{"two things in a part", "", part(`{"text":"a","inlineData":{"mimeType":"image/png","data":"AAAA"}}`), "already set"},
		{"media", "", part(`{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"fileData":{"fileUri":"gs://b"}}`), ""},
		{"media without a type", "", part(`{"inlineData":{"data":"AAAA"}}`), "mime_type"},
		{"media that are no base64", "", part(`{"inlineData":{"mimeType":"image/png","data":"?"}}`), "Base64 decoding failed"},
		{"the model speaks last", "", with("", geminiSays, `{"role":"model","parts":[{"text":"a"}]}`), "end with a user role"},

		{"calls and results", "", with("", geminiSays, geminiUses, geminiEnds), ""},
		{"model joined", "", with("", geminiSays, `{"role":"model","parts":[{"text":"a"}]}`, geminiUses, geminiEnds), ""},
		{"call first", "", with("", geminiUses, geminiEnds), "immediately after a user turn"},
		{"results first", "", with("", geminiEnds), "immediately after a function call turn"},
		{"a result too few", "", with("", geminiSays, geminiUses, `{"role":"user","parts":[{"functionResponse":{"name":"f","response":{},"id":"1"}}]}`), "number of function response parts"},
		{"no results", "", with("", geminiSays, geminiUses, geminiSays), "number of function response parts"},
		{"another name", "", with("", geminiSays, geminiUses, strings.Replace(geminiEnds, `"name":"g"`, `"name":"f"`, 1)), "does not match"},
		{"another id", "", with("", geminiSays, geminiUses, strings.Replace(geminiEnds, `"id":"1"`, `"id":"2"`, 1)), "does not match"},
		{"a result that is text", "", with("", geminiSays, geminiUses, strings.Replace(geminiEnds, `{"output":"2"}`, `"2"`, 1)), "google.protobuf.Struct"},
		{"unsigned", "gemini-3-pro", with("", geminiSays, geminiUses, geminiEnds), "missing a thought_signature"},
		{"unsigned, but long ago", "gemini-3-pro", with("", geminiSays, geminiUses, geminiEnds, geminiSays), ""},
		{"signed with the word", "gemini-3-pro", with("", geminiSays, strings.Replace(geminiUses, `}},{`, `},"thoughtSignature":"skip_thought_signature_validator"},{`, 1), geminiEnds), ""},
		{"signed by nobody", "", with("", geminiSays, strings.Replace(geminiUses, `}},{`, `},"thoughtSignature":"AAAA"},{`, 1), geminiEnds), "Corrupted thought signature"},

		{"function", "", tool(`{"name":"a_b.c:d-e","description":"d","parametersJsonSchema":{"type":"object","properties":{"a":{"anyOf":[{"type":["string","null"]}]}},"additionalProperties":false,"required":["a"]}}`), ""},
		{"openapi", "", tool(`{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}`), ""},
		{"name", "", tool(`{"name":"3d"}`), "Invalid function name"},
		{"name twice", "", tool(`{"name":"f"},{"name":"f"}`), "Duplicate function declaration"},
		{"both schemas", "", tool(`{"name":"f","parameters":{},"parametersJsonSchema":{}}`), "mutually exclusive"},
		{"member of a function", "", tool(`{"name":"f","strict":true}`), `Unknown name \"strict\"`},
		{"keyword", "", tool(`{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"items":{"const":1}}}}}`), `Unknown name \"const\"`},
		{"keyword of openapi", "", tool(`{"name":"f","parameters":{"additionalProperties":false}}`), `Unknown name \"additionalProperties\"`},
		{"beside a ref", "", tool(`{"name":"f","parametersJsonSchema":{"properties":{"a":{"$ref":"#","description":"d"}}}}`), "beside $ref"},
		{"required and not there", "", tool(`{"name":"f","parametersJsonSchema":{"required":["a"]}}`), "property is not defined"},
		{"enum", "", tool(`{"name":"f","parametersJsonSchema":{"properties":{"a":{"enum":[true]}}}}`), "TYPE_STRING"},
		{"two tools", "", with(`"tools":[{"functionDeclarations":[{"name":"f"}]},{"functionDeclarations":[{"name":"g"}]}],`), "all search tools"},
		{"choice", "", with(`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},`), ""},
		{"choice of nothing", "", with(`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}},`), "not declared"},
		{"choice and auto", "", with(`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}},`), "mode is ANY"},
		{"choice of a mode", "", with(`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"auto"}},`), "Invalid value"},
		{"choice without tools", "", with(`"toolConfig":{"functionCallingConfig":{"mode":"NONE"}},`), "without function_declarations"},

		{"config", "", config(`"temperature":1,"topP":1,"topK":40,"seed":1,"maxOutputTokens":5,"stopSequences":["a"],"thinkingConfig":{"thinkingBudget":0}`), ""},
		{"unknown config", "", config(`"n":1`), `Unknown name \"n\" at 'generation_config'`},
		{"temperature", "", config(`"temperature":3`), "range [0.0, 2.0]"},
		{"candidates", "", config(`"candidateCount":2`), "Multiple candidates"},
		{"six stops", "", config(`"stopSequences":["1","2","3","4","5","6"]`), "at most 5"},
		{"schema without a type", "", config(`"responseJsonSchema":{}`), "response_mime_type"},
		{"level of the second", "gemini-2.5-pro", config(`"thinkingConfig":{"thinkingLevel":"low"}`), "Thinking level low is not supported"},
		{"both", "gemini-3-flash", config(`"thinkingConfig":{"thinkingLevel":"low","thinkingBudget":1}`), "only one of"},
		{"level of the third", "gemini-3-pro-preview", config(`"thinkingConfig":{"thinkingLevel":"medium"}`), "is not supported"},
		{"no thinking", "gemini-2.0-flash", config(`"thinkingConfig":{"thinkingBudget":1}`), "thinking is not supported"},
		{"always thinking", "gemini-2.5-pro", config(`"thinkingConfig":{"thinkingBudget":0}`), "only works in thinking mode"},
		{"JSON and tools", "gemini-2.5-pro", with(`"tools":[{"functionDeclarations":[{"name":"f"}]}],"generationConfig":{"responseMimeType":"application/json"},`), "is unsupported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
			model := c.model
			if model == "" {
				model = "gemini-2.5-flash"
			}
			resp, body := geminiAsk(t, s, model+":generateContent", c.body)
			switch {
			case c.says == "" && resp.StatusCode != http.StatusOK:
				t.Errorf("refused: %s", body)
			case c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says) || !strings.HasSuffix(body, `"status":"INVALID_ARGUMENT"}}`)):
				t.Errorf("status %d %s, want 400 with %q", resp.StatusCode, body, c.says)
			}
		})
	}
	s := providertest.New(t)
	if resp, body := geminiAsk(t, s, "m:generateContent", with(""), "x-goog-api-key", ""); resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "PERMISSION_DENIED") {
		t.Errorf("without a key: %s", body)
	}
}

func TestGeminiReplies(t *testing.T) {
	s := providertest.New(t,
		providertest.Reasoning("hm").Then(providertest.Text("a"), providertest.Call("1", "f", `{"x":`, `1}`)).Costs(providertest.Usage{Input: 9, Cached: 4, Output: 7, Reasoning: 2}),
		providertest.Call("1", "f", `{"x":`),
		providertest.Text("b"),
		providertest.Error(503, "", "busy"),
	)
	says := `{"contents":[` + geminiSays + `],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`
	_, stream := geminiAsk(t, s, "gemini-2.5-pro:streamGenerateContent?alt=sse", says)
	for _, want := range []string{
		`"parts":[{"text":"hm","thought":true}]`, `"parts":[{"text":"a"}]`, `"parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"`,
		`"finishReason":"STOP"`, `"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":16,"cachedContentTokenCount":4,"thoughtsTokenCount":2}`,
	} {
		if !strings.Contains(stream, want) {
			t.Errorf("no %s in\n%s", want, stream)
		}
	}
	if _, body := geminiAsk(t, s, "gemini-3-pro:generateContent", says); !strings.Contains(body, `"finishReason":"MALFORMED_FUNCTION_CALL"`) {
		t.Error(body)
	}
	if _, body := geminiAsk(t, s, "gemini-3-pro:generateContent", says); !strings.Contains(body, `{"text":"b","thoughtSignature":"`) {
		t.Error(body)
	}
	if resp, body := geminiAsk(t, s, "gemini-3-pro:generateContent", says); resp.StatusCode != 503 || body != `{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}` {
		t.Error(body)
	}
	if r := s.Request(1); r.Wire != "gemini" || r.Model != "gemini-2.5-pro" || !r.Stream {
		t.Errorf("%+v", r)
	}
}

// TestPredict holds Claude on Vertex AI against its rules.
func TestPredict(t *testing.T) {
	s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("ok") })
	for _, c := range []struct{ path, body, says string }{
		{":rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[` + says + `]}`, ""},
		{":streamRawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"stream":true,"messages":[` + says + `]}`, ""},
		{":rawPredict", `{"anthropic_version":"vertex-2023-10-16","model":"m","max_tokens":5,"messages":[` + says + `]}`, "model: Extra inputs"},
		{":rawPredict", `{"max_tokens":5,"messages":[` + says + `]}`, "anthropic_version"},
		{":rawPredict", `{"anthropic_version":"vertex-2023-10-16","stream":true,"max_tokens":5,"messages":[` + says + `]}`, "stream: does not fit"},
	} {
		resp, body := ask(t.Context(), t, s, "/projects/p/locations/global/publishers/anthropic/models/claude"+c.path, c.body, "x-api-key", "", "anthropic-version", "", "authorization", "Bearer t")
		if c.says == "" && resp.StatusCode != http.StatusOK || c.says != "" && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, c.says)) {
			t.Errorf("%s %s: %d %s", c.path, c.body, resp.StatusCode, body)
		}
	}
	if r := s.Request(2); r.Model != "claude" || !r.Stream || r.Wire != "messages" {
		t.Errorf("%+v", r)
	}
	if resp, body := ask(t.Context(), t, s, "/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict", `{"anthropic_version":"vertex-2023-10-16","model":"m","messages":[`+says+`]}`, "authorization", "Bearer t"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, `{"input_tokens":`) {
		t.Error(body)
	}
}
