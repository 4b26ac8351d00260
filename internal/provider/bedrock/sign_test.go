package bedrock

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
)

// TestSignatures holds signatures against AWS's Signature Version 4 test suite (aws-sig-v4-test-suite): the cases whose headers
// are those that are signed here.
func TestSignatures(t *testing.T) {
	const token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd" +
		"QrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz" +
		"+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	for _, c := range []struct {
		name, contentType, body, token, signed, signature string
	}{
		{"post-vanilla", "", "", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-x-www-form-urlencoded", "application/x-www-form-urlencoded", "Param1=value1", "", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"post-sts-header-before", "", "", token, "host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
	} {
		s := newSigner("us-east-1", credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", c.token))
		s.service = "service"
		s.now = func() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.amazonaws.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Traceparent": {"changes on the way"}, "Accept": {"x"}, "Anthropic-Beta": {"x"}}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		if err := s.sign(r, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.signed + ", Signature=" + c.signature
		if got := r.Header.Get("Authorization"); got != want || r.Header.Get("X-Amz-Date") != "20150830T123600Z" || r.Header.Get("X-Amz-Security-Token") != c.token || r.Header.Get("Anthropic-Beta") != "" {
			t.Errorf("%s: %v\nwant %s", c.name, r.Header, want)
		}
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
