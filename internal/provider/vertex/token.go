package vertex

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/secret"
)

const (
	// early is how long before its end a token is asked for anew while the old one is still used.
	early = 4 * time.Minute
	// late is how long before its end a token is not used any more.
	late = 15 * time.Second
	// patience bounds one attempt to get a token.
	patience = 30 * time.Second
)

// tokens are the access tokens of one set of credentials. However many requests need one, there is one attempt at a time to
// get it; a request that leaves does not end the attempt, which others may wait for.
type tokens struct {
	credentials secret.String // empty: the application default ones
	transport   http.RoundTripper

	mu      sync.Mutex
	now     *token
	attempt *attempt // the one that is under way
}

// token is an access token.
type token struct {
	value string
	quota string    // the project whose quota counts, where the credentials name one
	ends  time.Time // zero: it does not say
	early time.Duration
}

// newToken returns a token. One that lives for minutes only is asked for anew in the last quarter of its life.
func newToken(value, quota string, ends time.Time) *token {
	return &token{value, quota, ends, min(early, time.Until(ends)/4)}
}

// holds reports whether the token holds for longer than d.
func (t *token) holds(d time.Duration) bool { return t.ends.IsZero() || time.Until(t.ends) > d }

// attempt is one try to get a token.
type attempt struct {
	done chan struct{}
	got  *token // once it is done
	err  error

	unreached bool // there was no answer: what Google's libraries make of that does not say so
}

func newTokens(credentials secret.String, transport http.RoundTripper) *tokens {
	return &tokens{credentials: credentials, transport: transport}
}

// sign puts a token into the headers of a request.
func (t *tokens) sign(r *http.Request, _ []byte) error {
	k, err := t.get(r.Context())
	if err != nil {
		return err
	}
	r.Header["Authorization"] = []string{"Bearer " + k.value}
	if k.quota != "" {
		r.Header["X-Goog-User-Project"] = []string{k.quota}
	}
	return nil
}

// get returns a token that holds, waiting for it no longer than ctx does.
func (t *tokens) get(ctx context.Context) (*token, error) {
	t.mu.Lock()
	k, a := t.now, t.attempt
	if a == nil && (k == nil || !k.holds(k.early)) {
		a = &attempt{done: make(chan struct{})}
		t.attempt = a
		go t.try(a)
	}
	t.mu.Unlock()
	if k != nil && k.holds(min(late, k.early)) {
		return k, nil
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-a.done:
	}
	if a.err != nil {
		return nil, refused(a.err, a.unreached)
	}
	return a.got, nil
}

// try makes an attempt.
func (t *tokens) try(a *attempt) {
	a.err = errors.New("the credentials cannot be read") // unless it gets further
	defer func() {
		_ = recover() // of a library that reads what users have written: it is told as that error
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.err == nil {
			t.now = a.got
		}
		t.attempt = nil
		close(a.done)
	}()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	way := line{RoundTripper: t.transport}
	a.got, a.err = t.fetch(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: &way, Timeout: patience}))
	a.unreached = way.dead.Load()
}

// line notes that a request has got no answer.
type line struct {
	http.RoundTripper

	dead atomic.Bool
}

// RoundTrip sends a request.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		l.dead.Store(true)
	}
	return resp, err
}

// refused is the error of a request for which there is no token. It shows nothing of the credentials.
func refused(err error, unreached bool) error {
	why, kind := "", fault.Credentials
	if unreached { // nobody has said that they do not hold
		kind = fault.Upstream
	}
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		if e.Response != nil && (e.Response.StatusCode >= http.StatusInternalServerError || e.Response.StatusCode == http.StatusTooManyRequests) {
			kind = fault.Upstream
		}
		code, _ := jsonedit.Unquote(jsonedit.Get(e.Body, "error"))
		if code = cmp.Or(e.ErrorCode, code); word(code) {
			why = " (" + code + ")"
		}
	}
	return &fault.Error{
		Kind: kind, Op: "vertex.token", Code: provider.CodeCredentials, Err: err,
		Message: "provider " + name + " cannot be asked: the gateway's Google credentials give no access token" + why +
			"; check the model's credentials, GOOGLE_APPLICATION_CREDENTIALS or what gcloud auth application-default login has left",
	}
}

// word reports whether s is a machine word.
func word(s string) bool {
	for _, c := range s {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
