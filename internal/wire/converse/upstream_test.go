package converse

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/eventstream"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

const streamType = "application/vnd.amazon.eventstream"

func upstream(tb testing.TB, q wire.Quirks) *Upstream {
	tb.Helper()
	u, err := NewUpstream(q)
	if err != nil {
		tb.Fatal(err)
	}
	u.newID = func() string { return "new" }
	u.now = func() time.Time { return time.Unix(1, 0) }
	return u
}

// frames makes a stream of lines: an event's type and its payload, or an exception's with ! before it.
func frames(lines string) []byte {
	var out []byte
	for line := range strings.Lines(lines) {
		kind, payload, _ := strings.Cut(strings.TrimSpace(line), " ")
		headers := eventstream.Texts(":event-type", kind, ":content-type", "application/json", ":message-type", "event")
		if name, ok := strings.CutPrefix(kind, "!"); ok {
			headers = eventstream.Texts(":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
		}
		out = eventstream.Append(out, headers, []byte(payload))
	}
	return out
}

// samples are the replies of testdata/reply: each file has prose, a reply (stream or plain), and the events that it makes.
func samples(tb testing.TB) map[string]*txtar.Archive {
	tb.Helper()
	names, err := filepath.Glob("testdata/reply/*.txtar")
	if err != nil || len(names) == 0 {
		tb.Fatal("no samples", err)
	}
	out := map[string]*txtar.Archive{}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(name), ".txtar")] = a
	}
	return out
}

func sampleOf(name string, a *txtar.Archive) wiretest.Sample {
	if a.Files[0].Name == "stream" {
		return wiretest.Sample{Name: name, ContentType: streamType, Body: frames(string(a.Files[0].Data))}
	}
	return wiretest.Sample{Name: name, ContentType: "application/json", Body: bytes.TrimSpace(a.Files[0].Data)}
}

func TestUpstream(t *testing.T) {
	var list []wiretest.Sample
	for name, a := range samples(t) {
		list = append(list, sampleOf(name, a))
	}
	wiretest.Upstream(t, func() wire.Upstream { return upstream(t, wire.Quirks{}) }, list)
}

// TestReplies holds the events of each sample, read and relayed, against its file.
func TestReplies(t *testing.T) {
	for name, a := range samples(t) {
		t.Run(name, func(t *testing.T) {
			s := sampleOf(name, a)
			u := upstream(t, wire.Quirks{})
			lines := wiretest.Grammar(t, u.ReadReply(&llm.Request{Model: "m"}, s.ContentType, bytes.NewReader(s.Body)))
			relayed := wiretest.Grammar(t, u.ReadReply(&llm.Request{Opaque: true}, s.ContentType, bytes.NewReader(s.Body)))
			got := strings.Join(lines, "\n") + "\nrelayed: " + relayed[len(relayed)-1] + "\n"
			if os.Getenv("UPDATE") != "" {
				a.Files = append(a.Files[:1], txtar.File{Name: "events", Data: []byte(got)})
				if err := os.WriteFile("testdata/reply/"+name+".txtar", txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(a.Files[1].Data); got != want {
				t.Errorf("events:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// events reads a reply to its end, and returns the error that it ends in.
func events(u *Upstream, req *llm.Request, body io.Reader) (list []llm.Event, err error) {
	for ev, err := range u.ReadReply(req, streamType, body) {
		if err != nil {
			return list, err
		}
		list = append(list, ev)
	}
	return list, nil
}

// TestTurnComesBack wants what a reply says of its turn to be sent again as it came, signatures byte for byte, also with the
// ids that the loop gave.
func TestTurnComesBack(t *testing.T) {
	for _, c := range []struct{ sample, want string }{
		{
			"calls", `{"reasoningContent":{"reasoningText":{"text":"Let me \u0022see\u0022 \ud83d\ude00.","signature":"EqQBCgIY\/hIM+/1a=="}}},` +
				`{"reasoningContent":{"redactedContent":"AAEC"}},{"text":"I will add."},` +
				`{"toolUse":{"toolUseId":"tooluse_A_2","name":"add","input":{"a": 1.0, "b":"\u00e9"}}},{"toolUse":{"toolUseId":"tooluse_B_2","name":"now","input":{}}}`,
		},
		{
			"plain", `{"reasoningContent":{"reasoningText":{"signature":"Eq\/QB==","text":"See \u0022it\u0022"}}},{"text":"I will."},` +
				`{"toolUse":{"input":{"a": 1.0},"name":"add","toolUseId":"t_2"}},{"toolUse":{"toolUseId":"t_2_2","name":"now","input":{}}},` +
				`{"citationsContent":{"content":[{"text":"cited"}]}}`,
		},
	} {
		s := sampleOf(c.sample, samples(t)[c.sample])
		u := upstream(t, wire.Quirks{Model: "anthropic.claude-sonnet-4-5-v1:0"})
		m := llm.Message{Role: llm.Assistant}
		list, err := events(u, &llm.Request{}, bytes.NewReader(s.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range list {
			if ev.Kind == llm.ToolCall && ev.Call.ID != "" {
				m.Calls = append(m.Calls, llm.Call{ID: ev.Call.ID + "_2", Name: ev.Call.Name})
			}
			if len(ev.Extra.Delta) > 0 {
				m.Wire, m.Extra = ev.Extra.Wire, bytes.Clone(ev.Extra.Delta)
			}
		}
		req := &llm.Request{
			Messages: []llm.Message{{Role: llm.User, Text: "hi"}}, Tools: []llm.Tool{{Name: "add"}, {Name: "now"}},
			AddedMessages: []llm.Message{m, {Role: llm.ToolRole, Result: &llm.Result{CallID: m.Calls[0].ID, Text: "1"}}, {Role: llm.ToolRole, Result: &llm.Result{CallID: m.Calls[1].ID, Text: "2", IsError: true}}},
			Params:        llm.Params{Effort: "low"},
		}
		if c.sample == "plain" {
			m.Calls[1].ID = "t_2_2"
			req.AddedMessages[2].Result.CallID = "t_2_2"
		}
		got, err := u.AppendRequest(nil, req)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"role":"assistant","content":[` + c.want + `]},{"role":"user","content":[{"toolResult":`; !strings.Contains(string(got), want) {
			t.Errorf("%s: sent\n%s\nwant in it\n%s", c.sample, got, want)
		}
		if want := `"thinking":{"type":"enabled","budget_tokens":2048}`; !strings.Contains(string(got), want) {
			t.Errorf("%s: a turn whose reasoning is at hand goes on without: %s", c.sample, got)
		}
	}
}

func TestErrorsInStreams(t *testing.T) {
	const begun = "messageStart {\"role\":\"assistant\"}\ncontentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"Half\"}}\n"
	for _, c := range []struct {
		name, lines string
		kind        fault.Kind
		status      int
		words       string
	}{
		{"throttled", begun + `!throttlingException {"message":"Too many requests, slow down."}`, fault.Refused, 429, "Too many requests, slow down."},
		{"before the start", `!validationException {"message":"No."}`, fault.Refused, 400, "No."},
		{"the model broke off", begun + `!modelStreamErrorException {"message":"The model broke.","originalStatusCode":500,"originalMessage":"x"}`, fault.Upstream, 502, "The model broke."},
		{"an exception that nobody knows", begun + `!newException {"Message":"x"}`, fault.Upstream, 502, "error that has no text"},
		{"malformed call", begun + `messageStop {"stopReason":"malformed_tool_use"}`, fault.Upstream, 502, "malformed_tool_use"},
		{"no end", begun, fault.Upstream, 502, "ended before messageStop"},
		{"no start", `messageStop {"stopReason":"end_turn"}`, fault.Upstream, 502, "before it began"},
		{"content first", `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"x"}}`, fault.Upstream, 502, "before messageStart"},
		{"two starts", begun + begun, fault.Upstream, 502, "twice"},
		{"no JSON", begun + `metadata x`, fault.Upstream, 502, "not a JSON object"},
		{"no string", begun + `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":1}}`, fault.Upstream, 502, "not a JSON string"},
		{"another kind", begun + `contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":""}}}`, fault.Upstream, 502, "another kind"},
		{"a call without a name", begun + `contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"x"}}}`, fault.Upstream, 502, "without a name"},
	} {
		_, err := events(upstream(t, wire.Quirks{}), &llm.Request{}, bytes.NewReader(frames(c.lines)))
		e, ok := errors.AsType[*fault.Error](err)
		if !ok || e.Kind != c.kind || e.HTTPStatus() != c.status || !strings.Contains(e.Message, c.words) {
			t.Errorf("%s: %+v", c.name, err)
		}
	}
	whole := frames(begun)
	whole[len(whole)-1] ^= 1
	for name, body := range map[string][]byte{
		"corrupt": whole, "too large": {1, 0, 0, 1, 0, 0, 0, 0, 0x22, 0x51, 0x66, 0x68}, "a page": []byte("<html>"), "empty": nil, "an error": []byte(`{"message":"x"}`),
		"cut off": whole[:len(whole)-20],
	} {
		_, err := events(upstream(t, wire.Quirks{}), &llm.Request{}, bytes.NewReader(body))
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Upstream {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		model  string
		stream bool
		want   string
	}{
		{"amazon.nova-lite-v1:0", false, "/model/amazon.nova-lite-v1%3A0/converse"},
		{
			"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0", true,
			"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
		},
		{"a/../../b?c", false, "/model/a%2F..%2F..%2Fb%3Fc/converse"},
	} {
		if got := upstream(t, wire.Quirks{}).PathFor(&llm.Request{Model: c.model, Stream: c.stream}); got != c.want {
			t.Errorf("%s goes to %s", c.model, got)
		}
	}
	for _, model := range []string{"", ".", ".."} {
		if _, err := upstream(t, wire.Quirks{}).AppendRequest(nil, &llm.Request{Model: model}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the model %q: %v", model, err)
		}
	}
}

// FuzzReadReply wants the same events wherever the bytes are cut, in the order that llm.Kind says.
func FuzzReadReply(f *testing.F) {
	for name, a := range samples(f) {
		f.Add(sampleOf(name, a).Body)
	}
	f.Add(frames(`!throttlingException {"message":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		u := upstream(t, wire.Quirks{Model: "m"})
		want := wiretest.Grammar(t, u.ReadReply(&llm.Request{}, streamType, bytes.NewReader(body)))
		got := wiretest.Grammar(t, u.ReadReply(&llm.Request{}, streamType, wiretest.Pieces(body, 7, 1, nil)))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("cut in other places the events are\n%s\ninstead of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
