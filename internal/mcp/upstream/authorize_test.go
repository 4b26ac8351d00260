package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/mcp/upstream"
)

// ticker shows another credential each time, and says what is asked of it when it is refused.
type ticker struct {
	shown, refused atomic.Int32
	again          bool
	err            error
}

func (a *ticker) Authorize(req *http.Request, body []byte) error {
	req.Header.Set("Authorization", strconv.Itoa(int(a.shown.Add(1))))
	req.Header.Set("X-Body", strconv.Itoa(len(body)))
	return nil
}

func (a *ticker) Refused(*http.Request, *http.Response) (bool, error) {
	a.refused.Add(1)
	return a.again, a.err
}

// TestAttack13OneRetry: a request that the server refuses is sent once more when there is something else to show, and no more
// often, whatever the server says then.
func TestAttack13OneRetry(t *testing.T) {
	var asked atomic.Int32
	var good string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Body") != strconv.Itoa(len(body)) || len(body) == 0 {
			t.Errorf("the body that is shown has %s bytes, the one that came %d", r.Header.Get("X-Body"), len(body))
		}
		if r.Header.Get("Authorization") != good {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id(body)+`,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}}`)
	}))
	defer srv.Close()
	dial := func(a *ticker) error {
		s, err := upstream.New(upstream.Options{}).Dial(t.Context(), mcp.Server{Name: "s", URL: srv.URL, Authorizer: a}, nil, nil)
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	for _, c := range []struct {
		good    string
		a       *ticker
		asked   int32
		refused int32
		says    string
	}{
		{"1", &ticker{}, 1, 0, ""},
		{"2", &ticker{again: true}, 2, 1, ""},
		{"3", &ticker{again: true}, 2, 1, "401"},
		{"never", &ticker{again: true}, 2, 1, "401"},
		{"2", &ticker{}, 1, 1, "401"},
		{"2", &ticker{err: &mcp.LoginError{URL: "https://x"}}, 1, 1, "https://x"},
		{"2", &ticker{err: context.Canceled}, 1, 1, "cancelled"},
	} {
		good = c.good
		asked.Store(0)
		err := dial(c.a)
		if said := mcp.SafeMessage(err); (err != nil) != (c.says != "") || err != nil && !strings.Contains(said, c.says) {
			t.Errorf("%+v: %v", c.says, err)
		}
		if asked.Load() != c.asked || c.a.refused.Load() != c.refused {
			t.Errorf("%s: asked %d times and refused %d times", c.good, asked.Load(), c.a.refused.Load())
		}
		if login := mcp.Login(err); (login != nil) != errors.As(c.a.err, new(*mcp.LoginError)) {
			t.Errorf("the login is %v", login)
		}
	}
}

func id(body []byte) string {
	_, rest, _ := strings.Cut(string(body), `"id":`)
	end := strings.IndexAny(rest, ",}")
	return rest[:max(end, 0)]
}
