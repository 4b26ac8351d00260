package mcptest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// SSE serves the HTTP+SSE of 2024: GET on every path opens a session, whose endpoint is /message.
func (s *Server) SSE() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.spec.Status != 0:
			http.Error(w, "scripted", s.spec.Status)
		case r.Method == http.MethodGet:
			s.record(Request{Verb: r.Method, Header: r.Header})
			s.stream(w, r)
		case r.Method == http.MethodPost && r.URL.Path == "/message":
			s.message(w, r)
		default:
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		}
	})
}

// stream is the session's stream, and its life.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	ss := s.newSession()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, ss.id)
		s.mu.Unlock()
	}()
	e := &eventWriter{w: w}
	e.begin()
	e.mu.Lock()
	_, _ = fmt.Fprintf(w, "event: endpoint\ndata: /message?session=%s\n\n", ss.id)
	_ = http.NewResponseController(w).Flush()
	e.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	watched := make(chan struct{})
	go func() { defer close(watched); s.watch(ctx, e.send) }()
	defer func() { cancel(); <-watched }()
	for {
		select {
		case msg := <-ss.out:
			if msg == nil {
				return // told to die
			}
			e.send(msg)
		case <-ctx.Done():
			return
		case <-s.closed:
			return
		}
	}
}

// message takes one message in; what comes of it goes to the stream.
func (s *Server) message(w http.ResponseWriter, r *http.Request) {
	ss := s.session(r.URL.Query().Get("session"))
	if ss == nil {
		http.Error(w, "Session not found", http.StatusNotFound)
		return
	}
	m, err := readMessage(r)
	if err != nil {
		http.Error(w, "not a message", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprint(w, "Accepted")
	_ = http.NewResponseController(w).Flush()
	out := func(msg []byte) {
		select {
		case ss.out <- msg:
		case <-s.closed:
		}
	}
	in := &incoming{Message: m, session: ss.id, header: r.Header, out: out}
	go func() { // ends with the call
		defer func() {
			if recover() != nil {
				out(nil)
			}
		}()
		if a := s.serve(context.Background(), in); a != nil {
			out(a)
		}
	}()
}

// decode reads a header's value that may be in Base64.
func decode(v string) string {
	rest, ok := strings.CutPrefix(v, "=?base64?")
	if !ok {
		return v
	}
	rest, ok = strings.CutSuffix(rest, "?=")
	b, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil {
		return v
	}
	return string(b)
}
