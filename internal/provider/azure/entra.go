package azure

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/provider"
)

// The addresses of Microsoft Entra ID and of the service that tells machines on Azure their identity.
const (
	authority = "https://login.microsoftonline.com"
	machine   = "http://169.254.169.254/metadata/identity/oauth2/token"
)

// credentials finds the credentials that the environment names, the first of:
//
//   - a client's secret: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET;
//   - a workload's identity, as Kubernetes projects it: the first two and AZURE_FEDERATED_TOKEN_FILE;
//   - a managed identity: of App Service, Functions or Container Apps (IDENTITY_ENDPOINT, IDENTITY_HEADER), else of a virtual
//     machine, where AZURE_CLIENT_ID names one or AZURE_TOKEN_CREDENTIALS is ManagedIdentityCredential or prod.
//
// AZURE_AUTHORITY_HOST is obeyed for the first two.
func credentials(base string, transport http.RoundTripper) (*tokens, error) {
	s := source{
		tenant: os.Getenv("AZURE_TENANT_ID"), client: os.Getenv("AZURE_CLIENT_ID"), secret: os.Getenv("AZURE_CLIENT_SECRET"),
		file: os.Getenv("AZURE_FEDERATED_TOKEN_FILE"), authority: authority, resource: resource(base), transport: transport,
	}
	if host := os.Getenv("AZURE_AUTHORITY_HOST"); host != "" {
		s.authority = strings.TrimSuffix(host, "/")
	}
	endpoint, header := os.Getenv("IDENTITY_ENDPOINT"), os.Getenv("IDENTITY_HEADER")
	wanted := os.Getenv("AZURE_TOKEN_CREDENTIALS")
	switch {
	case s.secret != "":
		s.kind, s.ask = "the client's secret", s.bySecret
	case s.file != "":
		s.kind, s.ask = "the workload's identity", s.byFile
	case endpoint != "" && header != "":
		s.endpoint, s.header = endpoint, header
		s.kind, s.ask = "the managed identity", s.byApp
	case s.client != "" && s.tenant == "" || strings.EqualFold(wanted, "ManagedIdentityCredential") || strings.EqualFold(wanted, "prod"):
		s.kind, s.ask = "the managed identity", s.byMachine
		return newTokens(&s), nil
	default:
		return nil, &provider.Mistake{Field: "api_key", Message: "is needed for provider " + name + ", as in api_key: ${" + keyEnv + "}, or credentials of Microsoft Entra ID in the environment: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or a managed identity"}
	}
	if s.endpoint == "" {
		for name, value := range map[string]string{"AZURE_TENANT_ID": s.tenant, "AZURE_CLIENT_ID": s.client} {
			if value == "" {
				return nil, &provider.Mistake{Field: "api_key", Message: "is not set, and for " + s.kind + " at Microsoft Entra ID the environment lacks " + name}
			}
		}
	}
	return newTokens(&s), nil
}

// resource is what a token is for: the service in the cloud that the address is in.
func resource(base string) string {
	host := base
	if u, err := url.Parse(base); err == nil {
		host = u.Hostname()
	}
	switch {
	case strings.HasSuffix(host, ".azure.us"):
		return "https://cognitiveservices.azure.us"
	case strings.HasSuffix(host, ".azure.cn"):
		return "https://cognitiveservices.azure.cn"
	}
	return "https://cognitiveservices.azure.com"
}

// source asks for tokens.
type source struct {
	kind                         string // for people
	tenant, client, secret, file string
	authority                    string
	endpoint, header             string
	resource                     string
	transport                    http.RoundTripper
	ask                          func(ctx context.Context) (*http.Request, error)
}

// bySecret proves who asks with a secret (https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func (s *source) bySecret(ctx context.Context) (*http.Request, error) {
	return s.grant(ctx, url.Values{"client_secret": {s.secret}})
}

// byFile proves it with a token that another issuer has signed, and that its file has anew from time to time.
func (s *source) byFile(ctx context.Context) (*http.Request, error) {
	assertion, err := os.ReadFile(s.file)
	if err != nil {
		return nil, fmt.Errorf("AZURE_FEDERATED_TOKEN_FILE cannot be read: %w", err)
	}
	return s.grant(ctx, url.Values{
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {strings.TrimSpace(string(assertion))},
	})
}

func (s *source) grant(ctx context.Context, form url.Values) (*http.Request, error) {
	form.Set("grant_type", "client_credentials")
	form.Set("client_id", s.client)
	form.Set("scope", s.resource+"/.default")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.authority+"/"+url.PathEscape(s.tenant)+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, nil
}

// byApp asks the service beside an app (https://learn.microsoft.com/azure/app-service/overview-managed-identity).
func (s *source) byApp(ctx context.Context) (*http.Request, error) {
	r, err := s.identity(ctx, s.endpoint, "2019-08-01")
	if err == nil {
		r.Header.Set("X-Identity-Header", s.header)
	}
	return r, err
}

// byMachine asks the service of a virtual machine
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
func (s *source) byMachine(ctx context.Context) (*http.Request, error) {
	r, err := s.identity(ctx, machine, "2018-02-01")
	if err == nil {
		r.Header.Set("Metadata", "true")
	}
	return r, err
}

func (s *source) identity(ctx context.Context, endpoint, version string) (*http.Request, error) {
	q := url.Values{"api-version": {version}, "resource": {s.resource}}
	if s.client != "" {
		q.Set("client_id", s.client)
	}
	return http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"?"+q.Encode(), http.NoBody)
}

// maxToken bounds an answer with a token.
const maxToken = 1 << 20

// token asks for one. An error is a *fault.Error: its Message says what Entra ID has found wrong, and shows no secret.
func (s *source) token(ctx context.Context) (token, error) {
	r, err := s.ask(ctx)
	if err != nil {
		return token{}, s.fault(fault.Credentials, "it cannot be asked for", err)
	}
	resp, err := s.transport.RoundTrip(r)
	if err != nil {
		kind := fault.Upstream
		if s.secret == "" && s.file == "" { // the service of a machine is not there: it has no identity
			kind = fault.Credentials
		}
		return token{}, s.fault(kind, "Microsoft Entra ID cannot be reached", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
	if err != nil {
		return token{}, s.fault(fault.Upstream, "Microsoft Entra ID broke off its answer", err)
	}
	got := token{text: word(body, "access_token"), ends: seconds(body, "expires_in")}
	if resp.StatusCode == http.StatusOK && got.text != "" && got.ends > 0 {
		return got, nil
	}
	kind := fault.Credentials
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests { // it is not them
		kind = fault.Upstream
	}
	return token{}, s.fault(kind, s.refused(resp.StatusCode, body), nil)
}

// refused says why there is no token: the first line of Entra ID's words, which begin with a code such as AADSTS7000215 that its
// documentation explains.
func (s *source) refused(status int, body []byte) string {
	why, _, _ := strings.Cut(word(body, "error_description"), "\n")
	why = strings.TrimSpace(strings.ToValidUTF8(why, ""))
	if why == "" {
		why = word(body, "error")
	}
	why = why[:min(len(why), 300)]
	if s.secret != "" {
		why = strings.ReplaceAll(why, s.secret, "***")
	}
	if why == "" {
		return "Microsoft Entra ID answered with status " + strconv.Itoa(status)
	}
	return "Microsoft Entra ID says: " + why
}

func (s *source) fault(kind fault.Kind, why string, cause error) *fault.Error {
	hint := "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
	switch {
	case s.secret != "":
	case s.file != "":
		hint = "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"
	default:
		hint = "the identity of the machine and AZURE_CLIENT_ID"
	}
	return &fault.Error{
		Kind: kind, Op: "azure.token", Code: provider.CodeCredentials, Err: cause,
		Message: "provider " + name + " cannot be asked: there is no token for " + s.kind + ", " + why + "; look at " + hint + ", or set api_key",
	}
}

func word(body []byte, name string) string {
	s, _ := jsonedit.Unquote(jsonedit.Get(body, name))
	return s
}

// seconds is a member that counts seconds, as a number or, as the services of machines write it, in a string.
func seconds(body []byte, name string) time.Duration {
	v := jsonedit.Get(body, name)
	n, ok := jsonedit.Int(v)
	if !ok {
		n, _ = strconv.ParseInt(word(body, name), 10, 64)
	}
	return time.Duration(min(max(n, 0), 1<<30)) * time.Second
}
