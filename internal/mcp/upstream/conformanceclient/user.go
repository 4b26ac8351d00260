package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
	mcpall "github.com/fairlead/fairlead/internal/mcp/all"
	"github.com/fairlead/fairlead/internal/seal"
	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/store"
	storeall "github.com/fairlead/fairlead/internal/store/all"
)

// document is where the suite expects the description of a client that has one.
const document = "https://conformance-test.local/client-metadata.json"

// user is the one who logs in, with a browser, and the gateway's pages that the browser comes to.
type user struct {
	browser *http.Client
	pages   *http.Server
	kept    store.Store
}

// newUser has server shown who asks, by tokens of a user who is there.
func newUser(ctx context.Context, log *slog.Logger, server *mcp.Server) (*user, error) {
	kept, err := storeall.Open(ctx, "", store.Options{Log: log})
	if err != nil {
		return nil, err
	}
	ring, err := seal.New()
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	base := "http://" + l.Addr().String()
	server.Auth = auth()
	logins := mcpall.NewLogins(mcpall.LoginOptions{Store: kept, Seal: ring, Base: func() string { return base }, Document: document, Log: log})
	logins.Serve(one{server})
	mux := http.NewServeMux()
	for path, page := range logins.Pages() {
		mux.Handle(path, page)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	u := &user{browser: &http.Client{Jar: jar}, pages: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, kept: kept}
	go func() { _ = u.pages.Serve(l) }() // until close
	server.Authorizer, _ = logins.Authorize(server, mcp.Caller{Principal: "user"})
	return u, nil
}

func (u *user) close() {
	_ = u.pages.Close()
	_ = u.kept.Close()
}

// one is the one server that there is.
type one struct{ server *mcp.Server }

// Server returns it.
func (o one) Server(string) (mcp.Server, bool) { return *o.server, true }

// LoggedIn changes nothing.
func (o one) LoggedIn(string, string) {}

// auth is what the config would say of the suite's server.
func auth() *mcp.Auth {
	a := &mcp.Auth{Type: "oauth", ClientID: given("client_id"), Issuer: given("issuer")}
	if text := given("client_secret"); text != "" {
		a.ClientSecret = secret.New(text)
	}
	if text := given("private_key_pem"); text != "" {
		a.PrivateKey = secret.New(text)
	}
	if s := scenario(); s == "auth/client-credentials-basic" || s == "auth/client-credentials-jwt" {
		a.Type = "client_credentials"
	}
	return a
}

var (
	field  = regexp.MustCompile(`name="browser" value="([^"]*)"`)
	reason = regexp.MustCompile(`(?s)<p>(.*?)</p>`)
)

// logIn opens a link, presses the button of the page, and goes wherever that leads.
func (u *user) logIn(ctx context.Context, link string) error {
	page, err := u.visit(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	m := field.FindSubmatch(page)
	if m == nil {
		return fmt.Errorf("the page has no form: %s", page)
	}
	_, err = u.visit(ctx, http.MethodPost, link, url.Values{"browser": {string(m[1])}})
	return err
}

func (u *user) visit(ctx context.Context, method, to string, form url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, nil)
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		body := form.Encode()
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	resp, err := u.browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		text := ""
		if m := reason.FindSubmatch(page); m != nil {
			text = string(m[1])
		}
		err = fmt.Errorf("%d: %s", resp.StatusCode, text)
	}
	return page, err
}
