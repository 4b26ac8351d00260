package login

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"errors"
	"html"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/mcp"
	"github.com/fairlead/fairlead/internal/oauth"
)

// The pages, with the fields of page where they are named. They are filled in by hand: html/template would have the linker keep
// every method of every type, which makes the program half as large again.
var (
	//go:embed page.html
	pageText string
	//go:embed ask.html
	askText string // for one who has a name
	//go:embed askall.html
	askAllText string
	//go:embed form.html
	formText string
)

// page is what the one page says.
type page struct {
	Title   string
	Server  string // asked about: the form is shown
	Who     string
	Browser string
	Text    string
}

// Pages are the addresses of the gateway that logins need, by the patterns of http.ServeMux.
func (k *Keeper) Pages() map[string]http.Handler {
	return map[string]http.Handler{
		loginPath + "{ticket}": http.HandlerFunc(k.serveLogin),
		callbackPath:           http.HandlerFunc(k.serveCallback),
		documentPath:           http.HandlerFunc(k.serveDocument),
	}
}

// serveLogin shows what a link is about, and begins the login when the user has said yes: a web page that has somebody's browser
// open the link, or send the form, gets nothing done.
func (k *Keeper) serveLogin(w http.ResponseWriter, r *http.Request) {
	var t ticket
	known := k.open(ticketScope, []byte(r.PathValue("ticket")), &t)
	s, there := k.server(&t)
	if !known || !there {
		write(w, http.StatusNotFound, page{Title: "This link is not good any more", Text: "Ask for what you wanted once more; you get a new link."})
		return
	}
	browser := k.browser(r)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if browser == "" {
			browser = rand.Text()
		}
		http.SetCookie(w, k.cookie(browser))
		write(w, http.StatusOK, page{Title: "Connect " + s.Name, Server: s.Name, Who: cmp.Or(t.Who, t.Principal), Browser: browser})
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		said := r.PostFormValue("browser")
		if browser == "" || subtle.ConstantTimeCompare([]byte(said), []byte(browser)) != 1 || (&http.CrossOriginProtection{}).Check(r) != nil {
			write(w, http.StatusForbidden, page{Title: "This did not come from our page", Text: "Open the link again, and let this site keep a cookie."})
			return
		}
		to, err := k.begin(r.Context(), &t, &s, browser)
		if err != nil {
			k.writeError(w, s.Name, err)
			return
		}
		guard(w)
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		w.Header().Set("Allow", "GET, POST")
		write(w, http.StatusMethodNotAllowed, page{Title: "This page is for browsers"})
	}
}

// serveCallback takes in the answer of an authorization server.
func (k *Keeper) serveCallback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		write(w, http.StatusMethodNotAllowed, page{Title: "This page is for browsers"})
		return
	}
	p, err := k.finish(r.Context(), r.URL.Query(), k.browser(r))
	if err != nil {
		name := ""
		if p != nil {
			name = p.Ticket.Server
		}
		k.writeError(w, name, err)
		return
	}
	write(w, http.StatusOK, page{Title: p.Ticket.Server + " is connected", Text: "You can close this page and go on where you were."})
}

// writeError says on a page why there is no login.
func (k *Keeper) writeError(w http.ResponseWriter, server string, err error) {
	text := "The gateway failed; try again."
	if e, ok := errors.AsType[*mcp.Unavailable](err); ok {
		text = e.Message
	} else {
		k.o.Log.Error("a login failed", "server", server, "error", err)
	}
	write(w, http.StatusBadRequest, page{Title: cmp.Or(server, "The server") + " is not connected", Text: text})
}

// serveDocument describes the gateway to authorization servers (OAuth Client ID Metadata Documents).
func (k *Keeper) serveDocument(w http.ResponseWriter, r *http.Request) {
	doc := k.document()
	if doc == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	d := oauth.Describe("Fairlead", k.o.Base()+callbackPath)
	d.ClientID, d.URI = doc, k.o.Base()
	b, err := json.Marshal(d)
	if err != nil {
		http.Error(w, "the document could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(b)
}

// secure reports whether browsers reach the gateway by TLS.
func (k *Keeper) secure() bool { return strings.HasPrefix(k.o.Base(), "https://") }

func (k *Keeper) cookieName() string {
	if k.secure() {
		return "__Host-fairlead-login"
	}
	return "fairlead-login"
}

// cookie tells the browser that began a login from all others.
func (k *Keeper) cookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: k.cookieName(), Value: value, Path: "/", MaxAge: int(2 * loginTime.Seconds()), Secure: k.secure(), HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // it must be there when the authorization server sends the browser back
	}
}

// browser is the value of the cookie; "" for none, and for one that is none of ours.
func (k *Keeper) browser(r *http.Request) string {
	c, err := r.Cookie(k.cookieName())
	if err != nil || len(c.Value) != len(rand.Text()) {
		return ""
	}
	return c.Value
}

// guard sets the headers of all pages: nothing is kept, framed, loaded or told to others.
func guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // the link is in the address, and without any the form would have no origin
	h.Set("X-Content-Type-Options", "nosniff")
}

func write(w http.ResponseWriter, status int, p page) {
	guard(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	body := "<p>{{.Text}}</p>\n"
	switch {
	case p.Server != "" && p.Who != "":
		body = askText + formText
	case p.Server != "":
		body = askAllText + formText
	}
	_, _ = p.filler().WriteString(w, strings.Replace(pageText, "{{.Body}}", body, 1))
}

// filler puts the fields of a page into its text, each as text: what is put in is not looked at again.
func (p *page) filler() *strings.Replacer {
	return strings.NewReplacer(
		"{{.Title}}", html.EscapeString(p.Title), "{{.Server}}", html.EscapeString(p.Server), "{{.Who}}", html.EscapeString(p.Who),
		"{{.Browser}}", html.EscapeString(p.Browser), "{{.Text}}", html.EscapeString(p.Text),
	)
}
