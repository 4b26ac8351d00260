package bedrock_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/bedrock"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/converse"
	"github.com/fairlead/fairlead/internal/wire/messages"
)

const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

// alone empties the environment of all that AWS's SDKs look at, and sets pairs.
func alone(t *testing.T, pairs ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	dir := t.TempDir()
	pairs = append([]string{
		"AWS_EC2_METADATA_DISABLED", "true", "AWS_CONFIG_FILE", filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"),
	}, pairs...)
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

func signed(t *testing.T) {
	t.Helper()
	alone(t, "AWS_ACCESS_KEY_ID", providertest.AccessKey, "AWS_SECRET_ACCESS_KEY", providertest.SecretKey, "AWS_REGION", providertest.BedrockRegion)
}

func try(tb testing.TB, t provider.Target) (*provider.Client, error) {
	tb.Helper()
	tr := provider.Transport(0)
	tb.Cleanup(tr.CloseIdleConnections)
	return bedrock.Driver().Open(t, provider.Env{
		Transport: tr,
		Wire: func(name string, q wire.Quirks) (wire.Upstream, error) {
			if name == "messages" {
				return messages.NewUpstream(q)
			}
			return converse.NewUpstream(q)
		},
	})
}

func open(tb testing.TB, t provider.Target) *provider.Client {
	tb.Helper()
	c, err := try(tb, t)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func base(s *providertest.Server) string { return strings.TrimSuffix(s.URL(), "/v1") }

// turn is what a reply comes to.
type turn struct {
	text, think, stop string
	message           llm.Message
	raw, contentType  string
	usage             *llm.Usage
}

func ask(tb testing.TB, c *provider.Client, req *llm.Request) (turn, error) {
	tb.Helper()
	t := turn{message: llm.Message{Role: llm.Assistant}}
	for ev, err := range c.Generate(tb.Context(), req) {
		if err != nil {
			return t, err
		}
		switch ev.Kind {
		case llm.Text:
			t.text += ev.Text
		case llm.Thinking:
			t.think += ev.Text
		case llm.ToolCall:
			if ev.Index == len(t.message.Calls) {
				t.message.Calls = append(t.message.Calls, llm.Call{ID: ev.Call.ID, Name: ev.Call.Name})
			}
			t.message.Calls[ev.Index].Arguments += ev.Call.Arguments
		case llm.Opaque:
			t.raw += string(ev.Raw)
			if ev.Head != nil {
				t.contentType = ev.Head.ContentType
			}
		case llm.End:
			t.stop, t.usage = ev.Stop, ev.Usage
		}
		if len(ev.Extra.Delta) > 0 {
			t.message.Wire, t.message.Extra = ev.Extra.Wire, append([]byte(nil), ev.Extra.Delta...)
		}
	}
	t.message.Text = t.text
	return t, nil
}

// TestRounds has the model think and call over two rounds, in both wires, streamed and not, signed and with a key. The scripted
// model refuses what Bedrock refuses: a wrong signature, results that are not where they must be, thoughts that do not come back.
func TestRounds(t *testing.T) {
	for _, c := range []struct {
		wire, key string
		stream    bool
		path      string
	}{
		{"converse", "", false, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"},
		{"converse", "abc", true, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"},
		{"messages", "abc", false, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"},
		{"messages", "", true, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream"},
	} {
		t.Run(c.path, func(t *testing.T) {
			signed(t)
			s := providertest.New(t,
				providertest.Reasoning("I ", "see.").Then(providertest.Text("Let me look."), providertest.Call("tooluse_1", "docs-add", `{"a":`, `1.0}`), providertest.Call("tooluse_2", "docs-now")),
				providertest.Reasoning("Again.").Then(providertest.Call("tooluse_3", "docs-now", "{}")),
				providertest.Text("Done.").Costs(providertest.Usage{Input: 9, Cached: 4, Output: 3}),
			)
			client := open(t, provider.Target{Model: model, BaseURL: base(s), Key: secret.New(c.key), Wire: c.wire})
			req := &llm.Request{
				Model: "smart", Stream: c.stream,
				Messages:   []llm.Message{{Role: llm.System, Text: "Be brief."}, {Role: llm.User, Text: "hi"}},
				AddedTools: []llm.Tool{{Name: "docs-add", Schema: []byte(`{"type":"object"}`)}, {Name: "docs-now"}},
			}
			req.Params.ThinkTokens = 2048
			for range 2 {
				got, err := ask(t, client, req)
				if err != nil || got.stop != llm.StopTools || got.think == "" {
					t.Fatalf("%+v, %v", got, err)
				}
				req.AddedMessages = append(req.AddedMessages, got.message)
				for _, call := range got.message.Calls {
					req.AddedMessages = append(req.AddedMessages, llm.Message{Role: llm.ToolRole, Result: &llm.Result{CallID: call.ID, Text: "ok"}})
				}
			}
			got, err := ask(t, client, req)
			if err != nil || got.text != "Done." || got.stop != llm.StopDone || got.usage == nil || got.usage.Input != 5 || got.usage.CacheRead != 4 || got.usage.Output != 3 {
				t.Errorf("%+v %+v, %v", got, got.usage, err)
			}
			last := s.Request(3)
			if last.Model != model || last.Path != c.path || !strings.Contains(string(last.Raw), `"input":{"a":1.0}`) {
				t.Errorf("asked for %s at %s: %s", last.Model, last.Path, last.Raw)
			}
		})
	}
}

// claude is a request of a client of the Messages API.
func claude(t *testing.T, body string, headers ...llm.Header) *llm.Request {
	t.Helper()
	req, err := messages.Door{}.ReadRequest(nil, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Opaque, req.Headers = true, headers
	return req
}

// TestClaudeInItsOwnWords wants the bytes of a client of the Messages API kept, but for what Bedrock has elsewhere, and the
// reply as Anthropic would have sent it.
func TestClaudeInItsOwnWords(t *testing.T) {
	signed(t)
	s := providertest.New(t, providertest.Text("Hel", "lo."), providertest.Text("Hello."))
	c := open(t, provider.Target{Model: model, BaseURL: base(s), Wire: "messages"})
	body := `{"model":"smart", "max_tokens":10,"stream":true,"service_tier":"auto","temperature":0.50,"messages":[{"role":"user","content":"\u0068i"}],"anthropic_beta":["x"]}`
	beta := llm.Header{Name: "Anthropic-Beta", Value: "claude-code-20250219, interleaved-thinking-2025-05-14,context-1m-2025-08-07"}
	got, err := ask(t, c, claude(t, body, llm.Header{Name: "Anthropic-Version", Value: "2023-06-01"}, beta))
	if err != nil || got.contentType != "text/event-stream" {
		t.Fatalf("%+v, %v", got, err)
	}
	want := `{ "max_tokens":10,"temperature":0.50,"messages":[{"role":"user","content":"\u0068i"}],"anthropic_beta":["interleaved-thinking-2025-05-14","context-1m-2025-08-07"],"anthropic_version":"bedrock-2023-05-31"}`
	if sent := string(s.Request(1).Raw); sent != want {
		t.Errorf("sent\n%s\nwant\n%s", sent, want)
	}
	if !strings.HasPrefix(got.raw, "event: message_start\ndata: {\"type\":\"message_start\"") || !strings.Contains(got.raw, "event: content_block_delta\ndata: {") || !strings.HasSuffix(got.raw, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") {
		t.Errorf("the client sees\n%s", got.raw)
	}
	if got.usage == nil || got.usage.Output != 5 {
		t.Errorf("usage %+v", got.usage)
	}
	got, err = ask(t, c, claude(t, strings.Replace(body, `"stream":true,`, "", 1)))
	if err != nil || !strings.HasPrefix(got.raw, `{"id":"msg_`) || strings.Contains(string(s.Request(2).Raw), `"x"`) {
		t.Errorf("%+v, %v: %s", got, err, s.Request(2).Raw)
	}
}

func TestCount(t *testing.T) {
	signed(t)
	s := providertest.New(t)
	c := open(t, provider.Target{Model: model, BaseURL: base(s), Wire: "messages"})
	req := claude(t, `{"model":"smart","messages":[{"role":"user","content":"hi"}]}`)
	req.Op = "/count_tokens"
	got, err := ask(t, c, req)
	if err != nil || !strings.HasPrefix(got.raw, `{"input_tokens":`) || s.Request(1).Path != "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens" {
		t.Errorf("%+v, %v: %s", got, err, s.Request(1).Path)
	}
}

// TestErrorsInStreams breaks replies of Claude off after their first words.
func TestErrorsInStreams(t *testing.T) {
	signed(t)
	half := providertest.Text("Half").Then(providertest.Exception("throttlingException", "Slow down.")).NoFinish()
	for _, wireName := range []string{"converse", "messages"} {
		s := providertest.New(t, half, providertest.Text("x").Then(providertest.Bytes("\x00\x00\x00\x10garbage")).NoFinish(), providertest.Text("Half").NoFinish(), providertest.Text("Half").Then(providertest.Cut()))
		c := open(t, provider.Target{Model: model, BaseURL: base(s), Wire: wireName})
		for i, w := range []struct {
			kind  fault.Kind
			words string
		}{{fault.Refused, "Slow down."}, {fault.Upstream, "corrupt"}, {fault.Upstream, "ended before"}, {fault.Upstream, "broke off in the middle"}} {
			got, err := ask(t, c, &llm.Request{Stream: true, Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
			if f := fault.From(err); f.Kind != w.kind || !strings.Contains(f.Message, w.words) || f.Provider != "bedrock" || f.Kind == fault.Refused && f.Status != 429 {
				t.Errorf("%s %d: %+v, %+v", wireName, i, got, f)
			}
		}
	}
	s := providertest.New(t, half)
	c := open(t, provider.Target{Model: model, BaseURL: base(s), Wire: "messages"})
	got, _ := ask(t, c, claude(t, `{"model":"m","max_tokens":10,"stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if !strings.HasSuffix(got.raw, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Slow down.\"}}\n\n") {
		t.Errorf("the client sees\n%s", got.raw)
	}
}

// TestRefusals wants what is wrong with credentials, region and model told with the field, the provider and what to do.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, access, secret, region string
		kind                         fault.Kind
		status                       int
		code, words                  string
	}{
		{"expired", providertest.ExpiredKey, "x", providertest.BedrockRegion, fault.Refused, 403, "ExpiredTokenException", "(provider bedrock in us-east-1: the gateway's AWS credentials have expired: renew them)"},
		{"unknown key", "AKIDOTHER", "x", providertest.BedrockRegion, fault.Refused, 403, "UnrecognizedClientException", "credentials are wrong"},
		{"wrong secret", providertest.AccessKey, "x", providertest.BedrockRegion, fault.Refused, 403, "InvalidSignatureException", "check AWS_SECRET_ACCESS_KEY"},
		{"wrong region", providertest.AccessKey, providertest.SecretKey, "eu-west-1", fault.Refused, 403, "InvalidSignatureException", "region is not that of the base_url"},
		{"none", "", "", providertest.BedrockRegion, fault.Credentials, 424, "upstream_credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the model an api_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			alone(t, "AWS_ACCESS_KEY_ID", c.access, "AWS_SECRET_ACCESS_KEY", c.secret)
			s := providertest.NewRule(t, func(*providertest.Request) providertest.Step { return providertest.Text("?") })
			client := open(t, provider.Target{Model: model, BaseURL: base(s), Region: c.region})
			_, err := ask(t, client, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
			f := fault.From(err)
			if f.Kind != c.kind || f.HTTPStatus() != c.status || f.Code != c.code || !strings.Contains(f.Message, c.words) || f.Provider != "bedrock" {
				t.Errorf("%+v", f)
			}
		})
	}
	signed(t)
	for message, words := range map[string]string{
		"The provided model identifier is invalid.":                           "check the config's model and region",
		"Invocation of model ID x with on-demand throughput isn’t supported.": "must be an inference profile",
		"Something else.": "Something else.",
	} {
		s := providertest.New(t, providertest.Error(400, "", message))
		_, err := ask(t, open(t, provider.Target{Model: model, BaseURL: base(s)}), &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
		if f := fault.From(err); f.Status != 400 || f.Code != "ValidationException" || !strings.Contains(f.Message, words) {
			t.Errorf("%s: %+v", message, f)
		}
	}
}

// TestModelThatFails wants a model's own failure told as one, so that another place may be asked.
func TestModelThatFails(t *testing.T) {
	signed(t)
	s := providertest.New(t, providertest.Error(424, "", "The model has failed."))
	_, err := ask(t, open(t, provider.Target{Model: model, BaseURL: base(s)}), &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
	if f := fault.From(err); f.Kind != fault.Upstream || f.HTTPStatus() != 502 || f.Code != "ModelErrorException" || f.Message != "The model has failed." {
		t.Errorf("%+v", f)
	}
}

func TestPlaces(t *testing.T) {
	alone(t)
	for _, c := range []struct {
		t     provider.Target
		env   string // AWS_REGION
		field string
	}{
		{provider.Target{}, "", "region"},
		{provider.Target{Key: secret.New("k")}, "", "region"},
		{provider.Target{BaseURL: "http://127.0.0.1:1"}, "", "region"},
		{provider.Target{BaseURL: "http://127.0.0.1:1", Key: secret.New("k")}, "", ""},
		{provider.Target{BaseURL: "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"}, "", ""},
		{provider.Target{BaseURL: "https://bedrock-runtime-fips.us-east-1.amazonaws.com"}, "", ""},
		{provider.Target{}, "us-east-1", ""},
		{provider.Target{Region: "cn-north-1"}, "", ""},
		{provider.Target{Region: "us-east-1", Wire: "chat"}, "", "wire"},
	} {
		t.Setenv("AWS_REGION", c.env)
		_, err := try(t, c.t)
		m, _ := errors.AsType[*provider.Mistake](err)
		if c.field == "" && err != nil || c.field != "" && (m == nil || m.Field != c.field || !strings.Contains(m.Message, "bedrock")) {
			t.Errorf("%+v with AWS_REGION=%s: %v", c.t, c.env, err)
		}
	}
}

// TestProfiles has region and credentials in AWS's shared files.
func TestProfiles(t *testing.T) {
	alone(t, "AWS_PROFILE", "work")
	write := func(env, text string) {
		if err := os.WriteFile(os.Getenv(env), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := try(t, provider.Target{Model: model}); err == nil || !strings.Contains(err.Error(), "work") {
		t.Errorf("a profile that there is not: %v", err)
	}
	write("AWS_CONFIG_FILE", "[profile work]\nregion = "+providertest.BedrockRegion+"\n")
	write("AWS_SHARED_CREDENTIALS_FILE", "[work]\naws_access_key_id = "+providertest.AccessKey+"\naws_secret_access_key = "+providertest.SecretKey+"\n")
	s := providertest.New(t, providertest.Text("Hi."))
	got, err := ask(t, open(t, provider.Target{Model: model, BaseURL: base(s)}), &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}})
	if err != nil || got.text != "Hi." {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestKeyInTheEnvironment wants AWS's own variable for a Bedrock API key used, and the config's key before it.
func TestKeyInTheEnvironment(t *testing.T) {
	alone(t, "AWS_BEARER_TOKEN_BEDROCK", "from-the-environment", "AWS_ACCESS_KEY_ID", "x", "AWS_SECRET_ACCESS_KEY", "y")
	s := providertest.New(t, providertest.Text("Hi."), providertest.Text("Hi."))
	for _, c := range [][2]string{{"", "Bearer from-the-environment"}, {"own", "Bearer own"}} {
		client := open(t, provider.Target{Model: model, BaseURL: base(s), Key: secret.New(c[0])})
		if _, err := ask(t, client, &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "hi"}}}); err != nil {
			t.Fatal(err)
		}
		last := s.Requests()[len(s.Requests())-1]
		if got := last.Header.Get("Authorization"); got != c[1] || last.Header.Get("X-Amz-Date") != "" {
			t.Errorf("asked with %q", got)
		}
	}
}
