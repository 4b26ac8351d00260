package sigv4

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/fairlead/fairlead/internal/secret"
)

// TestSignatures holds signatures against AWS's Signature Version 4 test suite (aws-sig-v4-test-suite): the cases whose headers
// are those that are signed here.
func TestSignatures(t *testing.T) {
	const token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd" +
		"QrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz" +
		"+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
	for _, c := range []struct {
		name, method, path, contentType, body, token, signed, signature string
	}{
		{"post-vanilla", "POST", "/", "", "", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-x-www-form-urlencoded", "POST", "/", "application/x-www-form-urlencoded", "Param1=value1", "", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"post-sts-header-before", "POST", "/", "", "", token, "host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
		{"get-vanilla", "GET", "/", "", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", "", "", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	} {
		s := New("us-east-1", "service", Keys("AKIDEXAMPLE", secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), secret.New(c.token)))
		s.now = func() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }
		r, err := http.NewRequestWithContext(t.Context(), c.method, "https://example.amazonaws.com"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Traceparent": {"changes on the way"}, "Accept": {"x"}, "X-Amz-Security-Token": {"of an earlier try"}}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		if err := s.Sign(r, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.signed + ", Signature=" + c.signature
		if got := r.Header.Get("Authorization"); got != want || r.Header.Get("X-Amz-Date") != "20150830T123600Z" || r.Header.Get("X-Amz-Security-Token") != c.token {
			t.Errorf("%s: %v\nwant %s", c.name, r.Header, want)
		}
	}
}

type none struct{}

func (none) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("no IMDS at 169.254.169.254")
}

// TestNoCredentials: the error is one of its own, whose text does not name the places that were asked.
func TestNoCredentials(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.amazonaws.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = New("us-east-1", "service", none{}).Sign(r, nil)
	if e, ok := errors.AsType[*CredentialsError](err); !ok || strings.Contains(e.Error(), "169.254") || e.Err == nil {
		t.Errorf("%v", err)
	}
}

// TestFind reads the environment as AWS's own SDKs do.
func TestFind(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	for given, want := range map[string]string{"": "eu-west-1", "us-east-2": "us-east-2"} {
		f, err := Find(given)
		if err != nil || f.Region != want {
			t.Fatalf("%+v, %v", f, err)
		}
		if c, err := f.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "id" {
			t.Errorf("%+v, %v", c, err)
		}
	}
}
