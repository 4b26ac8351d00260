package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/formedit"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// body is the body of a request that is passed on.
type body interface {
	llm.Body
	// model is the model that it names; empty for none.
	model() (string, error)
	// close gives back what it holds.
	close()
}

// openBody takes the body of a request: JSON, or a form where there may be one.
func (a *API) openBody(w http.ResponseWriter, r *http.Request, form bool) (body, error) {
	kind, boundary := media(r)
	if form && kind == "multipart/form-data" && boundary != "" {
		return a.openForm(w, r, boundary)
	}
	if form && kind != "application/json" {
		return nil, &fault.Error{
			Kind: fault.Media, Code: "unsupported_media_type",
			Message: "the body must be a form: send content-type multipart/form-data with its boundary, not " + r.Header.Get("Content-Type"),
		}
	}
	return a.openJSON(w, r)
}

// relayKeys are the members of a JSON body that the gateway acts on.
var relayKeys = jsonedit.NewKeys("model", "input_file_id")

// jsonBody is a JSON body in memory.
type jsonBody struct {
	text    []byte
	obj     jsonedit.Object
	release func()
	// bare has no model in what is passed on; once is not sent again.
	bare, once bool
	opened     bool
}

var _ body = (*jsonBody)(nil)

func (a *API) openJSON(w http.ResponseWriter, r *http.Request) (*jsonBody, error) {
	text, release, err := a.readBody(w, r)
	if err != nil {
		return nil, err
	}
	obj, err := jsonedit.Scan(text, relayKeys)
	if err != nil {
		release()
		return nil, wire.ScanFault("api.relay", err)
	}
	return &jsonBody{text: text, obj: obj, release: release}, nil
}

func (b *jsonBody) member(key string) (string, error) {
	v := b.obj.Value(key).Of(b.text)
	if jsonedit.IsNull(v) {
		return "", nil
	}
	s, ok := jsonedit.Unquote(v)
	if !ok {
		return "", fault.Invalidf(key, "%s must be a text", key)
	}
	return s, nil
}

func (b *jsonBody) model() (string, error) { return b.member("model") }

func (b *jsonBody) close() { b.release() }

// Open appends the body with the model in it.
func (b *jsonBody) Open(dst []byte, model string) (llm.Load, error) {
	b.opened = true
	var edits []jsonedit.Edit
	if have, _ := b.model(); b.bare {
		edits = b.obj.Delete(edits, b.text, "model")
	} else if have != model {
		edits = b.obj.Set(edits, b.text, "model", jsonedit.AppendQuote(nil, model))
	}
	return llm.Load{Data: jsonedit.Apply(dst, b.text, edits), ContentType: "application/json"}, nil
}

// Spent reports whether it was sent and must not be sent again.
func (b *jsonBody) Spent() bool { return b.once && b.opened }

// formBody is a form that is passed on while it arrives.
type formBody struct {
	form *formedit.Form
	from *arriving
	bare bool // has no model in what is passed on
}

var _ body = (*formBody)(nil)

func (a *API) openForm(w http.ResponseWriter, r *http.Request, boundary string) (*formBody, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, &fault.Error{Kind: fault.Media, Code: "unsupported_media_type", Message: "the body must not be compressed; content-encoding is " + enc}
	}
	if r.ContentLength > a.Uploads {
		return nil, a.longUpload()
	}
	from := &arriving{a: a, body: http.MaxBytesReader(w, r.Body, a.Uploads), conn: http.NewResponseController(w)}
	return &formBody{form: formedit.New(from, boundary, formedit.Limits{}, modelQuery), from: from}, nil
}

func (a *API) longUpload() error {
	return &fault.Error{Kind: fault.TooLarge, Code: "request_too_large", Message: fmt.Sprintf("the form is larger than %d bytes (limits.upload_bytes)", a.Uploads)}
}

func (b *formBody) model() (string, error) {
	name, _, err := b.form.Find(modelQuery)
	return name, formFault(err)
}

func (b *formBody) close() {
	b.from.stop()
	_ = b.form.Close() // a temporary file that is gone anyway
}

// Open returns the form with the model in it.
func (b *formBody) Open(_ []byte, model string) (llm.Load, error) {
	r, contentType := b.form.Edited(map[string]formedit.Edit{modelQuery: {Value: model, Drop: b.bare}})
	return llm.Load{Stream: &formStream{r: r, from: b.from}, ContentType: contentType}, nil
}

// Spent reports whether a part of the form has gone on for good.
func (b *formBody) Spent() bool { return b.form.Spent() || b.from.isStopped() }

// formFault is an error of a form as one for the client.
func formFault(err error) error {
	e, ok := errors.AsType[*formedit.Error](err)
	if !ok {
		return err
	}
	return &fault.Error{Kind: fault.Invalid, Code: "invalid_form", Param: e.Field, Message: e.Msg, Err: e}
}

// formStream is a form on its way. Nothing of it is read any more once Close has returned.
type formStream struct {
	r      io.Reader
	from   *arriving
	mu     sync.Mutex
	closed atomic.Bool
}

// Read reads the form.
func (s *formStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return 0, os.ErrClosed
	}
	n, err := s.r.Read(p)
	return n, formFault(err)
}

// Close ends a Read that waits for the client, and the form with it.
func (s *formStream) Close() error {
	s.closed.Store(true)
	if !s.mu.TryLock() {
		s.from.stop()
		s.mu.Lock()
	}
	s.mu.Unlock()
	return nil
}

// arriving is the body of a request that may take its time, as long as something of it comes.
type arriving struct {
	a       *API
	body    io.Reader
	conn    *http.ResponseController
	mu      sync.Mutex // of what follows
	stopped bool
	until   time.Time // the read deadline
}

// Read reads from the body. Its errors are for clients.
func (b *arriving) Read(p []byte) (int, error) {
	if !b.wait() {
		return 0, os.ErrClosed
	}
	n, err := b.body.Read(p)
	if err == nil {
		return n, nil
	}
	b.rest()
	if errors.Is(err, io.EOF) {
		return n, err
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return n, b.a.longUpload()
	}
	return n, &fault.Error{Kind: fault.Canceled, Code: "canceled", Message: "the request's body did not arrive", Err: err}
}

// wait bounds how long the client may send nothing. The deadline moves on only now and then, since moving it has a price.
func (b *arriving) wait() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); !b.stopped && b.until.Sub(now) < bodyTime-writeSlack {
		b.until = now.Add(bodyTime)
		_ = b.conn.SetReadDeadline(b.until) // a writer without deadlines is a test's
	}
	return !b.stopped
}

// rest takes the deadline away: nobody waits for the client any more.
func (b *arriving) rest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.until = time.Time{}
		_ = b.conn.SetReadDeadline(time.Time{})
	}
}

func (b *arriving) isStopped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}

// stop ends a Read that waits, and all that would follow.
func (b *arriving) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped && !b.until.IsZero() {
		_ = b.conn.SetReadDeadline(time.Unix(1, 0))
	}
	b.stopped = true
}
