package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/obs"
	"github.com/fairlead/fairlead/internal/wire"
)

// bodies are the buffers that request bodies are read into. A body lives as long as its handler.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// bodyTime is how long a request's body may take to arrive.
const bodyTime = 2 * time.Minute

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 1 << 20

// readBody reads a JSON body within the limit. release gives its buffer back.
func (a *API) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	if err := checkMedia(r); err != nil {
		return nil, nil, err
	}
	if r.ContentLength > a.Body {
		return nil, nil, a.tooLarge()
	}
	buf := bodies.Get().(*[]byte)
	release = func() {
		if cap(*buf) <= keepBuffer {
			bodies.Put(buf)
		}
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // a writer without deadlines is a test's
	*buf, err = readAll((*buf)[:0], http.MaxBytesReader(w, r.Body, a.Body), r.ContentLength)
	_ = rc.SetReadDeadline(time.Time{})
	if err == nil {
		return *buf, release, nil
	}
	release()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, nil, a.tooLarge()
	}
	return nil, nil, &fault.Error{Kind: fault.Canceled, Message: "the request's body did not arrive", Err: err}
}

func (a *API) tooLarge() error {
	return &fault.Error{Kind: fault.TooLarge, Code: "request_too_large", Message: fmt.Sprintf("the request's body is larger than %d bytes (limits.body_bytes)", a.Body)}
}

func readAll(dst []byte, r io.Reader, length int64) ([]byte, error) {
	if length > 0 && length <= keepBuffer {
		dst = slices.Grow(dst, int(length)+1)
	}
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(512, len(dst)))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// checkMedia refuses bodies that are not said to be plain JSON.
func checkMedia(r *http.Request) error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &fault.Error{Kind: fault.Media, Code: "unsupported_media_type", Message: "the body must not be compressed; content-encoding is " + enc}
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" || ct == "application/json" {
		return nil
	}
	media, _, err := mime.ParseMediaType(ct)
	if err != nil || (media != "application/json" && !strings.HasSuffix(media, "+json")) {
		return &fault.Error{Kind: fault.Media, Code: "unsupported_media_type", Message: "the body must be JSON: send content-type application/json, not " + ct}
	}
	return nil
}

// statusWriter remembers the status, tells in the head what routing has done, and bounds how long a client may take to accept
// what is written. http.ResponseController finds the writer below through Unwrap.
type statusWriter struct {
	http.ResponseWriter
	call   *obs.Call
	status int
	until  time.Time // the write deadline
}

// A client that accepts nothing for so long has gone. The deadline moves on only now and then, and to the same times for all
// requests, since moving it has a price: a connection that has it already is spared.
const (
	writeTime  = 2 * time.Minute
	writeSlack = 15 * time.Second
)

func (w *statusWriter) bound() {
	now := time.Now()
	if w.until.Sub(now) > writeTime-writeSlack {
		return
	}
	w.until = now.Truncate(writeSlack).Add(writeTime)
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.until) // a writer without deadlines is a test's
}

// Unwrap returns the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin notes the status, and completes the head. What a stream costs is not known yet.
func (w *statusWriter) begin(status int) {
	w.status = status
	if c := w.call; c != nil && !wire.IsStream(w.Header().Get("Content-Type")) && c.Cost.Asked() {
		w.Header().Set("X-Fairlead-Cost", c.Cost.String())
	}
	if c := w.call; c != nil && c.Deployment != "" {
		h := w.Header()
		h.Set("X-Fairlead-Deployment", c.Deployment)
		h.Set("X-Fairlead-Attempts", strconv.Itoa(c.Attempts))
	}
	if c := w.call; c != nil && len(c.Dropped) > 0 {
		w.Header().Set("X-Fairlead-Dropped-Params", dropped(w.Header().Get("X-Fairlead-Dropped-Params"), c.Dropped))
	}
}

// dropped adds names to those that a header tells already.
func dropped(told string, names []string) string {
	for _, name := range names {
		if told == "" {
			told = name
		} else if !strings.Contains(", "+told+", ", ", "+name+", ") {
			told += ", " + name
		}
	}
	return told
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.begin(status)
	}
	w.bound()
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the status that it implies.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	w.bound()
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func stack() string { return string(debug.Stack()) }

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// hostOf cuts the port off.
func hostOf(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return strings.ToLower(h)
	}
	return strings.ToLower(strings.Trim(hostport, "[]"))
}

func originHost(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
