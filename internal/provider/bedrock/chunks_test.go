package bedrock

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fairlead/fairlead/internal/eventstream"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

func frame(kind, payload, message string) []byte {
	name := ":event-type"
	if message != "event" {
		name = ":exception-type"
	}
	return eventstream.Append(nil, eventstream.Texts(name, kind, ":message-type", message), []byte(payload))
}

func chunk(event string) []byte {
	return frame("chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(event))+`"}`, "event")
}

func TestChunks(t *testing.T) {
	long := `{"type":"x","y":"` + strings.Repeat("z", 10000) + `"}`
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
		err    string
	}{
		{
			"events", bytes.Join([][]byte{chunk(`{"type":"message_start"}`), frame("new", `{}`, "event"), chunk("{\n\"type\": \"message_stop\"\r\n}"), chunk(long)}, nil),
			"event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: message_stop\ndata: { \"type\": \"message_stop\"  }\n\nevent: x\ndata: " + long + "\n\n", "",
		},
		{
			"an exception", append(chunk(`{"type":"ping"}`), frame("modelStreamErrorException", `{"message":"a\nb"}`, "exception")...),
			"event: ping\ndata: {\"type\":\"ping\"}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a\\nb\"}}\n\n", "",
		},
		{
			"an exception without a text", frame("serviceUnavailableException", `{`, "exception"),
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"the model broke its reply off: serviceUnavailableException\"}}\n\n", "",
		},
		{
			"an error", eventstream.Append(nil, eventstream.Texts(":message-type", "error", ":error-code", "InternalFailure", ":error-message", `"x"`), nil),
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"\\\"x\\\"\"}}\n\n", "",
		},
		{"no base64", frame("chunk", `{"bytes":"!"}`, "event"), "", "no event"},
		{"no type", chunk(`{"a":1}`), "", "no event"},
		{"an odd type", chunk(`{"type":"a\nb"}`), "", "no event"},
		{"corrupt", append(chunk(`{"type":"ping"}`), "garbage garbage"...), "event: ping\ndata: {\"type\":\"ping\"}\n\n", "corrupt"},
		{"cut off", chunk(`{"type":"ping"}`)[:30], "", "unexpected EOF"},
		{"too large", []byte{4, 0, 0, 0, 0, 0, 0, 0, 0x60, 0xd3, 0xeb, 0xf8}, "", "corrupt"},
	} {
		for _, one := range []bool{false, true} {
			var r io.Reader = newChunks(bytes.NewReader(c.stream))
			if one {
				r = iotest.OneByteReader(newChunks(iotest.OneByteReader(bytes.NewReader(c.stream))))
			}
			got, err := io.ReadAll(r)
			if string(got) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: read %q, %v", c.name, got, err)
			}
		}
	}
}

// FuzzChunks wants what comes out of frames to be whole events.
func FuzzChunks(f *testing.F) {
	f.Add("chunk", `{"bytes":"eyJ0eXBlIjoicGluZyJ9"}`, "event")
	f.Add("throttlingException", `{"message":"x"}`, "exception")
	f.Add("chunk", `{"bytes":"ewoidHlwZSI6ICJ4In0K","p":"a"}`, "event")
	f.Fuzz(func(t *testing.T, kind, payload, message string) {
		got, err := io.ReadAll(newChunks(bytes.NewReader(append(frame(kind, payload, message), chunk(`{"type":"ping"}`)...))))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		for ev := range strings.SplitSeq(strings.TrimSuffix(string(got), "\n\n"), "\n\n") {
			if ev == "" {
				continue
			}
			name, data, ok := strings.Cut(ev, "\ndata: ")
			if name, named := strings.CutPrefix(name, "event: "); !ok || !named || strings.Contains(data, "\n") {
				t.Fatalf("no event: %q", ev)
			} else if kind, _ := jsonedit.Unquote(jsonedit.Get([]byte(data), "type")); kind != name {
				t.Fatalf("the event %q has data of type %q", name, kind)
			}
		}
	})
}
