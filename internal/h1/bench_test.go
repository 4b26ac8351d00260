package h1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// answerAll answers each request on c, whose body is 1 KB, with the same reply, and allocates nothing.
func answerAll(c net.Conn, reply []byte) {
	buf, have := make([]byte, 64<<10), 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		if i := bytes.Index(buf[:have], []byte("\r\n\r\n")); i >= 0 && have >= i+4+1024 {
			have = 0
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	}
}

// once sends req again and reads the reply into sink.
func once(rt http.RoundTripper, req *http.Request, sink []byte) (n int, err error) {
	if req.Body, err = req.GetBody(); err != nil {
		return 0, err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	for err == nil {
		var m int
		m, err = resp.Body.Read(sink)
		n += m
	}
	_ = resp.Body.Close()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// BenchmarkRoundTrip sends 1 KB and reads 1 KB, and the same in 100 chunks, with this client and with net/http's.
func BenchmarkRoundTrip(b *testing.B) {
	replies := map[string]string{
		"1KB":    ok + "Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024),
		"chunks": ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("a\r\n0123456789\r\n", 100) + "0\r\n\r\n",
	}
	for name, reply := range replies {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go answerAll(c, []byte(reply))
			}
		}()
		for _, rt := range []struct {
			name string
			http.RoundTripper
		}{{"h1", New(Options{})}, {"std", &http.Transport{WriteBufferSize: 64 << 10, MaxIdleConnsPerHost: 256, DisableCompression: true}}} {
			b.Run(name+"/"+rt.name, func(b *testing.B) {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+"/v1/x", strings.NewReader(strings.Repeat("x", 1024)))
				sink := make([]byte, 4096)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := once(rt, req, sink); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
