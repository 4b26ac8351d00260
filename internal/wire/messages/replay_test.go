package messages

import (
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// TestDoorReplays sends every reply of the transcripts back as the last turn of a conversation, as clients do. For another
// wire each call is in a turn of the model that has its results behind it; for a provider of this wire nothing is left of the
// blocks that show the gateway's calls.
func TestDoorReplays(t *testing.T) {
	files, _ := filepath.Glob("testdata/door/*.txtar")
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]string{}
		for _, f := range a.Files {
			in[f.Name] = string(f.Data)
		}
		w := httptest.NewRecorder()
		if testDoor().WriteReply(w, taken(t, in["request"], in["header"]), script(t, in["events"])) != nil {
			continue
		}
		content := jsonedit.Get(w.Body.Bytes(), "content")
		req := taken(t, `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":`+string(content)+`}]}`, "")
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			if err := testDoor().DecodeAll(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			answered(t, req.Messages)
			u, err := NewUpstream(wire.Quirks{})
			if err != nil {
				t.Fatal(err)
			}
			body, err := u.AppendRequest(nil, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, kind := range []string{"mcp_tool_use", "mcp_tool_result", "mcp_tool_listing"} {
				if strings.Contains(string(body), kind) {
					t.Errorf("a provider is sent %s: %s", kind, body)
				}
			}
		})
	}
}

// answered wants each result behind the turn that made its call, with results between them only, and each hosted call
// answered.
func answered(t *testing.T, messages []llm.Message) {
	t.Helper()
	var open []string
	for i := range messages {
		m := &messages[i]
		if m.Result != nil {
			at := slices.Index(open, m.Result.CallID)
			if at < 0 {
				t.Fatalf("message %d answers no call of the turn before it: %q", i, m.Result.CallID)
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			t.Fatalf("message %d comes before the results of %q", i, open)
		}
		for _, c := range m.Calls {
			if c.Label != "" || i < len(messages)-1 {
				open = append(open, c.ID)
			}
		}
	}
	for _, id := range open {
		if !strings.HasPrefix(id, "toolu_client") {
			t.Errorf("nothing answers %q", id)
		}
	}
}
