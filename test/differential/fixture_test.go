package differential

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// The revisions of the two eras.
const (
	modern = "2026-07-28"
	older  = "2025-11-25"
)

// fixture is a server of both eras on one address that answers with the bytes of a table, odd ones with intent.
type fixture struct {
	mu      sync.Mutex
	serial  int
	live    map[string]bool                 // sessions
	asked   map[string]chan jsonrpc.Message // requests to the client, by session and id
	running map[string]chan struct{}        // calls that hang, by session and id
	ended   int                             // calls that hung and were cancelled
}

func newFixture() *fixture {
	return &fixture{live: map[string]bool{}, asked: map[string]chan jsonrpc.Message{}, running: map[string]chan struct{}{}}
}

// cancelled is how many calls that hung were cancelled.
func (f *fixture) cancelled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// hangs reports whether a call hangs.
func (f *fixture) hangs() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.running) > 0
}

func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch sid := r.Header.Get("Mcp-Session-Id"); r.Method {
	case http.MethodPost:
		body, _ := io.ReadAll(r.Body) // a body that is cut is no message
		m, err := jsonrpc.Parse(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.post(w, r, &visit{w: w, m: m, sid: sid, modern: r.Header.Get("Mcp-Protocol-Version") == modern})
	case http.MethodDelete:
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.live, sid)
	default:
		w.Header().Set("Allow", "POST, DELETE")
		http.Error(w, "no stream here", http.StatusMethodNotAllowed)
	}
}

// visit is one message of a client.
type visit struct {
	w      http.ResponseWriter
	m      jsonrpc.Message
	sid    string
	modern bool
	stream bool
}

func (f *fixture) post(w http.ResponseWriter, r *http.Request, v *visit) {
	f.mu.Lock()
	switch {
	case v.modern:
	case v.m.Method == "initialize":
		f.serial++
		v.sid = fmt.Sprint("session-", f.serial)
		f.live[v.sid] = true
		w.Header().Set("Mcp-Session-Id", v.sid)
	case !f.live[v.sid]:
		f.mu.Unlock()
		v.fail(http.StatusNotFound, -32001, "Session not found", "")
		return
	}
	key := v.sid + string(v.m.ID)
	if ch := f.asked[key]; ch != nil && v.m.IsResponse() {
		ch <- v.m
	}
	if id := jsonedit.Get(v.m.Params, "requestId"); v.m.Method == "notifications/cancelled" {
		if ch := f.running[v.sid+string(id)]; ch != nil {
			close(ch)
			delete(f.running, v.sid+string(id))
		}
	}
	f.mu.Unlock()
	if !v.m.IsRequest() {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	f.request(r, v)
}

func (f *fixture) request(r *http.Request, v *visit) {
	name, _ := jsonedit.Unquote(jsonedit.Get(v.m.Params, "name"))
	if uri, ok := jsonedit.Unquote(jsonedit.Get(v.m.Params, "uri")); ok {
		name = uri
	}
	switch name {
	case "echo":
		v.result(`{"content":[],"got":` + string(jsonedit.Get(v.m.Params, "arguments")) + `,"vendor":` + orNull(jsonedit.Get(v.m.Params, "_meta", "vendor/m")) + `}`)
		return
	case "steps":
		f.steps(v)
		return
	case "hang":
		f.hang(r, v)
		return
	case "asks":
		f.ask(r, v)
		return
	}
	if strings.HasSuffix(v.m.Method, "subscribe") {
		name = ""
	}
	e, ok := answers[strings.TrimSpace(v.m.Method+" "+name)]
	switch {
	case !ok && (v.m.Method == "tools/call" || v.m.Method == "prompts/get" || v.m.Method == "resources/read"):
		v.fail(http.StatusOK, -32602, "there is no "+name, "")
	case !ok || v.modern && !e.modern || !v.modern && !e.older:
		status := http.StatusOK
		if v.modern {
			status = http.StatusNotFound
		}
		v.fail(status, jsonrpc.CodeMethodNotFound, "Method not found", "")
	case e.error != "":
		if !v.modern {
			e.error = strings.Replace(e.error, `-32602,"message":"Resource`, `-32002,"message":"Resource`, 1) // as the older era has it
		}
		v.send(http.StatusOK, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":%s}`, v.m.ID, e.error))
	case v.modern && e.newer != "":
		v.result(e.newer)
	default:
		v.result(e.result)
	}
}

// result sends a result; in the stateless era it says that it is whole.
func (v *visit) result(result string) {
	if v.modern && !strings.Contains(result, `"resultType"`) {
		result = strings.TrimSuffix(result, "}") + `,"resultType":"complete"}`
		result = strings.Replace(result, "{,", "{", 1)
	}
	v.send(http.StatusOK, jsonrpc.AppendResult(nil, v.m.ID, []byte(result)))
}

func (v *visit) fail(status, code int, message, data string) {
	e := &jsonrpc.Error{Code: code, Message: message}
	if data != "" {
		e.Data = []byte(data)
	}
	v.send(status, jsonrpc.AppendError(nil, v.m.ID, e))
}

// send sends the last message, as JSON if there was none before.
func (v *visit) send(status int, msg []byte) {
	if v.stream {
		v.event(msg)
		return
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(msg)
}

// event sends a message on a stream.
func (v *visit) event(msg []byte) {
	if !v.stream {
		v.stream = true
		v.w.Header().Set("Content-Type", "text/event-stream")
	}
	_, _ = fmt.Fprintf(v.w, "event: message\ndata: %s\n\n", msg)
	_ = http.NewResponseController(v.w).Flush()
}

// steps tells of progress and writes to the log before it answers.
func (f *fixture) steps(v *visit) {
	token := jsonedit.Get(v.m.Params, "_meta", "progressToken")
	for _, at := range []string{"1.0", "2.50", "9007199254740993"} {
		if token != nil {
			v.event(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%s,"total":1e16,"message":"\u00e9","vendor/x":{"a": 1.0}}}`, token, at))
		}
		if at == "2.50" && (!v.modern || jsonedit.Get(v.m.Params, "_meta", "io.modelcontextprotocol/logLevel") != nil) {
			v.event([]byte(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","logger":"l","data":{"n":9007199254740993,"x":null},"vendor/y":1.0}}`))
		}
	}
	v.result(`{"content":[{"type":"text","text":"done"}]}`)
}

// hang never answers.
func (f *fixture) hang(r *http.Request, v *visit) {
	told := make(chan struct{})
	f.mu.Lock()
	f.running[v.sid+string(v.m.ID)] = told
	f.mu.Unlock()
	if !v.modern {
		v.event([]byte(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"it hangs"}}`))
	}
	gone := r.Context().Done()
	if !v.modern {
		gone = nil // that a connection is gone does not cancel
	}
	select {
	case <-told:
	case <-gone:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, v.sid+string(v.m.ID))
	f.ended++
}

// ask asks the client three things, in the way of its era, and answers with what it has said.
func (f *fixture) ask(r *http.Request, v *visit) {
	if v.modern {
		got := jsonedit.Get(v.m.Params, "inputResponses")
		state, _ := jsonedit.Unquote(jsonedit.Get(v.m.Params, "requestState"))
		switch {
		case got == nil:
			v.result(`{"resultType":"input_required","inputRequests":{"who":` + questions[0] + `,"say":` + questions[1] + `,"where":` + questions[2] + `},"requestState":"state \u00e9","vendor/r":1.0}`)
		case state != "state é":
			v.fail(http.StatusOK, -32602, "another state: "+state, "")
		default:
			v.result(`{"content":[],"got":[` + string(jsonedit.Get(got, "who")) + "," + string(jsonedit.Get(got, "say")) + "," + string(jsonedit.Get(got, "where")) + `]}`)
		}
		return
	}
	var said []string
	for i, q := range questions {
		id := fmt.Sprintf(`"ask-%d"`, i)
		ch := make(chan jsonrpc.Message, 1)
		f.mu.Lock()
		f.asked[v.sid+id] = ch
		f.mu.Unlock()
		v.event([]byte(`{"jsonrpc":"2.0","id":` + id + `,` + q[1:]))
		select {
		case m := <-ch:
			said = append(said, string(m.Result))
		case <-r.Context().Done():
			return
		}
	}
	v.result(`{"content":[],"got":[` + strings.Join(said, ",") + `]}`)
}

func orNull(v []byte) string {
	if v == nil {
		return "null"
	}
	return string(v)
}
