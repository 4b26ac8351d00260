package vertex

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/secret"
)

// serviceAccount is the JSON of a service account whose tokens come from url.
func serviceAccount(tb testing.TB, url string) secret.String {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return secret.New(fmt.Sprintf(`{"type":"service_account","project_id":"p-of-account","quota_project_id":"q","client_email":"a@p.example","private_key_id":"1","private_key":%q,"token_uri":%q}`, text, url))
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

// TestTokens wants one attempt however many wait, a token kept while it holds, and the next one asked for before it ends
// while the old one is still used.
func TestTokens(t *testing.T) {
	credentials := serviceAccount(t, "https://tokens.example/token")
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tk := newTokens(credentials, tripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "tokens.example" {
				t.Errorf("asked %s", r.URL)
			}
			time.Sleep(time.Second)
			return answer(200, fmt.Sprintf(`{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`, asked.Add(1))), nil
		}))
		sign := func() string {
			r := &http.Request{Header: http.Header{}}
			if err := tk.sign(r.WithContext(t.Context()), nil); err != nil {
				t.Error(err)
			}
			if r.Header.Get("X-Goog-User-Project") != "q" {
				t.Errorf("headers %v", r.Header)
			}
			return r.Header.Get("Authorization")
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := sign(); got != "Bearer t1" {
					t.Errorf("signed with %s", got)
				}
			})
		}
		all.Wait()
		for _, step := range []struct {
			after time.Duration
			want  string
			asked int32
		}{{30 * time.Minute, "Bearer t1", 1}, {28 * time.Minute, "Bearer t1", 2}, {time.Minute, "Bearer t2", 2}, {2 * time.Hour, "Bearer t3", 3}} {
			time.Sleep(step.after)
			got := sign()
			time.Sleep(2 * time.Second) // an attempt behind the request's back comes to its end
			if got != step.want || asked.Load() != step.asked {
				t.Errorf("after %v: signed with %s, %d tokens asked for", step.after, got, asked.Load())
			}
		}
	})
}

// TestNoToken wants errors that say what to do, show no secret, and do not outlive their cause.
func TestNoToken(t *testing.T) {
	good := serviceAccount(t, "https://tokens.example/token")
	for _, c := range []struct {
		name        string
		credentials secret.String
		answer      *http.Response
		kind        fault.Kind
		says        string
	}{
		{"refused", good, answer(400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`), fault.Credentials, "no access token (invalid_grant); check the model's credentials"},
		{"strange word", good, answer(400, `{"error":"<b>"}`), fault.Credentials, "no access token; check"},
		{"no JSON", good, answer(200, `nonsense`), fault.Credentials, "no access token; check"},
		{"no key", secret.New(strings.Replace(good.Reveal(), "BEGIN PRIVATE", "BEGIN NO", 1)), answer(200, `{}`), fault.Credentials, "no access token; check"},
		{"out of order", good, answer(503, `{}`), fault.Upstream, "no access token; check"},
		{"not reached", good, nil, fault.Upstream, "no access token; check"},
	} {
		tk := newTokens(c.credentials, tripper(func(*http.Request) (*http.Response, error) {
			if c.answer == nil {
				return nil, errors.New("no route to host")
			}
			return c.answer, nil
		}))
		err := tk.sign((&http.Request{Header: http.Header{}}).WithContext(t.Context()), nil)
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != c.kind || e.Code != "upstream_credentials" || !strings.Contains(e.Message, c.says) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tk := newTokens(good, tripper(func(r *http.Request) (*http.Response, error) {
			if asked.Add(1) == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200, `{"access_token":"t","token_type":"Bearer","expires_in":60}`), nil
		}))
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := tk.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("left with %v", err)
		}
		if _, err := tk.get(t.Context()); err == nil || asked.Load() != 1 {
			t.Errorf("the attempt that another one had begun: %v after %d", err, asked.Load())
		}
		for range 3 {
			if k, err := tk.get(t.Context()); err != nil || k.value != "t" {
				t.Errorf("after the cause is gone: %v", err)
			}
		}
		if asked.Load() != 2 {
			t.Errorf("a token that lives for a minute was asked for %d times", asked.Load())
		}
	})
}
