package chat

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// flushed is a client that sees what was flushed.
type flushed struct {
	*httptest.ResponseRecorder
	seen int
}

func (f *flushed) Flush() { f.seen = f.Body.Len() }

var _ http.Flusher = (*flushed)(nil)

// TestStalls has the provider fall silent after each byte of its stream: what it has said in whole events is there for the client
// after a moment.
func TestStalls(t *testing.T) {
	stream := `data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	for _, word := range []string{"one", "two", "three"} {
		stream += `data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"` + word + `"}}]}` + "\n\n"
	}
	stream += `data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"four"}}]}}]}` + "\n\n"
	u := upstream(t, wire.Quirks{})
	for at := range len(stream) + 1 {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			req := &llm.Request{Stream: true, Raw: llm.Frame{Wire: Name, Bytes: []byte(`{}`)}}
			c, done := &flushed{ResponseRecorder: httptest.NewRecorder()}, make(chan error, 1)
			go func() {
				done <- (Door{}).WriteReply(c, req, u.ReadReply(req, "text/event-stream", r))
			}()
			_, _ = w.Write([]byte(stream[:at/2]))
			_, _ = w.Write([]byte(stream[at/2 : at]))
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			whole := stream[:strings.LastIndex(stream[:at], "\n\n")+1]
			for _, word := range []string{"assistant", "one", "two", "three", "four"} {
				if has := bytes.Contains(c.Body.Bytes()[:c.seen], []byte(word)); has != strings.Contains(whole, word) {
					t.Errorf("silent after %q: the client has %q", stream[:at], c.Body.Bytes()[:c.seen])
				}
			}
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
			<-done
		})
	}
}
