package sign

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/sigv4"
)

func request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws/invocations?qualifier=DEFAULT", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestKeysOfTheConfig: the config's keys sign for its region and its service, in place of whatever Authorization there was.
func TestKeysOfTheConfig(t *testing.T) {
	s := new(Signers)
	server := &mcp.Server{Auth: &mcp.Auth{Type: "sigv4", Region: "us-east-1", Service: "bedrock-agentcore", AccessKey: "AKIDEXAMPLE", SecretKey: secret.New("key"), SessionToken: secret.New("token")}}
	a := s.Authorize(server)
	r := request(t)
	r.Header.Set("Authorization", "Bearer of a caller")
	if err := a.Authorize(r, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(got, "/us-east-1/bedrock-agentcore/aws4_request") || r.Header.Get("X-Amz-Security-Token") != "token" {
		t.Errorf("%v", r.Header)
	}
	if s.Authorize(server) != a {
		t.Error("the same server gets another signer")
	}
	if again, err := a.Refused(r, &http.Response{StatusCode: http.StatusForbidden}); again || err != nil {
		t.Errorf("a refusal is tried again: %t, %v", again, err)
	}
}

// TestCredentialsThatComeLater: while none can be found, callers are told so and no more; when there are some, they sign.
func TestCredentialsThatComeLater(t *testing.T) {
	broken := true
	s := &Signers{find: func(region string) (sigv4.Found, error) {
		if broken {
			return sigv4.Found{}, errors.New("/home/operator/.aws/config:3: no such profile")
		}
		return sigv4.Found{Region: region, Credentials: sigv4.Keys("AKIDFOUND", secret.New("key"), secret.String{})}, nil
	}}
	a := s.Authorize(&mcp.Server{Auth: &mcp.Auth{Type: "sigv4", Region: "us-east-1", Service: "execute-api"}})
	err := a.Authorize(request(t), nil)
	if got := mcp.SafeMessage(err); got != "there are no AWS credentials that hold to sign requests to it with" {
		t.Errorf("%s", got)
	}
	broken = false
	r := request(t)
	if err := a.Authorize(r, nil); err != nil || !strings.Contains(r.Header.Get("Authorization"), "AKIDFOUND") {
		t.Errorf("%v, %v", r.Header, err)
	}
}
