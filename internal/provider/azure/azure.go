// Package azure is the driver for Azure OpenAI, in the two forms that it has.
//
// The v1 API is at {resource}/openai/v1 and needs no version
// (https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle). Where a target names an api-version that is a
// date, requests go to the API of that version: {resource}/openai/deployments/{deployment}/chat/completions, or
// {resource}/openai/responses (https://learn.microsoft.com/azure/ai-foundry/openai/reference). In both the model's name is that
// of a deployment.
//
// A key goes in the header api-key. Without one, requests carry a token of Microsoft Entra ID, for the credentials that the
// environment names as it does for Azure's own SDKs (https://learn.microsoft.com/azure/developer/go/sdk/authentication): see
// credentials.
package azure

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name      = "azure"
	keyEnv    = "AZURE_OPENAI_API_KEY"
	v1        = "/openai/v1"
	responses = "responses"
)

// wires are the wires that it is spoken to in.
var wires = []string{"chat", responses}

// Driver returns the driver.
func Driver() provider.Driver {
	return provider.Driver{
		Name: name, Title: "Azure OpenAI", KeyEnv: []string{keyEnv}, BaseEnv: "AZURE_OPENAI_ENDPOINT", Versions: true, Wires: wires, Open: open,
	}
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	if t.BaseURL == "" {
		return nil, &provider.Mistake{Field: "base_url", Message: "is needed for provider " + name + ": the endpoint of the resource, https://NAME.openai.azure.com"}
	}
	speaks, err := provider.PickWire(name, t.Wire, wires)
	if err != nil {
		return nil, err
	}
	w, err := env.Wire(speaks, wire.Quirks{Model: t.Model})
	if err != nil {
		return nil, err
	}
	base, version, err := address(t)
	if err != nil {
		return nil, err
	}
	c := provider.Config{
		Name: name, BaseURL: base, Key: t.Key, Auth: "api-key", Headers: t.Headers, Errands: provider.Errands{BaseURL: base, Model: t.Model},
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	}
	told := explainer{Upstream: w, model: t.Model}
	if t.Key.Empty() && !named(t.Headers) {
		tokens, err := credentials(base, env.Transport)
		if err != nil {
			return nil, err
		}
		c.Sign, told.tokens = tokens.sign, tokens
	}
	c.Wire = &told
	if dated(version) {
		c.Wire = &deployments{explainer: told, version: version}
		c.Errands.BaseURL = errands(base, t.Model, version)
	}
	return provider.New(c)
}

// named reports whether the config's own headers have a credential.
func named(headers map[string]string) bool {
	for name := range headers {
		if strings.EqualFold(name, "api-key") || strings.EqualFold(name, "authorization") {
			return true
		}
	}
	return false
}

// latest are the versions that are words: the v1 API has them.
var latest = []string{"v1", "latest", "preview"}

func dated(version string) bool { return version != "" && !slices.Contains(latest, version) }

// address is the base URL below which requests go, and the version that they name. The resource may be given with the path of
// the v1 API, and with a query of its own.
func address(t provider.Target) (base, version string, err error) {
	u, err := url.Parse(t.BaseURL)
	if err != nil {
		return "", "", &provider.Mistake{Field: "base_url", Message: "is no URL"}
	}
	path := strings.TrimSuffix(u.Path, "/")
	if strings.Contains(path, "/deployments/") {
		return "", "", &provider.Mistake{Field: "base_url", Message: "must be the resource alone, https://NAME.openai.azure.com: the deployment is the model's model, and the version its api_version"}
	}
	if version = t.APIVersion; dated(version) {
		u.Path, u.RawPath = strings.TrimSuffix(strings.TrimSuffix(path, v1), "/openai"), ""
		return u.String(), version, nil
	}
	if path == "" || path == "/openai" {
		u.Path, u.RawPath = v1, ""
	}
	if version != "" {
		q := u.Query()
		q.Set("api-version", version)
		u.RawQuery = q.Encode()
	}
	return u.String(), version, nil
}

// errands is where a deployment's other endpoints are: /embeddings, /images/generations. It is nowhere where requests name the
// deployment.
func errands(base, deployment, version string) string {
	u, err := url.Parse(base)
	if err != nil || deployment == "" {
		return ""
	}
	u = u.JoinPath("openai", "deployments", url.PathEscape(deployment))
	q := u.Query()
	q.Set("api-version", version)
	u.RawQuery = q.Encode()
	return u.String()
}

// explainer is a wire whose errors say what in the config to look at.
type explainer struct {
	wire.Upstream
	model  string  // the deployment; empty: the request says it
	tokens *tokens // nil where a key is sent
}

// hints are what to look at, by the codes of Azure's errors
// (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/troubleshoot).
var hints = map[string]string{
	"DeploymentNotFound":    `set the model's "model" to the name of a deployment of this resource, which need not be that of the model in it`,
	"OperationNotSupported": `the deployment's model does not take this API: set the model's "wire" to the other one, chat or responses`,
}

// ReadError reads an error, and says what to look at where it is the config.
func (e *explainer) ReadError(status int, body []byte) error {
	f := fault.From(e.Upstream.ReadError(status, body))
	hint := hints[f.Code]
	switch {
	case hint != "":
		f.Param = "model"
	case status == http.StatusUnauthorized && e.tokens != nil:
		e.tokens.forget()
		hint = `the resource does not take the token of Microsoft Entra ID: look at "base_url", and whether the resource is one of the same tenant`
	case status == http.StatusForbidden && e.tokens != nil:
		hint = `the identity needs a role at the resource, Cognitive Services OpenAI User`
	case status == http.StatusUnauthorized:
		hint = `look at the model's "api_key" and "base_url": a key belongs to one resource`
	case status == http.StatusNotFound && f.Code == "404" || strings.Contains(strings.ToLower(f.Message), "api version"):
		hint = `look at the model's "base_url" and "api_version"`
	default:
		return f
	}
	if f.Code == "DeploymentNotFound" && e.model != "" {
		hint = "there is no deployment " + e.model + "; " + hint
	}
	f.Message = strings.TrimSuffix(f.Message, ".") + " (provider " + name + ": " + hint + ")"
	return f
}

// deployments is a wire whose requests go to the API of a version.
type deployments struct {
	explainer
	version string
}

var _ wire.Pather = (*deployments)(nil)

// PathFor is the path of the deployment that req asks, or of the responses of all of them.
func (d *deployments) PathFor(req *llm.Request) string {
	query := "?api-version=" + url.QueryEscape(d.version)
	if d.Name() == responses {
		return "/openai" + d.Path() + req.Op + query
	}
	return "/openai/deployments/" + url.PathEscape(cmp.Or(d.model, req.Model)) + d.Path() + req.Op + query
}
