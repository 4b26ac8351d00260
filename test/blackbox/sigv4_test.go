package blackbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const (
	awsID     = "AKIDCANARY"
	awsSecret = "aws-secret-canary-77aa"
	awsToken  = "aws-token-canary-31bc"
)

// verifySigV4 says what is wrong with the signature of a request, or "". It computes the signature anew, after
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
func verifySigV4(r *http.Request, body []byte, region, service string) string {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "it is not signed: " + r.Header.Get("Authorization")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(auth, ", ") {
		k, v, _ := strings.Cut(part, "=")
		parts[k] = v
	}
	at := r.Header.Get("X-Amz-Date")
	scope := fmt.Sprintf("%.8s/%s/%s/aws4_request", at, region, service)
	if parts["Credential"] != awsID+"/"+scope {
		return "its credential is " + parts["Credential"]
	}
	if r.Header.Get("X-Amz-Security-Token") != awsToken {
		return "its token is " + r.Header.Get("X-Amz-Security-Token")
	}
	var query []string
	for k, list := range r.URL.Query() {
		for _, v := range list {
			query = append(query, awsEscape(k, false)+"="+awsEscape(v, false))
		}
	}
	slices.Sort(query)
	signed := strings.Split(parts["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-date", "x-amz-security-token"} {
		if !slices.Contains(signed, must) {
			return must + " is not signed"
		}
	}
	if len(body) > 0 && !slices.Contains(signed, "content-type") {
		return "content-type is not signed"
	}
	canonical := r.Method + "\n" + awsEscape(r.URL.EscapedPath(), true) + "\n" + strings.Join(query, "&") + "\n"
	for _, name := range signed {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(len(body))
		}
		canonical += name + ":" + strings.TrimSpace(value) + "\n"
	}
	sum := sha256.Sum256(body)
	canonical += "\n" + parts["SignedHeaders"] + "\n" + hex.EncodeToString(sum[:])
	sum = sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + awsSecret)
	for _, part := range []string{at[:8], region, service, "aws4_request", "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(sum[:])} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if parts["Signature"] != hex.EncodeToString(key) {
		return "its signature is not that of\n" + canonical
	}
	return ""
}

// awsEscape escapes as AWS does: all but letters, digits and -._~, in a path also but the slash.
func awsEscape(s string, path bool) string {
	s = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	if path {
		s = strings.ReplaceAll(s, "%2F", "/")
	}
	return s
}

// verifying refuses what is not signed as it should be, and counts what is.
func verifying(t *testing.T, h http.Handler, service string, good *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if why := verifySigV4(r, body, "eu-central-1", service); why != "" {
			t.Errorf("%s %s: %s", r.Method, r.URL, why)
			http.Error(w, "SignatureDoesNotMatch", http.StatusForbidden)
			return
		}
		good.Add(1)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// TestSigV4: every request to a server whose auth is sigv4 is signed over the bytes that are sent, whatever it speaks, and so is
// one to an HTTP API.
func TestSigV4(t *testing.T) {
	t.Parallel()
	const auth = `"auth":{"type":"sigv4","region":"eu-central-1","access_key_id":"` + awsID + `","secret_access_key":"` + awsSecret + `","session_token":"` + awsToken + `"`
	for name, given := range map[string]string{
		"stateless": `"transport":"http","stateless":true`, "sessions": `"transport":"http"`, "sse": `"transport":"sse"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var good atomic.Int64
			tr := build(t, "-- server s --\n{"+given+`,"config":{`+auth+`}},"tools":[{"name":"echo","do":"echo"}]}`, func(tr *transcript) {
				tr.rule = play(providertest.Call("c1", "s-echo", `{"a":"é \u2028"}`), providertest.Text("ok"))
				tr.wrap = func(_ string, h http.Handler) http.Handler { return verifying(t, h, "bedrock-agentcore", &good) }
			})
			tr.want(200, chat(plainTools), `"is_error":false`)
			if err := tr.gateway.Stop(); err != nil {
				t.Error(err)
			}
			if good.Load() < 3 {
				t.Errorf("%d requests were signed", good.Load())
			}
		})
	}
	t.Run("openapi", func(t *testing.T) {
		t.Parallel()
		var good atomic.Int64
		api := httptest.NewServer(verifying(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "at "+r.URL.Path)
		}), "execute-api", &good))
		t.Cleanup(api.Close)
		tr := house(t, "-- config --\nmcp_servers:\n  s: {openapi: \"{{document d.json}}\", base_url: \""+api.URL+"/prod\", "+auth+`,"service":"execute-api"}}`+"\n-- document d.json --\n"+
			`{"openapi":"3.1.0","paths":{"/a/{id}":{"post":{"operationId":"op","parameters":[{"name":"id","in":"path"},{"name":"q","in":"query"}],"requestBody":{"content":{"application/json":{}}}}}}}`+"\n",
			providertest.Call("c1", "s-op", `{"id":"x y/:z é","q":["b","a c"],"body":{"k": 1.0}}`), providertest.Text("ok"))
		tr.want(200, chat(plainTools), `"is_error":false`, "at /prod/a/x y/:z é")
		if good.Load() != 1 {
			t.Errorf("%d requests were signed", good.Load())
		}
	})
}

// TestSigV4WithoutCredentials: without credentials nothing is sent, and the reason is told without places inside.
func TestSigV4WithoutCredentials(t *testing.T) {
	for k, v := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
	} {
		t.Setenv(k, v)
	}
	var asked atomic.Int64
	tr := build(t, "-- server s --\n"+`{"transport":"http","config":{"auth":{"type":"sigv4","region":"eu-central-1"}},"tools":[{"name":"echo","do":"echo"}]}`, func(tr *transcript) {
		tr.rule = play()
		tr.wrap = func(_ string, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); h.ServeHTTP(w, r) })
		}
	})
	tr.want(424, chat(plainTools), "there are no AWS credentials that hold to sign requests to it with")
	if asked.Load() != 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}
