package providertest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestConverseRefusals has the rules of Bedrock, each broken once, in the words of Bedrock.
func TestConverseRefusals(t *testing.T) {
	const (
		user = `{"role":"user","content":[{"text":"hi"}]}`
		uses = `{"role":"assistant","content":[{"text":"Wait."},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}},{"toolUse":{"toolUseId":"t2","name":"f","input":{}}}]}`
		came = `{"role":"user","content":[{"toolResult":{"toolUseId":"t2","content":[{"json":{}}],"status":"error"}},{"toolResult":{"toolUseId":"t1","content":[{"text":"1"}]}},{"text":"so?"}]}`
		one  = `{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object"}}}}`
		tool = `"toolConfig":{"tools":[` + one + `]},`
	)
	with := func(members string, list ...string) string {
		if list == nil {
			list = []string{user}
		}
		return `{` + members + `"messages":[` + strings.Join(list, ",") + `]}`
	}
	says := func(content string) string { return `{"role":"user","content":[` + content + `]}` }
	model := func(content string) string { return `{"role":"assistant","content":[` + content + `]}` }
	for _, c := range []struct{ name, body, says string }{
		{"plain", with(""), ""},
		{"calls and results", with(tool, user, uses, came), ""},
		{"documented members", with(`"system":[{"text":"s"},{"cachePoint":{"type":"default"}}],"inferenceConfig":{"maxTokens":5,"temperature":1,"topP":0.5,"stopSequences":["x"]},"requestMetadata":{},"serviceTier":{"type":"flex"},`), ""},
		{"media", with("", says(`{"text":"x"},{"image":{"format":"png","source":{"bytes":"AAAA"}}},{"document":{"format":"pdf","name":"a (b)","source":{"bytes":"AAAA"}}}`)), ""},
		{"not JSON", `{"messages":`, "not valid JSON"},
		{"another type", `{"messages":{}}`, "Malformed input request"},
		{"unknown member", with(`"temperature":1,`), "extraneous key [temperature] is not permitted"},
		{"unknown limit", with(`"inferenceConfig":{"topK":1},`), "extraneous key [topK]"},
		{"a temperature above 1", with(`"inferenceConfig":{"temperature":1.5},`), "at 'inferenceConfig.temperature' failed"},
		{"no messages", `{"messages":[]}`, "at 'messages' failed"},
		{"roles alternate", with("", user, user), "must alternate between user and assistant roles"},
		{"the user first", with("", model(`{"text":"x"}`), user), "must start with a user message"},
		{"another role", with("", `{"role":"system","content":[{"text":"x"}]}`), "[user, assistant]"},
		{"no content", with("", says("")), "content field in the Message object at messages.0 is empty"},
		{"blank text", with("", says(`{"text":" "}`)), "object at messages.0.content.0 is blank"},
		{"blank system", with(`"system":[{"text":""}],`), "system.0 is blank"},
		{"two kinds", with("", says(`{"text":"x","image":{"format":"png","source":{"bytes":"AAAA"}}}`)), "must set one of the following keys"},
		{"another kind", with("", says(`{"sound":{}}`)), "extraneous key [sound]"},
		{"image by URL", with("", says(`{"image":{"format":"png","source":{"url":"https://h"}}}`)), "extraneous keys at messages.0.content.0.image"},
		{"image format", with("", says(`{"image":{"format":"tiff","source":{"bytes":"AAAA"}}}`)), "[png, jpeg, gif, webp]"},
		{"document name", with("", says(`{"text":"x"},{"document":{"format":"pdf","name":"a_b.pdf","source":{"bytes":"AAAA"}}}`)), "file name"},
		{"document alone", with("", says(`{"document":{"format":"pdf","name":"a","source":{"bytes":"AAAA"}}}`)), "has a document and no text"},
		{"tool blocks without toolConfig", with("", user, uses, came), "The toolConfig field must be defined when using toolUse and toolResult content blocks."},
		{"no result", with(tool, user, uses, user), "Expected toolResult blocks at messages.2.content for the following Ids: t1, t2"},
		{"no result at the end", with(tool, user, uses), "Expected toolResult blocks at messages.2.content"},
		{"one result too many", with(tool, user, uses, came, model(`{"text":"x"}`), came), "exceeds the number of toolUse blocks of previous turn"},
		{"results first", with(tool, user, uses, says(`{"text":"x"},{"toolResult":{"toolUseId":"t1","content":[]}},{"toolResult":{"toolUseId":"t2","content":[]}}`)), "must come before all other content"},
		{"text behind a call", with(tool, user, model(`{"toolUse":{"toolUseId":"t1","name":"f","input":{}}},{"text":"x"}`), came), "must come before the toolUse blocks"},
		{"ids twice", with(tool, user, uses, came, uses, came), "ids must be unique"},
		{"an odd id", with(tool, user, model(`{"toolUse":{"toolUseId":"call|1","name":"f","input":{}}}`)), "toolUseId' failed"},
		{"input that is a text", with(tool, user, model(`{"toolUse":{"toolUseId":"t1","name":"f","input":"{}"}}`)), "Provide a json object"},
		{"a call of the user", with(tool, says(`{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}`)), "User messages cannot contain"},
		{"a blank result", with(tool, user, uses, says(`{"toolResult":{"toolUseId":"t1","content":[{"text":""}]}}`)), "is blank"},
		{"another status", with(tool, user, uses, says(`{"toolResult":{"toolUseId":"t1","content":[],"status":"failed"}}`)), "Malformed input request"},
		{"no tools", with(`"toolConfig":{"tools":[]},`), "length greater than or equal to 1"},
		{"a name of 65 letters", with(strings.Replace(tool, `"f"`, `"`+strings.Repeat("f", 65)+`"`, 1)), "length less than or equal to 64"},
		{"an odd name", with(strings.Replace(tool, `"f"`, `"a.b"`, 1)), "regular expression pattern"},
		{"two of one name", with(`"toolConfig":{"tools":[` + one + `,` + one + `]},`), "must be unique"},
		{"a schema of no object", with(strings.Replace(tool, "object", "string", 1)), "must be one of the following: object"},
		{"choice none", with(strings.Replace(tool, `]}`, `],"toolChoice":{"none":{}}}`, 1)), "must be one of auto, any and tool"},
		{"choice of another tool", with(strings.Replace(tool, `]}`, `],"toolChoice":{"tool":{"name":"g"}}}`, 1)), "name g in toolConfig.toolChoice is not defined"},
		{"a forged thought", with("", user, model(`{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}}`)), "Invalid `signature`"},
		{"a small budget", with(`"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":5}},`), "greater than or equal to 1024"},
		{"a limit below the budget", with(`"inferenceConfig":{"maxTokens":1024},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}},`), "must be greater than `thinking.budget_tokens`"},
		{"a form that is no JSON", with(`"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}},`), "is not valid JSON"},
	} {
		s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("fine") })
		resp, got := ask(t.Context(), t, s, "/model/anthropic.claude%3A0/converse", c.body, "authorization", "Bearer k")
		name, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
		switch {
		case c.says == "" && resp.StatusCode != http.StatusOK:
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, got)
		case c.says != "" && (resp.StatusCode != http.StatusBadRequest || name != "ValidationException" || !strings.Contains(got, c.says)):
			t.Errorf("%s: %d %s %s", c.name, resp.StatusCode, name, got)
		}
	}
}

// TestInvokeRefusals has what differs from Anthropic's own.
func TestInvokeRefusals(t *testing.T) {
	const good = `{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[` + says + `]}`
	for _, c := range []struct{ path, body, says string }{
		{"invoke", good, ""},
		{"invoke-with-response-stream", good, ""},
		{"invoke", strings.Replace(good, "{", `{"anthropic_beta":["interleaved-thinking-2025-05-14"],`, 1), ""},
		{"invoke", strings.Replace(good, "{", `{"anthropic_beta":["claude-code-20250219"],`, 1), "invalid beta flag"},
		{"invoke", strings.Replace(good, "{", `{"model":"m",`, 1), "model: Extra inputs are not permitted"},
		{"invoke", strings.Replace(good, "{", `{"stream":true,`, 1), "stream: Extra inputs are not permitted"},
		{"invoke", strings.Replace(good, "bedrock-2023-05-31", "2023-06-01", 1), "anthropic_version: Field required"},
		{"invoke", strings.Replace(good, `"max_tokens":5,`, "", 1), "max_tokens: Field required"},
		{"count-tokens", `{"input":{"invokeModel":{"body":"` + base64.StdEncoding.EncodeToString([]byte(good)) + `"}}}`, ""},
		{"count-tokens", `{"input":{"invokeModel":{"body":"e30="}}}`, "anthropic_version: Field required"},
		{"count-tokens", good, "Malformed input request"},
	} {
		s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("fine") })
		resp, got := ask(t.Context(), t, s, "/model/m/"+c.path, c.body, "authorization", "Bearer k", "anthropic-version", "")
		if (resp.StatusCode == http.StatusOK) != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s of %s: %d %s", c.path, c.body, resp.StatusCode, got)
		}
	}
	s := providertest.New(t)
	for auth, want := range map[string]string{
		"": "MissingAuthenticationToken", "AWS4-HMAC-SHA256 x": "IncompleteSignature",
		"AWS4-HMAC-SHA256 Credential=" + providertest.AccessKey + "/20200101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00": "InvalidSignature",
	} {
		resp, got := ask(t.Context(), t, s, "/model/m/invoke", good, "authorization", auth, "x-amz-date", "20200101T000000Z", "anthropic-version", "")
		if resp.StatusCode != http.StatusForbidden || !strings.HasPrefix(resp.Header.Get("X-Amzn-Errortype"), want) {
			t.Errorf("%s: %d %s", auth, resp.StatusCode, got)
		}
	}
}
