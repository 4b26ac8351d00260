package front

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// The revision 2025-03-26, and it alone, has batches: several messages in one body. Each is an exchange of its own, and their
// answers are one JSON array in the order of the requests.
const revBatch = "2025-03-26"

// maxBatch bounds the messages of a batch, and besideBatch how many of them run side by side.
const (
	maxBatch    = 64
	besideBatch = 8
)

// batch answers a POST of several messages.
func (d *Door) batch(w http.ResponseWriter, r *http.Request, v *mcp.Visit) {
	x := &exchange{d: d, w: w, r: r, v: v}
	if header(r, "Mcp-Session-Id") == "" && !v.Local {
		x.refuse(http.StatusBadRequest, fail(jsonrpc.CodeInvalidRequest, "batches are not taken: send one message in a request"))
		return
	}
	if x.session = d.find(x); x.session == nil {
		return
	}
	messages, bad := readBatch(v.Body)
	if x.session.revision != revBatch {
		bad = fail(jsonrpc.CodeInvalidRequest, "batches are not taken in this revision: send one message in a request")
	}
	if bad != nil {
		x.refuse(http.StatusBadRequest, bad)
		return
	}
	answers := make([][]byte, len(messages))
	side := make(chan struct{}, besideBatch)
	var wg sync.WaitGroup
	for i, body := range messages {
		side <- struct{}{}
		wg.Go(func() {
			defer func() { <-side }()
			answers[i] = d.oneOf(r, v, body)
		})
	}
	wg.Wait()
	out := bytes.Join(slicesOf(answers), []byte{','})
	if len(out) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	writeJSON(w, http.StatusOK, append(append([]byte{'['}, out...), ']'))
}

// slicesOf are those of several texts that say something.
func slicesOf(all [][]byte) (some [][]byte) {
	for _, b := range all {
		if len(b) > 0 {
			some = append(some, b)
		}
	}
	return some
}

// readBatch returns the messages of a batch.
func readBatch(body []byte) (messages [][]byte, bad *jsonrpc.Error) {
	if !jsonedit.Valid(body) {
		return nil, fail(jsonrpc.CodeParse, "the body is not JSON")
	}
	for el := range jsonedit.Elements(body) {
		m, bad := read(el)
		switch {
		case bad != nil:
			return nil, bad
		case m.Method == "initialize":
			return nil, fail(jsonrpc.CodeInvalidRequest, "initialize is not part of a batch")
		case len(messages) == maxBatch:
			return nil, fail(jsonrpc.CodeInvalidRequest, "the batch has too many messages")
		}
		messages = append(messages, el)
	}
	if messages == nil {
		return nil, fail(jsonrpc.CodeInvalidRequest, "the batch is empty")
	}
	return messages, nil
}

// oneOf answers one message of a batch. It has no stream, so that nothing is told before its answer.
func (d *Door) oneOf(r *http.Request, v *mcp.Visit, body []byte) []byte {
	one, own, w := r.Clone(r.Context()), *v, &recorder{header: http.Header{}}
	one.Header.Set("Accept", "application/json")
	own.Body = body
	d.post(w, one, &own)
	return w.body
}

// recorder keeps the body of an answer.
type recorder struct {
	header http.Header
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }
func (w *recorder) WriteHeader(int)     {}

func (w *recorder) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}
