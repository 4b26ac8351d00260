package mcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// resultsInMap keeps results in a map, by principal and id.
type resultsInMap struct {
	mu  sync.Mutex
	by  map[[2]string]store.ToolResult
	err error
}

func (m *resultsInMap) SaveResult(_ context.Context, principal string, r store.ToolResult) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[[2]string]store.ToolResult{}
	}
	m.by[[2]string{principal, r.ID}] = r
	return m.err
}

func (m *resultsInMap) ResultPart(_ context.Context, principal, id string, offset, limit int) (store.ToolResult, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.by[[2]string{principal, id}]
	r.Size = len(r.Text)
	r.Text = r.Text[min(offset, r.Size):min(offset+limit, r.Size)]
	return r, ok, m.err
}

// long is a text of 100 lines, 1000 bytes.
var long = func() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "line %03d.\n", i)
	}
	return b.String()
}()

// spilling is a house whose server answers with a text that is too long.
func spilling(t *testing.T, kept store.Results, text string) (*Catalogue, Selection) {
	t.Helper()
	raw := append(jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), text), `}]}`...)
	f := &fakeServer{tools: defs("fetch"), call: func(context.Context, ToolCall) ([]byte, error) { return raw, nil }}
	server := webServer("web")
	server.Untrusted = true
	c := newCatalogue(t, fakes{"web": f}, Options{Results: kept, ResultBytes: 100}, server)
	sel := ask("fairlead")
	sel.Spill, sel.Principal = 1<<20, "alice"
	return c, sel
}

var idIn = regexp.MustCompile(`read_result \{"id":"(res_[A-Z2-7]{26})","offset":(\d+)\}`)

func TestSpill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &resultsInMap{}
		c, sel := spilling(t, kept, long)
		b := open(t, c, sel)
		if got := offered(b); !slices.Equal(got, []string{"web-fetch", "read_result"}) {
			t.Fatalf("offered %v", got)
		}
		res := run(t, b, "web-fetch", "{}")
		m := idIn.FindStringSubmatch(res.Text)
		if m == nil || m[2] != "100" || !strings.HasPrefix(res.Text, long[:100]+"\n[cut: this is the first 100 of 1000 bytes; read on within an hour with ") || !res.Untrusted {
			t.Fatalf("the result is %+v", res)
		}
		all := long[:100]
		for offset := 100; offset < len(long); offset += 100 {
			res := run(t, b, "read_result", fmt.Sprintf(`{"id":%q,"offset":%d}`, m[1], offset))
			text, notice, _ := strings.Cut(res.Text, "\n[bytes ")
			want := fmt.Sprintf("%d to %d of 1000; read on with offset %d]", offset, offset+100, offset+100)
			if offset == 900 {
				want = "900 to 1000: the end of 1000]"
			}
			if notice != want || res.IsError || res.Server != "web" || !res.Untrusted || res.Tool != "read_result" {
				t.Errorf("at %d: %+v", offset, res)
			}
			all += text
		}
		if all != long {
			t.Errorf("the parts come to %d bytes that are not the %d of the result", len(all), len(long))
		}
		for args, want := range map[string]string{
			`{"id":"` + m[1] + `","limit":9}`:                       "line 000.\n[bytes 0 to 9 of 1000; read on with offset 9]",
			`{"id":"` + m[1] + `","offset":995,"limit":100000}`:     "099.\n\n[bytes 995 to 1000: the end of 1000]",
			`{"id":"` + m[1] + `","pattern":"0[37]7"}`:              "370: line 037.\n770: line 077.\n[lines found: 2; each begins with its offset]",
			`{"id":"` + m[1] + `","pattern":"0[37]7","offset":371}`: "770: line 077.\n[lines found: 1; each begins with its offset]",
			`{"id":"` + m[1] + `","pattern":"none"}`:                "[no line has the pattern]",
			`{"id":"` + m[1] + `","pattern":"line","limit":80}`:     "0: line 000.\n10: line 001.\n20: line 002.\n[lines found so far: 3; there are more: go on with offset 30]",
			`{"id":"` + m[1] + `","pattern":"line","limit":4}`:      "0: line 000.\n[lines found so far: 1; there are more: go on with offset 10]",
			`{"id":"` + m[1] + `","offset":1000}`:                   "Error: the result has 1000 bytes",
			`{"id":"` + m[1] + `","offset":-1}`:                     "Error: offset is not a whole number of bytes",
			`{"id":"` + m[1] + `","limit":1.5}`:                     "Error: limit is not a whole number of bytes",
			`{"id":"` + m[1] + `","pattern":"("}`:                   "Error: pattern is not a regular expression in RE2's syntax of at most 256 bytes",
			`{"id":"` + m[1] + `","pattern":7}`:                     "Error: pattern is not a text",
			`{"id":"` + m[1] + `","id":"x"}`:                        "Error: the arguments cannot be read in one way only",
			`{"id":"res_none"}`:                                     `Error: there is no result "res_none"; results are kept for an hour`,
			`{}`:                                                    "Error: the arguments have no text id, which says the result to read",
		} {
			if got := run(t, b, "read_result", args).Text; got != want {
				t.Errorf("%s: %s, want %s", args, got, want)
			}
		}
	})
}

// A result is its principal's, and is read by who may still use the tool that it is of.
func TestSpillIsOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, sel := spilling(t, &resultsInMap{}, long)
		id := idIn.FindStringSubmatch(run(t, open(t, c, sel), "web-fetch", "{}").Text)[1]
		read := func(change func(*Selection)) llm.Result {
			own := sel
			change(&own)
			return run(t, open(t, c, own), "read_result", `{"id":"`+id+`"}`)
		}
		want := `Error: there is no result "` + id + `"; results are kept for an hour`
		if res := read(func(*Selection) {}); res.IsError {
			t.Errorf("its own: %+v", res)
		}
		for name, change := range map[string]func(*Selection){
			"another principal": func(s *Selection) { s.Principal = "bob" },
			"nobody":            func(s *Selection) { s.Principal = "" },
			"a permission that is gone": func(s *Selection) {
				asked := 0
				s.Access = func(u Use) Verdict {
					if u.Tool != "" {
						asked++
					}
					return permit(asked < 2)
				}
			},
		} {
			if res := read(change); res.Text != want || !res.IsError || res.Server != OwnServer {
				t.Errorf("%s: %+v", name, res)
			}
		}
	})
}

// Where nothing can be kept, a result is cut as ever.
func TestSpillFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, kept := range map[string]store.Results{"no store": nil, "a store that fails": &resultsInMap{err: errors.New("disk")}} {
			c, sel := spilling(t, kept, long)
			if got := run(t, open(t, c, sel), "web-fetch", "{}").Text; got != long[:100]+"\n[cut: this is the first 100 of 1000 bytes]" {
				t.Errorf("%s: %s", name, got)
			}
		}
		c, sel := spilling(t, &resultsInMap{}, long)
		sel.Spill = 0
		if got := offered(open(t, c, sel)); !slices.Equal(got, []string{"web-fetch"}) {
			t.Errorf("where results are cut, offered are %v", got)
		}
		sel.Spill = 555
		if got := run(t, open(t, c, sel), "web-fetch", "{}").Text; !strings.Contains(got, "of 1000 bytes, of which the first 555 are kept; read on") {
			t.Errorf("more than is kept: %s", got)
		}
	})
}

// Characters are whole in every part, whatever the offset and the limit.
func TestSpillCutsBetweenCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("aä€😀", 100)
		c, sel := spilling(t, &resultsInMap{}, text)
		b := open(t, c, sel)
		res := run(t, b, "web-fetch", "{}")
		id := idIn.FindStringSubmatch(res.Text)[1]
		for offset := range 40 {
			for limit := range 12 {
				got := run(t, b, "read_result", fmt.Sprintf(`{"id":%q,"offset":%d,"limit":%d}`, id, offset, limit)).Text
				part, _, _ := strings.Cut(got, "\n[bytes ")
				if !utf8.ValidString(got) || part == "" || !strings.Contains(text, part) || len(part) > max(limit, utf8.UTFMax) {
					t.Fatalf("offset %d, limit %d: %q", offset, limit, got)
				}
			}
		}
	})
}

// For MCP clients a result keeps its form: texts are cut in their order, and all else stays.
func TestSpillOfAView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &resultsInMap{}
		c, sel := spilling(t, kept, long)
		s := c.newSpill(&sel, &ownSet{by: map[string]Own{}})
		of := &Server{Name: "web"}
		image := `{"type":"image","data":"` + strings.Repeat("A", 200) + `","mimeType":"image/png"}`
		for _, tt := range []struct{ name, raw, want string }{
			{"short", `{"content":[{"type":"text","text":"a"}]}`, `{"content":[{"type":"text","text":"a"}]}`},
			{"large, and no text", `{"content":[` + image + `]}`, `{"content":[` + image + `]}`},
			{"asked for more", `{"resultType":"input_required","content":[{"type":"text","text":"` + long[:9] + strings.Repeat("x", 200) + `"}]}`, ""},
			{
				"texts and others", `{"x":1.0,"content":[{"type":"text","text":"` + strings.Repeat("a", 60) + `"},` + image + `,{"type":"resource","resource":{"uri":"u","text":"` + strings.Repeat("b", 60) + `"}},{"type":"text","text":"c"}],"structuredContent":{"n":1}}`,
				`{"x":1.0,"content":[{"type":"text","text":"` + strings.Repeat("a", 60) + `"},` + image + `,{"type":"text","text":"` + strings.Repeat("b", 39) + `"},{"type":"text","text":"[cut: this is the first 100 of 123 bytes; read on within an hour with read_result {\"id\":\"ID\",\"offset\":100}]"}],"structuredContent":{"n":1}}`,
			},
		} {
			got := string(s.shortenRaw(t.Context(), of, "fetch", []byte(tt.raw)))
			got = regexp.MustCompile(`res_[A-Z2-7]{26}`).ReplaceAllString(got, "ID")
			if want := tt.want; got != want && (want != "" || got != tt.raw) {
				t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, want)
			}
		}
		v, err := c.View(t.Context(), &Visit{Principal: "alice", Selection: Selection{Access: everything, Spill: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		if got := foundNames(`{"tools":` + string(v.Tools()) + `}`); got != "web-fetch,read_result" {
			t.Errorf("it lists %s", got)
		}
	})
}

// A line that there is no room for is shown around what was found in it, and the reading goes on behind it.
func TestMatchesInALongLine(t *testing.T) {
	text := strings.Repeat("x", 500) + "needle" + strings.Repeat("y", 500) + "\nneedle\n"
	r := reading{limit: 50, pattern: regexp.MustCompile("needle")}
	want := "0: …xxxxneedleyyyyyyyy…\n[lines found so far: 1; there are more: go on with offset 1007]"
	if got := r.matches(t.Context(), []byte(text)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r.offset = 1007
	if got := r.matches(t.Context(), []byte(text)); got != "1007: needle\n[lines found: 1; each begins with its offset]" {
		t.Errorf("%s", got)
	}
}

func FuzzReadResult(f *testing.F) {
	f.Add([]byte(`{"id":"x","offset":3,"limit":4,"pattern":"a+"}`), []byte("aa\nbä€\xff\n"))
	f.Add([]byte(`{"id":"x","offset":9007199254740993}`), []byte(""))
	f.Fuzz(func(t *testing.T, args, text []byte) {
		r, why := readReading(args, 100)
		if why != "" {
			return
		}
		if r.limit < 4 || r.limit > 100 || r.offset < 0 {
			t.Fatalf("%+v", r)
		}
		from := min(r.offset, len(text))
		got := r.part(text[from:min(from+r.limit+utf8.UTFMax, len(text))], len(text))
		if len(got) > r.limit+100 {
			t.Fatalf("a part has %d bytes of %d", len(got), r.limit)
		}
		if r.pattern != nil && len(r.matches(t.Context(), text)) > r.limit+maxShown+100 {
			t.Fatal("the matches are too long")
		}
	})
}
