package config

import (
	"strings"

	"github.com/fairlead/fairlead/internal/secret"
)

// Signature says whose signatures of AWS (Signature Version 4) a server sees, and for what.
type Signature struct {
	Region, Service string
	AccessKey       string // "": the credentials that AWS's own SDKs find
	SecretKey       secret.String
	SessionToken    secret.String
}

// defaultService is that of Amazon Bedrock AgentCore.
const defaultService = "bedrock-agentcore"

func signatureFields(a *Signature) []field {
	return []field{
		{name: "region", to: text{&a.Region, regionName}, doc: "With sigv4: the region that requests are signed for, such as us-east-1."},
		{name: "service", to: text{&a.Service, serviceName}, doc: "With sigv4: the service that they are signed for, bedrock-agentcore if it is left out; execute-api for API Gateway, lambda for function URLs."},
		{name: "access_key_id", to: text{&a.AccessKey, accessKey}, doc: "With sigv4: whose key signs. Without one, the credentials that AWS's own tools find: the environment, AWS_PROFILE, single sign-on, a web identity, the role of a container or an instance."},
		{name: "secret_access_key", to: hidden{func(s string) { a.SecretKey = secret.New(s) }, credential}, doc: "The key of access_key_id, best as ${NAME} or ${file:/path}."},
		{name: "session_token", to: hidden{func(s string) { a.SessionToken = secret.New(s) }, credential}, doc: "What belongs to a key that expires, best as ${NAME} or ${file:/path}."},
	}
}

func serviceName(s string) string {
	if s == "" || len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "must be the name of a service as AWS signs for it, such as execute-api"
	}
	return ""
}

func accessKey(s string) string {
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) }) {
		return "must be the id of an access key: letters, digits, _ or -"
	}
	return ""
}

// checkSignature holds the keys of auth to whether it is one by signatures, and reports that.
func (d *decoder) checkSignature(a *ServerAuth, here string) bool {
	others, is := signatureFields(new(Signature)), "goes with sigv4 only"
	signed := a.Type == AuthSigned
	if signed {
		others, is = tokenFields(new(ServerAuth))[1:], "does not go with sigv4"
	}
	for _, f := range others {
		if d.has(here + "." + f.name) {
			d.wrong(here+"."+f.name, "%s", is)
		}
	}
	if !signed {
		return false
	}
	if a.Service == "" {
		a.Service = defaultService
	}
	key, secret := d.has(here+".access_key_id"), d.has(here+".secret_access_key")
	switch {
	case !d.has(here + ".region"):
		d.wrong(here+".region", "is missing; requests are signed for a region, such as us-east-1")
	case key && !secret:
		d.wrong(here+".secret_access_key", "is missing; it belongs to access_key_id")
	case secret && !key:
		d.wrong(here+".access_key_id", "is missing; it belongs to secret_access_key")
	case d.has(here+".session_token") && !key:
		d.wrong(here+".session_token", "goes with access_key_id, and there is none")
	}
	return true
}
