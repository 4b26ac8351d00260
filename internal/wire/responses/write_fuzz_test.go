package responses

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/wire/wiretest"
)

// FuzzWriteReply writes replies of all kinds of turns. Each stream keeps the rules of Open Responses, and ends with the response that
// the plain reply is.
func FuzzWriteReply(f *testing.F) {
	for _, s := range []string{"tTe", "TCRtte", "aoTe", "ttTCCRRkte", "cccAe", "TtCtRtAl", "hxtphrx!", "TcCRe", "CR!", "kTC!", "tcT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ops string) {
		events := play(ops)
		in := map[string]string{"request": `{"model":"m","input":"go","tools":[{"type":"mcp","server_label":"a","server_url":"fairlead"}]}`, "events": events}
		plain := written(t, in, false)
		stream := written(t, in, true)
		if !strings.HasPrefix(stream, "event:") {
			if !strings.HasPrefix(plain, "returned:") {
				t.Fatalf("%s\nreturned in a stream, but not plain: %s", events, plain)
			}
			return
		}
		for _, why := range wiretest.OpenResponsesStream([]byte(stream)) {
			t.Errorf("%s\n%s", events, why)
		}
		if strings.HasPrefix(plain, "returned:") {
			return
		}
		for _, why := range wiretest.OpenResponsesBody([]byte(plain)) {
			t.Errorf("%s\n%s", events, why)
		}
		if !strings.Contains(stream, plain) {
			t.Errorf("%s\nthe stream does not end with %s", events, plain)
		}
	})
}

// play makes a script of letters. What the loop would not yield does not come out, but for turns that are not whole.
func play(ops string) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("tool a x now x-now")
	say("tools")
	calls, mine, started := 0, 0, []int{}
	result := func(word string) {
		if len(started) > 0 {
			say("%s call_%d %q", word, started[0], "it is "+word)
			started = started[1:]
		}
	}
	for _, op := range ops {
		switch op {
		case 's':
			say("start")
		case 't':
			say("text %q", "some \"text\"\n")
		case 'x':
			say(`textx "annotation":{"type":"url_citation"} "cited"`)
		case 'r':
			say(`textx "refusal":true "no"`)
		case 'p':
			say(`textx "phase":"commentary" "hm"`)
		case 'h':
			say("think %q", "hm")
		case 'o':
			say(`other {"id":"ws_%d","type":"web_search_call","status":"completed"}`, b.Len())
		case 'c', 'k':
			say("%s %d fn_%d f {}", map[rune]string{'c': "call", 'k': "custom"}[op], mine, calls)
			mine++
			calls++
		case 'g':
			if mine > 0 {
				say("args 0 x")
			}
		case 'T':
			if len(started) == 0 {
				say("turn tool_calls 3 4")
				mine = 0
			}
		case 'C':
			say("started call_%d x-now {}", calls)
			started = append(started, calls)
			calls++
			mine = 0
		case 'a':
			say("approved mcpr_fl_%d call_%d x-now {}", calls, calls)
			started = append(started, calls)
			calls++
		case 'R':
			result("result")
		case 'F':
			result("failed")
		case 'A':
			say("asked mcpr_fl_%d x-now {}", b.Len())
		case 'l':
			say("end length 3 4")
			return b.String()
		case 'e':
			say("end stop 3 4")
			return b.String()
		case '!':
			say("error upstream gone")
			return b.String()
		}
	}
	return b.String()
}
