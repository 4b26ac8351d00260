package mcptest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// session is a legacy session over HTTP.
type session struct {
	id   string
	out  chan []byte // HTTP+SSE: messages to the client
	mu   sync.Mutex
	kept map[string]chan []byte // answers to streams that were cut, by event id
}

// HTTP serves streamable HTTP on every path.
func (s *Server) HTTP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.spec.Status != 0 {
			s.record(Request{Verb: r.Method, Header: r.Header})
			http.Error(w, "scripted", s.spec.Status)
			return
		}
		switch r.Method {
		case http.MethodPost:
			s.post(w, r)
		case http.MethodGet:
			s.record(Request{Verb: r.Method, Header: r.Header})
			s.get(w, r)
		case http.MethodDelete:
			s.record(Request{Verb: r.Method, Header: r.Header})
			s.mu.Lock()
			delete(s.sessions, r.Header.Get("Mcp-Session-Id"))
			s.mu.Unlock()
		default:
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		}
	})
}

func (s *Server) newSession() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	ss := &session{id: "session-" + strconv.Itoa(s.serial), out: make(chan []byte, 16), kept: make(map[string]chan []byte)}
	s.sessions[ss.id] = ss
	return ss
}

func (s *Server) session(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	m, err := readMessage(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(jsonrpc.AppendError(nil, nil, &jsonrpc.Error{Code: jsonrpc.CodeParse, Message: err.Error()}))
		return
	}
	in := &incoming{Message: m, header: r.Header, out: func([]byte) {}}
	newEra := r.Header.Get("Mcp-Protocol-Version") >= modern
	var ss *session
	switch {
	case newEra && s.spec.Era != "legacy":
		if e := s.mismatch(in); e != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(fault(in, -32020, e, ""))
			return
		}
	case m.Method == "initialize":
		if !s.spec.Stateless {
			ss = s.newSession()
			w.Header().Set("Mcp-Session-Id", ss.id)
		}
	case !s.spec.Stateless:
		if ss = s.session(r.Header.Get("Mcp-Session-Id")); ss == nil {
			status := http.StatusNotFound
			if r.Header.Get("Mcp-Session-Id") == "" {
				status = http.StatusBadRequest
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write(fault(in, -32001, "Session not found", ""))
			return
		}
	}
	if ss != nil {
		in.session = ss.id
	}
	s.reply(w, r, in, ss)
}

func readMessage(r *http.Request) (jsonrpc.Message, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 32<<20))
	if err != nil {
		return jsonrpc.Message{}, err
	}
	return jsonrpc.Parse(b)
}

// reply writes the answer as JSON or as a stream.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, in *incoming, ss *session) {
	if !in.IsRequest() {
		s.serve(r.Context(), in)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if s.spec.CutStreams && ss != nil && in.Method == "tools/call" {
		s.cut(w, in, ss)
		return
	}
	if s.spec.JSON && in.Method != "subscriptions/listen" {
		s.plain(w, r, in)
		return
	}
	e := &eventWriter{w: w}
	in.out = e.send
	if a := s.serve(r.Context(), in); a != nil {
		if st := status(a); in.modern && !e.begun && st != http.StatusOK {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(st)
			_, _ = w.Write(a)
			return
		}
		e.send(a)
	}
}

func (s *Server) plain(w http.ResponseWriter, r *http.Request, in *incoming) {
	a := s.serve(r.Context(), in)
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if in.modern {
		w.WriteHeader(status(a))
	}
	_, _ = w.Write(a)
}

// status is the HTTP status of an answer of the stateless era.
func status(answer []byte) int {
	switch code, _ := jsonedit.Int(jsonedit.Get(answer, "error", "code")); code {
	case jsonrpc.CodeMethodNotFound:
		return http.StatusNotFound
	case jsonrpc.CodeInvalidParams, -32020, -32021, -32022:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// cut ends the stream after its first event, and keeps the answer for whoever takes it up again.
func (s *Server) cut(w http.ResponseWriter, in *incoming, ss *session) {
	ss.mu.Lock()
	id := "cut-" + strconv.Itoa(len(ss.kept)+1)
	answer := make(chan []byte, 1)
	ss.kept[id] = answer
	ss.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprintf(w, "id: %s\nretry: 20\ndata:\n\n", id)
	answer <- s.serve(context.Background(), in)
}

// get serves the stream of a session, or the rest of one that was cut.
func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	ss := s.session(r.Header.Get("Mcp-Session-Id"))
	if ss == nil {
		http.Error(w, "no stream here", http.StatusMethodNotAllowed)
		return
	}
	e := &eventWriter{w: w}
	ss.mu.Lock()
	answer := ss.kept[r.Header.Get("Last-Event-ID")]
	ss.mu.Unlock()
	if answer != nil {
		e.begin()
		select {
		case a := <-answer:
			e.send(a)
		case <-r.Context().Done():
		case <-s.closed:
		}
		return
	}
	e.begin()
	s.watch(r.Context(), e.send)
}

// mismatch checks the headers of the stateless era against the body.
func (s *Server) mismatch(in *incoming) string {
	if in.header.Get("Mcp-Method") != in.Method {
		return "Mcp-Method differs from the body"
	}
	if in.Method != "tools/call" {
		return ""
	}
	name, _ := jsonedit.Unquote(jsonedit.Get(in.Params, "name"))
	if decode(in.header.Get("Mcp-Name")) != name {
		return "Mcp-Name differs from the body"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tools, func(t Tool) bool { return t.listed() == name })
	if i < 0 {
		return ""
	}
	for key, prop := range jsonedit.Members(jsonedit.Get(s.tools[i].Schema, "properties")) {
		h, ok := jsonedit.Unquote(jsonedit.Get(prop, "x-mcp-header"))
		if !ok {
			continue
		}
		v := jsonedit.Get(in.Params, "arguments", string(key))
		want := string(v)
		if str, ok := jsonedit.Unquote(v); ok {
			want = str
		}
		if got := decode(in.header.Get("Mcp-Param-" + h)); got != want {
			return fmt.Sprintf("Mcp-Param-%s is %q, the body has %q", h, got, want)
		}
	}
	return ""
}

// eventWriter writes messages as events.
type eventWriter struct {
	w     http.ResponseWriter
	mu    sync.Mutex
	begun bool
}

func (e *eventWriter) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beginLocked()
}

func (e *eventWriter) beginLocked() {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(e.w).Flush()
	}
}

func (e *eventWriter) send(msg []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beginLocked()
	_, _ = fmt.Fprintf(e.w, "event: message\ndata: %s\n\n", msg)
	_ = http.NewResponseController(e.w).Flush()
}
