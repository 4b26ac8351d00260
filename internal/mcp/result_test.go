package mcp

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

func TestConvert(t *testing.T) {
	tests := []struct {
		name, raw, want string
		parts           []llm.Part
	}{
		{"text", `{"content":[{"type":"text","text":"hello"}]}`, "hello", nil},
		{"texts", `{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, "a\nb", nil},
		{"escapes", `{"content":[{"type":"text","text":"\u00e4 \"q\" \n"}]}`, "ä \"q\" \n", nil},
		{"nothing", `{}`, "(no output)", nil},
		{"no content", `{"content":[]}`, "(no output)", nil},
		{"empty text", `{"content":[{"type":"text","text":""}]}`, "(no output)", nil},
		{"structured only", `{"content":[],"structuredContent":{ "n": 12345678901234567890, "b": [1, 2] }}`, `{"n":12345678901234567890,"b":[1,2]}`, nil},
		{"structured beside text", `{"content":[{"type":"text","text":"a"}],"structuredContent":{"n":1}}`, "a", nil},
		{"structured beside empty text", `{"content":[{"type":"text","text":""}],"structuredContent":{"n":1}}`, `{"n":1}`, nil},
		{"structured null", `{"content":[],"structuredContent":null}`, "(no output)", nil},
		{
			"image", `{"content":[{"type":"text","text":"see"},{"type":"image","mimeType":"image/png","data":"aGVsbG8="}]}`, "see\n[image: image/png, 5 bytes]",
			[]llm.Part{{Kind: "text", Text: "see"}, {Kind: "image", MediaType: "image/png", Data: "aGVsbG8="}},
		},
		{
			"image with structured", `{"content":[{"type":"image","mimeType":"image/png","data":"aGVsbG8="}],"structuredContent":{"n":1}}`, "{\"n\":1}\n[image: image/png, 5 bytes]",
			[]llm.Part{{Kind: "text", Text: `{"n":1}`}, {Kind: "image", MediaType: "image/png", Data: "aGVsbG8="}},
		},
		{
			"audio", `{"content":[{"type":"audio","mimeType":"audio/wav","data":"aGVsbA=="}]}`, "[audio: audio/wav, 4 bytes]",
			[]llm.Part{{Kind: "audio", MediaType: "audio/wav", Data: "aGVsbA=="}},
		},
		{"resource text", `{"content":[{"type":"resource","resource":{"uri":"file:///a","text":"body"}}]}`, "body", nil},
		{"resource empty", `{"content":[{"type":"resource","resource":{"uri":"file:///a","text":""}}]}`, "[empty resource: file:///a]", nil},
		{"resource blob", `{"content":[{"type":"resource","resource":{"uri":"file:///a","mimeType":"application/pdf","blob":"aGVsbG8="}}]}`, "[resource: file:///a, application/pdf, 5 bytes]", nil},
		{
			"resource image", `{"content":[{"type":"resource","resource":{"uri":"file:///a","mimeType":"image/gif","blob":"aGVsbG8="}}]}`, "[image: file:///a, image/gif, 5 bytes]",
			[]llm.Part{{Kind: "image", MediaType: "image/gif", Data: "aGVsbG8=", URI: "file:///a"}},
		},
		{"resource link", `{"content":[{"type":"resource_link","uri":"file:///a","name":"a","mimeType":"text/plain","description":"d"}]}`, "[resource link: file:///a, a, text/plain, d]", nil},
		{"unknown kind", `{"content":[{"type":"hologram","x":1},{"type":"text","text":"a"}]}`, "[content of the kind \"hologram\" that cannot be shown]\na", nil},
		{"no kind", `{"content":[{}]}`, `[content of the kind "" that cannot be shown]`, nil},
		{"error", `{"isError":true,"content":[{"type":"text","text":"no such file"}]}`, "Error: no such file", nil},
		{"error that says so", `{"isError":true,"content":[{"type":"text","text":"Error: no such file"}]}`, "Error: no such file", nil},
		{"error without words", `{"isError":true}`, "Error: (no output)", nil},
		{
			"error with a picture", `{"isError":true,"content":[{"type":"image","mimeType":"image/png","data":"aGVsbG8="}]}`, "Error: [image: image/png, 5 bytes]",
			[]llm.Part{{Kind: "text", Text: "Error:"}, {Kind: "image", MediaType: "image/png", Data: "aGVsbG8="}},
		},
		{"asks for input", `{"resultType":"input_required","inputRequests":{}}`, "Error: the tool asks for input from a user, which cannot be given here", nil},
		{"no object", `[1]`, "Error: the server's answer is not a tool result", nil},
		{"complete", `{"resultType":"complete","content":[{"type":"text","text":"a"}]}`, "a", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := converted([]byte(tt.raw), 1000)
			if res.Text != tt.want {
				t.Errorf("text %q, want %q", res.Text, tt.want)
			}
			if diff := cmp.Diff(tt.parts, res.Parts); diff != "" {
				t.Error(diff)
			}
			if res.IsError != strings.HasPrefix(tt.want, "Error: ") {
				t.Errorf("IsError = %v", res.IsError)
			}
		})
	}
}

func TestResultIsCut(t *testing.T) {
	text := strings.Repeat("ä", 600) // two bytes each
	raw := `{"content":[{"type":"text","text":"` + text + `"}]}`
	res := converted([]byte(raw), 1001)
	want := strings.Repeat("ä", 500) + "\n[cut: this is the first 1000 of 1200 bytes]"
	if res.Text != want {
		t.Errorf("got …%q", res.Text[max(0, len(res.Text)-60):])
	}
	if got := converted([]byte(raw), 1200).Text; got != text {
		t.Error("a text of just the limit was cut")
	}
}

func TestMediaOverTheLimit(t *testing.T) {
	data := strings.Repeat("A", 800)
	raw := `{"content":[{"type":"image","mimeType":"image/png","data":"` + data + `"},{"type":"image","mimeType":"image/gif","data":"` + data + `"}]}`
	res := converted([]byte(raw), 1000)
	if want := "[image: image/png, 600 bytes]\n[image: image/gif, 600 bytes]"; res.Text != want {
		t.Errorf("text %q", res.Text)
	}
	want := []llm.Part{{Kind: "image", MediaType: "image/png", Data: data}, {Kind: "text", Text: "[image: image/gif, 600 bytes]"}}
	if diff := cmp.Diff(want, res.Parts); diff != "" {
		t.Error(diff)
	}
}

// FuzzConvert: whatever a server answers, there is a text within bounds that can be put into JSON.
func FuzzConvert(f *testing.F) {
	f.Add([]byte(`{"content":[{"type":"text","text":"hello"},{"type":"image","data":"aaaa","mimeType":"x"}],"isError":true}`))
	f.Add([]byte(`{"structuredContent":{"a":[1,2,{"b":null}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !jsonedit.Valid(raw) {
			return
		}
		res := converted(raw, 64)
		if res.Text == "" || len(res.Text) > 64+80 || !utf8.ValidString(res.Text) {
			t.Errorf("text %q", res.Text)
		}
	})
}

func TestToolSchema(t *testing.T) {
	tests := []struct{ in, want string }{
		{``, `{"type":"object","properties":{}}`},
		{`null`, `{"type":"object","properties":{}}`},
		{`true`, `{"type":"object","properties":{}}`},
		{`{`, `{"type":"object","properties":{}}`},
		{`{}`, `{"type":"object","properties":{}}`},
		{`{"type":"object"}`, `{"properties":{},"type":"object"}`},
		{`{"properties":{"a":{"type":"integer"}}}`, `{"type":"object","properties":{"a":{"type":"integer"}}}`},
		{`{"type":null,"properties":null,"required":["a"]}`, `{"type":"object","properties":{},"required":["a"]}`},
		{"{ \"type\": \"object\",\n \"properties\": {\"n\": {\"maximum\": 1.50e3}}, \"x-own\": 1 }", `{"type":"object","properties":{"n":{"maximum":1.50e3}},"x-own":1}`},
	}
	for _, tt := range tests {
		l := newList(&Server{}, []ToolDef{{Name: "t", InputSchema: []byte(tt.in)}})
		if got := string(l.tools[0].schema); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// TestListIsKeptOnce measures what a list adds to the definitions that it is made of.
func TestListIsKeptOnce(t *testing.T) {
	const tools, size = 64, 64 << 10
	text := strings.Repeat("x", size)
	for name, tt := range map[string]struct {
		schema string
		most   int64 // bytes a tool
	}{
		"in one line": {`{"type":"object","properties":{},"title":"` + text + `"}`, size / 8},
		"with spaces": {`{"type": "object", "properties": {}, "title": "` + text + `"}` + strings.Repeat(" ", size), size * 5 / 4},
	} {
		t.Run(name, func(t *testing.T) {
			defs := make([]ToolDef, tools)
			for i := range defs {
				defs[i] = ToolDef{Name: strconv.Itoa(i), InputSchema: []byte(tt.schema)}
			}
			before := held()
			l := newList(&Server{}, defs)
			if kept := held() - before; kept > tools*tt.most {
				t.Errorf("%d tools keep %d KiB, want at most %d", tools, kept>>10, tools*tt.most>>10)
			}
			runtime.KeepAlive(l)
			runtime.KeepAlive(defs)
		})
	}
}

// held is what is in memory, without what pools have to spare.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// converted is a result whose text is cut.
func converted(raw []byte, limit int) llm.Result {
	return convert(raw, limit, func(text string) (head, notice string) {
		return (*spill)(nil).shorten(context.Background(), nil, "", text, limit)
	})
}
