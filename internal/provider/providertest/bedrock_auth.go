package providertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The credentials and the region that the model takes as Amazon Bedrock. A request may have a bearer token instead.
const (
	AccessKey     = "AKIDFAIRLEADTEST"
	SecretKey     = "secret/of+the+scripted+model"
	ExpiredKey    = "ASIAFAIRLEADGONE" // an access key whose session is over
	BedrockRegion = "us-east-1"
)

// denied is a refusal of who asks.
func denied(name, message string) *refusal {
	return &refusal{message: message, status: http.StatusForbidden, name: name}
}

// checkSigned holds a request to Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html), in the words of AWS.
func (r *Request) checkSigned() *refusal {
	auth := r.Header.Get("Authorization")
	if strings.HasPrefix(auth, "Bearer ") {
		return nil
	}
	fields, ok := strings.CutPrefix(auth, "AWS4-HMAC-SHA256 ")
	if !ok {
		return denied("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	parts := map[string]string{}
	for f := range strings.SplitSeq(fields, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		parts[key] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	signed := strings.Split(parts["SignedHeaders"], ";")
	switch {
	case err != nil || len(scope) != 5 || scope[1] != date[:8] || scope[4] != "aws4_request":
		return denied("IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	case scope[0] == ExpiredKey:
		return denied("ExpiredTokenException", "The security token included in the request is expired")
	case scope[0] != AccessKey:
		return denied("UnrecognizedClientException", "The security token included in the request is invalid.")
	case scope[2] != BedrockRegion:
		return denied("InvalidSignatureException", "Credential should be scoped to a valid region.")
	case scope[3] != "bedrock":
		return denied("InvalidSignatureException", "Credential should be scoped to correct service: 'bedrock'.")
	case time.Since(at).Abs() > 5*time.Minute:
		return denied("InvalidSignatureException", "Signature expired: "+date+" is now earlier than the server's time")
	case !slices.Contains(signed, "host"):
		return denied("InvalidSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	case r.signature(scope, signed) != parts["Signature"]:
		return denied("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// signature is what the request's signature must be.
func (r *Request) signature(scope, signed []string) string {
	path, query, _ := strings.Cut(r.Path, "?")
	var b strings.Builder
	b.WriteString("POST\n" + escapeAgain(path) + "\n" + query + "\n")
	for _, name := range signed {
		value := strings.TrimSpace(r.Header.Get(name))
		if name == "host" {
			value = r.host
		}
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + digest(r.Raw))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + strings.Join(scope[1:], "/") + "\n" + digest([]byte(b.String()))
	key := []byte("AWS4" + SecretKey)
	for _, s := range scope[1:] {
		key = mac(key, s)
	}
	return hex.EncodeToString(mac(key, text))
}

// escapeAgain escapes a path that is escaped already, as all services but S3 want it signed.
func escapeAgain(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c == '/' || strings.IndexByte("-._~", c) >= 0 || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// writeBedrockError answers with an error in AWS's form: the name of the exception stands in a header.
func writeBedrockError(w http.ResponseWriter, status int, _ string, bad *refusal) {
	name := bad.name
	if name == "" {
		name = map[int]string{
			http.StatusBadRequest: "ValidationException", http.StatusUnauthorized: "UnauthorizedException", http.StatusForbidden: "AccessDeniedException",
			http.StatusNotFound: "ResourceNotFoundException", http.StatusRequestTimeout: "ModelTimeoutException", http.StatusFailedDependency: "ModelErrorException",
			http.StatusTooManyRequests: "ThrottlingException", http.StatusServiceUnavailable: "ServiceUnavailableException",
		}[status]
	}
	if name == "" {
		name = "InternalServerException"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", name+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"message":` + string(marshal(bad.message)) + `}`)) // the client may have left
}
