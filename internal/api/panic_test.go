package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fairlead/fairlead/internal/auth"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/obs"
	wireall "github.com/fairlead/fairlead/internal/wire/all"
)

// TestPanic: an endpoint that fails before its reply has begun is a 500, and one that fails later does not look whole.
func TestPanic(t *testing.T) {
	keys, err := auth.New(&config.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	a := &API{Keys: keys, Log: log, Access: obs.LogAccess{Log: log}}
	route := route{open: true, path: "/x", door: wireall.Doors(0, log)[0], serve: func(w http.ResponseWriter, r *http.Request, _ *caller) error {
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, "data: {}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		panic("at the disco")
	}}
	srv := httptest.NewServer(a.handle(route))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil || resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("%v %v", resp, err)
	}
	resp, err = http.Post(srv.URL, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "data: {}\n\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q %v", body, err)
	}
}
