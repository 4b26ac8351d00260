// Package sigv4 signs requests to Amazon's services, or to what checks signatures as they do: Signature Version 4.
//
// Credentials are given, or found where AWS's own SDKs find them: the environment, the shared config and credentials files with
// AWS_PROFILE, single sign-on, a web identity, a container's or an EC2 instance's role. They are asked for when a request needs
// them, kept until shortly before they expire, and then asked for again.
//
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html,
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html, and aws-sdk-go-v2.
package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/internal/secret"
)

// Credentials are keys, or where they come from.
type Credentials = aws.CredentialsProvider

// Keys are credentials that somebody has written down. Token is empty for those that do not expire.
func Keys(id string, key, token secret.String) Credentials {
	return credentials.NewStaticCredentialsProvider(id, key.Reveal(), token.Reveal())
}

// Found is what AWS's own SDKs would use.
type Found struct {
	Region      string // "" if nothing says it
	Credentials Credentials
}

// Find looks where AWS's own SDKs look. A region that is given counts. It reads the environment and files; what asks others is
// asked when a request is signed. The error says which file is wrong.
func Find(region string) (Found, error) {
	var options []func(*config.LoadOptions) error
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return Found{Region: region}, err
	}
	return Found{Region: cfg.Region, Credentials: cfg.Credentials}, nil
}

// Signer signs requests to one service in one region. Signed are the method, the path, the query, the body, and of the headers
// those that must be and Content-Type: what proxies change is left out. It may be used by many goroutines.
type Signer struct {
	credentials     Credentials
	region, service string
	v4              *v4.Signer
	now             func() time.Time
}

// New returns a Signer.
func New(region, service string, c Credentials) *Signer {
	return &Signer{credentials: c, region: region, service: service, v4: v4.NewSigner(), now: time.Now}
}

// CredentialsError says that there are no credentials that hold.
type CredentialsError struct{ Err error }

// Error is for people who run the gateway. The cause is not in it, since it may name places inside.
func (e *CredentialsError) Error() string { return "there are no AWS credentials that hold" }

// Unwrap returns the cause, for the log.
func (e *CredentialsError) Unwrap() error { return e.Err }

// Sign sets the headers of a request that its service checks. body must be what is sent, and the request's address and
// Content-Type must not change any more.
func (s *Signer) Sign(r *http.Request, body []byte) error {
	c, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		return &CredentialsError{err}
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
		} else {
			delete(r.Header, h)
		}
	}
	return nil
}
