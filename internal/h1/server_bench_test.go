package h1

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// server is what serves a listener in a benchmark.
type server interface {
	Serve(l net.Listener) error
	Close() error
}

const benchHead = "POST /v1/x HTTP/1.1\r\nHost: localhost:4000\r\nUser-Agent: bench/1.0\r\nAuthorization: Bearer k\r\n" +
	"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n"

// echoKB reads a request and replies with 1 KB.
func echoKB(w http.ResponseWriter, r *http.Request) {
	var buf [2048]byte
	n, err := io.ReadFull(r.Body, buf[:])
	if n != 1024 || r.Context().Err() != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(buf[:n])
}

// events replies with 100 pieces.
func events(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rc := http.NewResponseController(w)
	for range 100 {
		_, _ = w.Write([]byte("0123456789"))
		_ = rc.Flush()
	}
}

// ask sends request on c again and reads replies up to what ends them.
func ask(c net.Conn, request, end, buf []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	for have := 0; !bytes.HasSuffix(buf[:have], end); {
		n, err := c.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
	}
	return nil
}

// BenchmarkServer answers 1 KB with 1 KB, and with 100 chunks, with this server and with net/http's.
func BenchmarkServer(b *testing.B) {
	request := []byte(benchHead + strings.Repeat("x", 1024))
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		end     string
	}{{"1KB", echoKB, strings.Repeat("x", 1024)}, {"chunks", events, "\r\n0\r\n\r\n"}} {
		for _, s := range []struct {
			name string
			server
		}{{"h1", &Server{Handler: c.handler}}, {"std", &http.Server{Handler: c.handler}}} {
			b.Run(c.name+"/"+s.name, func(b *testing.B) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				go func() { _ = s.Serve(l) }()
				defer s.Close()
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer nc.Close()
				buf, end := make([]byte, 8<<10), []byte(c.end)
				b.ReportAllocs()
				for b.Loop() {
					if err := ask(nc, request, end, buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
