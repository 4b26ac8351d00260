package chat

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/wire"
)

func TestReadError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   fault.Error
	}{
		{
			"OpenAI", 400, `{"error":{"message":"Unknown parameter: 'x'.","type":"invalid_request_error","param":"x","code":"unknown_parameter"}}`,
			fault.Error{Message: "Unknown parameter: 'x'.", Type: "invalid_request_error", Param: "x", Code: "unknown_parameter"},
		},
		{"code null", 429, `{"error":{"message":"slow","type":"rate_limit_error","param":null,"code":null}}`, fault.Error{Message: "slow", Type: "rate_limit_error"}},
		{"code a number", 402, `{"error":{"message":"no credit","code":402}}`, fault.Error{Message: "no credit", Code: "402"}},
		{"a string", 400, `{"error":"model 'x' not found"}`, fault.Error{Message: "model 'x' not found"}},
		{"xAI", 400, `{"code":"Client specified an invalid argument","error":"bad schema"}`, fault.Error{Message: "bad schema", Code: "Client specified an invalid argument"}},
		{"detail", 422, `{"detail":"not here"}`, fault.Error{Message: "not here"}},
		{"detail list", 422, `{"detail":[{"loc":["body","n"],"msg":"too large","type":"value_error"}]}`, fault.Error{Message: "too large", Type: "value_error"}},
		{
			"Mistral", 422, `{"object":"error","message":{"detail":[{"type":"extra_forbidden","msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","param":null,"code":null}`,
			fault.Error{Message: "Extra inputs are not permitted", Type: "extra_forbidden"},
		},
		{"vLLM", 400, `{"object":"error","message":"no tool parser","type":"BadRequestError","param":null,"code":400}`, fault.Error{Message: "no tool parser", Type: "BadRequestError", Code: "400"}},
		{
			"OpenRouter", 400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"bad tool\"}}","provider_name":"X"}}}`,
			fault.Error{Message: "Provider returned error: bad tool", Code: "400"},
		},
		{"Gemini", 400, `[{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT"}}]`, fault.Error{Message: "Bad.", Code: "INVALID_ARGUMENT"}},
		{"HTML", 502, `<html><h1>502</h1>upstream 10.0.0.7:8080</html>`, fault.Error{Message: "the provider answered with status 502"}},
		{"text", 503, "no healthy upstream 10.0.0.7", fault.Error{Message: "the provider answered with status 503"}},
		{"nothing", 500, "", fault.Error{Message: "the provider answered with status 500"}},
		{"an object without a word", 500, `{"ok":false}`, fault.Error{Message: "the provider answered with status 500"}},
		{"control characters", 400, `{"error":{"message":"a\u001b[31m\nb\u0000\ud83d"}}`, fault.Error{Message: "a[31m b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := fault.From(upstream(t, wire.Quirks{}).ReadError(tt.status, []byte(tt.body)))
			got := fault.Error{Message: e.Message, Type: e.Type, Param: e.Param, Code: e.Code}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if e.Kind != fault.Refused || e.HTTPStatus() != tt.status {
				t.Errorf("kind %v, status %d", e.Kind, e.HTTPStatus())
			}
		})
	}
	long := upstream(t, wire.Quirks{}).ReadError(400, []byte(`{"error":"`+strings.Repeat("ä", 5000)+`"}`))
	if m := fault.From(long).Message; len(m) > 2<<10 || !utf8.ValidString(m) {
		t.Errorf("message of %d bytes", len(m))
	}
}
