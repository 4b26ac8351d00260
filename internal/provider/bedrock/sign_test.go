package bedrock

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/sigv4"
)

// TestSignedHeaders: what a client of Anthropic's sends in headers does not leave, and nothing that changes on the way is signed.
func TestSignedHeaders(t *testing.T) {
	s := &signer{region: "us-east-1", v4: sigv4.New("us-east-1", service, sigv4.Keys("AKIDEXAMPLE", secret.New("key"), secret.String{}))}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.amazonaws.com/model/x/converse-stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Traceparent": {"x"}, "Accept": {"x"}, "Anthropic-Beta": {"x"}, "Content-Type": {"application/json"}}
	if err := s.sign(r, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("Anthropic-Beta") != "" || r.Header.Get("Accept") != "application/vnd.amazon.eventstream" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date,") {
		t.Errorf("%v", r.Header)
	}
}

func TestAddresses(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "https://bedrock-runtime.us-east-1.amazonaws.com", "cn-north-1": "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
		"us-gov-west-1": "https://bedrock-runtime.us-gov-west-1.amazonaws.com", "us-isob-east-1": "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov",
	} {
		if got := address(region); got != want {
			t.Errorf("%s is at %s", region, got)
		}
	}
	for base, want := range map[string]string{
		"https://bedrock-runtime.eu-west-1.amazonaws.com": "eu-west-1", "https://bedrock-runtime-fips.us-east-1.amazonaws.com/x": "us-east-1",
		"https://vpce-1-abc.bedrock-runtime.us-west-2.vpce.amazonaws.com": "us-west-2", "https://bedrock-runtime.us-east-1.api.aws": "us-east-1",
		"https://bedrock-runtime.eu-west-1.example.com": "", "://": "", "": "", "https://x.amazonaws.com": "",
	} {
		if got := regionOf(base); got != want {
			t.Errorf("%s is in %q", base, got)
		}
	}
	for id, want := range map[string]string{
		"us.anthropic.claude-opus-4-1-20250805-v1:0": "claude-opus-4-1-20250805-v1:0", "amazon.nova-pro-v1:0": "amazon.nova-pro-v1:0",
		"arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-3-7-sonnet-20250219-v1:0": "claude-3-7-sonnet-20250219-v1:0",
	} {
		if got := claudeOf(id); got != want {
			t.Errorf("%s is %s", id, got)
		}
	}
}
