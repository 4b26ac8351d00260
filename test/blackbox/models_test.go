package blackbox

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

const (
	noTools = ""
	streams = `"stream":true`
)

// deaf returns the address of a port that takes no connection and refuses none: its queue is full.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for range 16 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this system takes connections that nobody accepts")
	return ""
}

// TestModelTimeouts: each of the three timeouts tells itself apart, before the reply has begun as a 504, later in the stream.
func TestModelTimeouts(t *testing.T) {
	t.Parallel()
	times := "-- config --\ntimeouts: {connect: 300ms, first_byte: 400ms, between_events: 500ms}\n"
	tools := "-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"}]}`
	t.Run("connect", func(t *testing.T) {
		t.Parallel()
		given := times + "models:\n  - {name: m, provider: openai, model: m, base_url: \"http://" + deaf(t) + "/v1\", api_key: k}\n"
		tr := house(t, given)
		for _, body := range []string{noTools, streams} {
			tr.want(504, chat(body), `"code":"upstream_timeout"`, "timeouts.connect", "300ms")
		}
	})
	for _, body := range []string{noTools, streams, plainTools, streamTools} {
		t.Run("first byte, "+body, func(t *testing.T) {
			t.Parallel()
			tr := house(t, times+tools, providertest.Stall())
			tr.want(504, chat(body), `"code":"upstream_timeout"`, "timeouts.first_byte", "400ms")
		})
	}
	for _, body := range []string{streams, streamTools} {
		t.Run("between events, "+body, func(t *testing.T) {
			t.Parallel()
			tr := house(t, times+tools, providertest.Text("some").Then(providertest.Stall()))
			text := tr.want(200, chat(body), `"content":"some"`, `data: {"error":`, "timeouts.between_events", "500ms")
			if !strings.HasSuffix(text, "data: [DONE]\n\n") {
				t.Errorf("the stream has no end: %s", text)
			}
		})
	}
	t.Run("after a tool", func(t *testing.T) {
		t.Parallel()
		tr := house(t, times+tools, providertest.Call("c1", "s-echo", "{}"), providertest.Stall())
		tr.want(424, chat(plainTools), `"code":"upstream_timeout"`, "timeouts.first_byte")
	})
}

// TestModelBreaks: resets, garbage, replies without an end are told as errors, never as a short answer.
func TestModelBreaks(t *testing.T) {
	t.Parallel()
	tools := "-- server s --\n" + `{"tools":[{"name":"echo","do":"echo"}]}`
	for name, step := range map[string]providertest.Step{
		"reset":            providertest.Text("some").Then(providertest.Reset()),
		"cut":              providertest.Text("some").Then(providertest.Cut()),
		"no finish reason": providertest.Text("some").NoFinish(),
		"garbage":          providertest.Text("some").Then(providertest.Bytes("data: {\"choices\":[\x00\n\n")).NoFinish(),
		"an error":         providertest.Text("some").Then(providertest.Frame(`{"error":{"message":"overloaded","code":529}}`)).NoFinish().NoDone(),
	} {
		for _, body := range []string{streams, streamTools} {
			t.Run(name+", "+body, func(t *testing.T) {
				t.Parallel()
				tr := house(t, tools, step)
				text := tr.want(200, chat(body), "some", `"error":{`)
				if strings.Contains(text, `"finish_reason":"stop"`) {
					t.Errorf("a broken reply looks complete: %s", text)
				}
			})
		}
	}
	for name, step := range map[string]providertest.Step{
		"reset":   providertest.Reset(),
		"html":    providertest.Reply(200, "text/html", "<html>hello</html>"),
		"garbage": providertest.JSON(`{"choices":`),
		"empty":   providertest.JSON(""),
	} {
		t.Run(name+", plain", func(t *testing.T) {
			t.Parallel()
			tr := house(t, tools, step)
			tr.want(502, chat(plainTools), `"code":"upstream_error"`)
		})
	}
}
