package bedrock

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/provider"
)

// service is what requests to bedrock-runtime are signed for.
const service = "bedrock"

// signer signs requests by Signature Version 4. Signed are the method, the path, the query, the body, and of the headers those
// that must be and Content-Type: what proxies change is left out.
type signer struct {
	credentials aws.CredentialsProvider // nil: requests have a key
	region      string
	service     string
	v4          *v4.Signer
	now         func() time.Time
}

func newSigner(region string, credentials aws.CredentialsProvider) *signer {
	return &signer{credentials: credentials, region: region, service: service, v4: v4.NewSigner(), now: time.Now}
}

// sign readies a request's headers. Those that a client of Anthropic's sends stand in the body, if anywhere.
func (s *signer) sign(r *http.Request, body []byte) error {
	for h := range r.Header {
		if strings.HasPrefix(h, "Anthropic-") {
			delete(r.Header, h)
		}
	}
	if strings.HasSuffix(r.URL.Path, "-stream") {
		r.Header["Accept"] = []string{"application/vnd.amazon.eventstream"}
	}
	if s.credentials == nil {
		return nil
	}
	c, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return &fault.Error{
			Kind: fault.Credentials, Code: provider.CodeCredentials, Err: err,
			Message: "provider bedrock cannot be asked: the gateway finds no AWS credentials that hold; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the model an api_key",
		}
	}
	sum := sha256.Sum256(body)
	own := http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	if t := r.Header.Get("Content-Type"); t != "" {
		own.Header.Set("Content-Type", t)
	}
	if err := s.v4.SignHTTP(r.Context(), c, &own, hex.EncodeToString(sum[:]), s.service, s.region, s.now()); err != nil {
		return err
	}
	for _, h := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if v := own.Header[h]; len(v) > 0 {
			r.Header[h] = v
		}
	}
	return nil
}

// advice is what to do about an error, by what its text says. The texts are those of the service.
var advice = []struct{ says, do string }{
	{"security token included in the request is expired", "the gateway's AWS credentials have expired: renew them"},
	{"security token included in the request is invalid", "the gateway's AWS credentials are wrong, or not for this partition of AWS: check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and AWS_PROFILE"},
	{"signature we calculated does not match", "the gateway's AWS secret key is wrong: check AWS_SECRET_ACCESS_KEY"},
	{"signature expired", "the gateway's clock is wrong"},
	{"credential should be scoped to a valid region", "the config's region is not that of the base_url"},
	{"authentication failed: please make sure your api key is valid", "the model's api_key is wrong or has expired"},
	{"provided model identifier is invalid", "check the config's model and region: the model must be offered there"},
	{"on-demand throughput isn", "the config's model must be an inference profile, such as us.<model> or its ARN"},
	{"don't have access to the model", "the AWS account has no access to this model in this region: ask for it in the Bedrock console"},
	{"is not authorized to perform", "the gateway's AWS identity needs bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream"},
}

// advise adds to a refusal what to do about it.
func (a advised) advise(err error) error {
	f := fault.From(err)
	text := strings.ToLower(f.Message)
	for _, x := range advice {
		if strings.Contains(text, x.says) {
			own := *f
			own.Message = strings.TrimRight(f.Message, ". ") + " (provider bedrock"
			if a.region != "" {
				own.Message += " in " + a.region
			}
			own.Message += ": " + x.do + ")"
			return &own
		}
	}
	return err
}
