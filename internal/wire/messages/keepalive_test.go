package messages

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// TestDoorPings wants a stream that waits for a tool kept alive by the wire's own event, and nothing after its end.
func TestDoorPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDoor()
		d.KeepAlive = time.Second
		req := taken(t, withMembers(`"stream":true,"mcp_servers":[{"type":"url","url":"fairlead","name":"srv"}]`), "")
		w := httptest.NewRecorder()
		lines := script(t, "start m\nrun call_0123456789 srv roll srv-roll `{}`\nresult call_0123456789 \"6\"\nend pause_turn\n")
		err := d.WriteReply(w, req, func(yield func(llm.Event, error) bool) {
			for ev, err := range lines {
				if ev.Kind == llm.ToolResult {
					time.Sleep(3500 * time.Millisecond) // a tool runs
				}
				if !yield(ev, err) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		got := w.Body.String()
		time.Sleep(time.Minute)
		if w.Body.String() != got {
			t.Error("something was written after the end")
		}
		if r := wiretest.Messages(t, w.Header().Get("Content-Type"), w.Body.Bytes()); r.Pings != 3 || r.Stop != llm.StopPause {
			t.Errorf("%d pings, stop %s", r.Pings, r.Stop)
		}
		if strings.Count(got, "event: ping\ndata: {\"type\": \"ping\"}\n\n") != 3 {
			t.Error(got)
		}
	})
}
