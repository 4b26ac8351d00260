package upstream

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"

	"github.com/fairlead/fairlead/internal/mcp"
)

// form is a request with what all requests of a session have in common, which is made when one of its texts has changed. Its
// headers are shared, and nobody changes them.
type form struct {
	url, rev, sid string
	post          http.Request
}

// form returns the form of the session's requests.
func (t *web) form() (*form, error) {
	if f := t.made.Load(); f != nil && f.url == t.url && f.rev == t.rev && f.sid == t.sid {
		return f, nil
	}
	post, err := http.NewRequest(http.MethodPost, t.url, nil) //nolint:noctx // each copy has its own
	if err != nil {
		return nil, &mcp.Unavailable{Message: "the server's URL is not valid"}
	}
	maps.Copy(post.Header, t.base)
	post.Header["Accept"], post.Header["Content-Type"] = acceptBoth, isJSON
	if t.rev != "" {
		post.Header.Set("Mcp-Protocol-Version", t.rev)
	}
	if t.sid != "" {
		post.Header.Set("Mcp-Session-Id", t.sid)
	}
	f := &form{url: t.url, rev: t.rev, sid: t.sid, post: *post}
	t.made.Store(f)
	return f, nil
}

// request prepares a request with all headers of the session, and extra over them, where strip has left none that are the
// session's to set. The headers of a request that posts something are not to be changed.
func (t *web) request(ctx context.Context, method string, body []byte, extra http.Header) (*http.Request, error) {
	f, err := t.form()
	if err != nil {
		return nil, err
	}
	req := f.post.WithContext(ctx)
	req.Method = method
	if body == nil || len(extra) > 0 {
		req.Header = maps.Clone(req.Header)
		add(req.Header, extra)
	}
	if body == nil {
		delete(req.Header, "Content-Type")
		return req, nil
	}
	req.GetBody = func() (io.ReadCloser, error) {
		m := new(message)
		m.Reset(body)
		return m, nil
	}
	req.Body, _ = req.GetBody()
	req.ContentLength = int64(len(body))
	return req, nil
}

// message is the body of a request.
type message struct{ bytes.Reader }

// Close does nothing.
func (*message) Close() error { return nil }
