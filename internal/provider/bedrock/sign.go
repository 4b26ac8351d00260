package bedrock

import (
	"errors"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/sigv4"
)

// service is what requests to bedrock-runtime are signed for.
const service = "bedrock"

// signer readies requests.
type signer struct {
	v4     *sigv4.Signer // nil: requests have a key
	region string
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
	if s.v4 == nil {
		return nil
	}
	err := s.v4.Sign(r, body)
	if c, ok := errors.AsType[*sigv4.CredentialsError](err); ok {
		return &fault.Error{
			Kind: fault.Credentials, Code: provider.CodeCredentials, Err: c.Err,
			Message: "provider bedrock cannot be asked: the gateway finds no AWS credentials that hold; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the model an api_key",
		}
	}
	return err
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
