package matrix

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// dialect puts conversations into a client's bytes and back.
type dialect interface {
	name() string
	path() string
	head(c *cell, h http.Header)
	// body is the request, as JSON can be made of it.
	body(c *cell) map[string]any
	// user, paper, results and word are what the client adds to a conversation: something said (with a PNG in base64, or a PDF),
	// what came of calls of its own, by their ids, and whether a call may run.
	user(text, image string) jsontext.Value
	paper(text, pdf string) jsontext.Value
	results(answers ...[2]string) []jsontext.Value
	word(id string, yes bool) jsontext.Value
	readPlain(t *testing.T, raw []byte, r *reply)
	readStream(t *testing.T, raw []byte, r *reply)
	failure(t *testing.T, raw []byte) *failure
	// usage is what a reply of n rounds must say that it has cost, where each has cost in and out.
	usage(n, in, out int64) (int64, int64)
	// showsRuns reports whether the client sees our calls as part of the conversation, and sends them back.
	showsRuns() bool
}

var dialects = []dialect{chatDialect{}, responsesDialect{}, messagesDialect{}}

// The client's own tool.
const ownSchema = `{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}`

// answerSchema is the form of an answer that must be a document.
const answerSchema = `{"type":"object","properties":{"answer":{"type":"integer"}},"required":["answer"],"additionalProperties":false}`

// system is what every client says first, in its dialect's place for it.
const system = "Be brief."

func value(t *testing.T, v any) jsontext.Value {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw is JSON that is written here and known to be good.
func raw(v any) jsontext.Value {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return b
}

func parse[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// frame is one frame of a stream.
type frame struct {
	event string
	data  []byte
}

// frames takes a stream apart. Comments are left out; anything else that is no event of these wires fails the test.
func frames(t *testing.T, b []byte) []frame {
	t.Helper()
	var out []frame
	for block := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n\n"), "\n\n") {
		var f frame
		for line := range strings.SplitSeq(block, "\n") {
			switch name, v, _ := strings.Cut(line, ": "); name {
			case "event":
				f.event = v
			case "data":
				if f.data != nil {
					t.Fatalf("a frame of two lines of data: %s", block)
				}
				f.data = []byte(v)
			case "":
			default:
				t.Fatalf("a frame with %q", line)
			}
		}
		if f.data != nil {
			out = append(out, f)
		} else if f.event != "" {
			t.Fatalf("an event without data: %s", block)
		}
	}
	return out
}

// compact is a JSON text without white space, for comparison.
func compact(s string) string {
	v := jsontext.Value(bytes.Clone([]byte(s)))
	if v.Compact() != nil {
		return s
	}
	return string(v)
}
