// Package bedrock is the driver for Amazon Bedrock: all models by Converse, and Claude in its own words by InvokeModel.
//
// A request has either a Bedrock API key (api_key, or AWS_BEARER_TOKEN_BEDROCK), or the signature of AWS's credentials, which
// are found where AWS's own SDKs find them: the environment, the shared config and credentials files with AWS_PROFILE, single
// sign-on, a web identity, a container's or an EC2 instance's role. They are asked for when a request needs them, kept until
// shortly before they expire, and then asked for again.
//
// Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html,
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html,
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html (the addresses),
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html, and aws-sdk-go-v2.
package bedrock

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/sigv4"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name     = "bedrock"
	tokenEnv = "AWS_BEARER_TOKEN_BEDROCK"
	converse = "converse"
	messages = "messages"
)

// wires are the wires that it is spoken to in. messages is for Claude only.
var wires = []string{converse, messages}

// Driver returns the driver. It is not found by its key in the environment, since it needs a region, too.
func Driver() provider.Driver {
	return provider.Driver{Name: name, Title: "Amazon Bedrock", BaseURL: address("<region>"), Regions: true, Wires: wires, Open: open}
}

// address is that of a region's endpoint. Where Amazon's clouds are apart, their names are.
func address(region string) string {
	domain := "amazonaws.com"
	for _, p := range [][2]string{
		{"cn-", "amazonaws.com.cn"},
		{"eusc-", "amazonaws.eu"},
		{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
	} {
		if strings.HasPrefix(region, p[0]) {
			domain = p[1]
		}
	}
	return "https://bedrock-runtime." + region + "." + domain
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	speaks, err := provider.PickWire(name, t.Wire, wires)
	if err != nil {
		return nil, err
	}
	key := t.Key
	if key.Empty() {
		key = secret.New(os.Getenv(tokenEnv))
	}
	s, base, err := place(t, !key.Empty())
	if err != nil {
		return nil, err
	}
	inner, err := env.Wire(speaks, quirks(speaks, t.Model))
	if err != nil {
		return nil, err
	}
	var w wire.Pather = invoke{inner, t.Model}
	if speaks == converse {
		p, ok := inner.(wire.Pather)
		if !ok {
			return nil, errors.New("bedrock: the wire converse has no paths")
		}
		w = p
	}
	if !key.Empty() {
		s.v4 = nil
	}
	return provider.New(provider.Config{
		Name: name, BaseURL: base, Key: key, Headers: t.Headers, Wire: advised{w, s.region}, Sign: s.sign, CodeIn: "X-Amzn-Errortype",
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	})
}

// quirks are those of the codec. In messages the model's name is the one that Anthropic gave it, and is not sent.
func quirks(speaks, model string) wire.Quirks {
	if speaks == messages {
		return wire.Quirks{}
	}
	return wire.Quirks{Model: model}
}

// place finds out the region, the address and the credentials of a target. With a key the region must be known only if the
// address is not.
func place(t provider.Target, keyed bool) (*signer, string, error) {
	found, err := sigv4.Find(t.Region)
	if err != nil && !keyed {
		return nil, "", &provider.Mistake{Field: "provider", Message: "bedrock cannot read AWS's shared configuration: " + err.Error() + "; correct it, or give the model an api_key"}
	}
	s := &signer{region: cmp.Or(t.Region, regionOf(t.BaseURL), found.Region)}
	s.v4 = sigv4.New(s.region, service, found.Credentials)
	if s.region == "" && (t.BaseURL == "" || !keyed) {
		return nil, "", &provider.Mistake{Field: "region", Message: "is needed for provider bedrock, as in region: us-east-1, unless AWS_REGION or the AWS profile says it"}
	}
	return s, cmp.Or(t.BaseURL, address(s.region)), nil
}

// regionOf is the region that an address of Amazon's names, or "".
func regionOf(base string) string {
	u, err := url.Parse(base)
	if err != nil || !strings.Contains(u.Hostname(), ".amazonaws.") && !strings.HasSuffix(u.Hostname(), ".api.aws") {
		return ""
	}
	labels := strings.Split(u.Hostname(), ".")
	for i, l := range labels[:len(labels)-1] {
		if l == "bedrock-runtime" || l == "bedrock-runtime-fips" {
			return labels[i+1]
		}
	}
	return ""
}

// advised is a wire whose errors say what to do about the mistakes that are made most.
type advised struct {
	wire.Pather
	region string
}

// ReadError reads an error as its wire does, and adds what to do. Status 424 says that the model itself has failed
// (ModelErrorException), which is no refusal of the request.
func (a advised) ReadError(status int, body []byte) error {
	err := a.advise(a.Pather.ReadError(status, body))
	if status != http.StatusFailedDependency {
		return err
	}
	f := *fault.From(err)
	f.Kind, f.Status = fault.Upstream, 0
	return &f
}

var _ wire.Pather = advised{}

// claudeOf is the name that Anthropic gave the model with this id: "claude-…" of "us.anthropic.claude-…".
func claudeOf(model string) string {
	if i := strings.LastIndex(model, "claude-"); i >= 0 {
		return model[i:]
	}
	return model
}

// modelOf is the id of the model that is asked.
func modelOf(own string, req *llm.Request) string { return cmp.Or(own, req.Model) }
