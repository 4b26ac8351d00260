package mcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// described is a tool with words.
func described(name, description, schema string) ToolDef {
	return ToolDef{
		Name: name, Description: description, InputSchema: []byte(schema),
		Raw: []byte(`{"name":"` + name + `","description":"` + description + `","inputSchema":` + schema + `}`),
	}
}

func searchHouse(t *testing.T) (fakes, *Catalogue) {
	t.Helper()
	fs := fakes{
		"a": {tools: []ToolDef{
			described("read", "Reads a file.", `{"type":"object","properties":{"path":{"type":"string","description":"the location"}}}`),
			described("write", "Writes a file.", `{"type":"object"}`),
			described("hidden", "Reads what nobody may see.", `{"type":"object"}`),
		}},
		"b": {tools: []ToolDef{described("read", "Reads a page.", `{"type":"object","properties":{"where":{"type":"array","items":{"properties":{"chapter":{"type":"string"}}}}}}`)}},
	}
	return fs, newCatalogue(t, fs, Options{}, webServer("a"), webServer("b"))
}

func notHidden(u Use) Verdict { return permit(u.Tool != "hidden") }

// foundNames are the names in what a search has answered.
func foundNames(text string) string {
	var names []string
	for el := range jsonedit.Elements(jsonedit.Get([]byte(text), "tools")) {
		names = append(names, str(el, "name"))
	}
	return strings.Join(names, ",")
}

func TestSearchInARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, c := searchHouse(t)
		sel := ask("fairlead")
		sel.Search, sel.Access = true, notHidden
		b := open(t, c, sel)
		if got := offered(b); !slices.Equal(got, []string{"search_tools", "call_tool"}) {
			t.Fatalf("offered %v", got)
		}
		for _, tool := range b.Tools() {
			if !jsontext.Value(tool.Schema).IsValid() || tool.Server != OwnServer || tool.Ask || tool.Through != (tool.Tool == "call_tool") {
				t.Errorf("%+v", tool)
			}
		}
		for query, want := range map[string]string{
			"file": "a-write,a-read", "reading": "b-read,a-read", "location": "a-read", "chapters": "b-read", "b": "b-read", "": "a-read,a-write,b-read", "-": "a-read,a-write,b-read",
			"weather": "", "hidden": "", "nobody may see": "",
		} {
			res := run(t, b, "search_tools", `{"query":"`+query+`"}`)
			if got := foundNames(res.Text); got != want || res.IsError || want == "" && !strings.Contains(res.Text, "There are 3 tools") {
				t.Errorf("%q finds %q: %s", query, got, res.Text)
			}
		}
		if res := run(t, b, "search_tools", `{"query":"a page","limit":1}`); res.Text != `{"tools":[{"name":"b-read","description":"Reads a page.","inputSchema":{"type":"object","properties":{"where":{"type":"array","items":{"properties":{"chapter":{"type":"string"}}}}}}}]}` {
			t.Errorf("it answers %s", res.Text)
		}
		for args, want := range map[string]string{
			`{"name":"a-read","arguments":{"n":1.0}}`:            `ok`,
			`{"name":"a-read"}`:                                  `ok`,
			`{"arguments":"{\"n\":2}","name":"b-read","more":1}`: `ok`,
			`{"name":"a-hidden","arguments":{}}`:                 `Error: there is no tool named "a-hidden"`,
			`{"name":"a-none","arguments":{}}`:                   `Error: there is no tool named "a-none"`,
			`{"name":"search_tools","arguments":{"query":"x"}}`:  `Error: there is no tool named "search_tools"`,
			`{"name":"a-read","arguments":7}`:                    `Error: arguments is not a JSON object; the tool was not called`,
			`{"name":"a-read","arguments":"{\"a\":1,\"a\":2}"}`:  `Error: arguments is not a JSON object that can be read in one way only; the tool was not called`,
			`{"name":"a-read","name":"a-write","arguments":{}}`:  `Error: the arguments cannot be read in one way only`,
			`{"name":"a-read","Name":"a-write","arguments":{}}`:  `Error: the arguments cannot be read in one way only`,
			`{"name":7}`: `Error: the arguments have no text name, which says the tool to run`,
			`[]`:         `Error: the arguments are not a JSON object; the tool was not called`,
		} {
			if res := run(t, b, "call_tool", args); res.Text != want {
				t.Errorf("%s: %s", args, res.Text)
			}
		}
		var got []string
		for _, call := range append(slices.Clone(fs["a"].calls), fs["b"].calls...) {
			got = append(got, call.Name+string(call.Arguments))
		}
		slices.Sort(got)
		if want := []string{`read{"n":1.0}`, `read{"n":2}`, `read{}`}; !slices.Equal(got, want) {
			t.Errorf("called %q", got)
		}
		if res := run(t, b, "a-write", "{}"); res.Text != "ok" || res.Server != "a" {
			t.Errorf("by its own name: %+v", res)
		}
	})
}

// Permissions that go while a request runs take tools out of what a search finds, too.
func TestSearchAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := searchHouse(t)
		allowed := true
		sel := ask("fairlead")
		sel.Search, sel.Access = true, func(u Use) Verdict { return permit(allowed || u.Server != "a") }
		b := open(t, c, sel)
		allowed = false
		if got := foundNames(run(t, b, "search_tools", `{"query":"read"}`).Text); got != "b-read" {
			t.Errorf("it finds %s", got)
		}
		if res := run(t, b, "call_tool", `{"name":"a-read"}`); res.Text != `Error: there is no tool named "a-read"` {
			t.Errorf("%+v", res)
		}
	})
}

func TestSearchTakesNoName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := fakes{"a": {tools: defs("call_tool", "search_tools")}}
		server := webServer("a")
		server.Prefix = ""
		c := newCatalogue(t, fs, Options{}, server)
		sel := ask("fairlead")
		sel.Search, sel.Own = true, []llm.Tool{{Name: "search_tools"}}
		b := open(t, c, sel)
		if got := offered(b); !slices.Equal(got, []string{"search_tools_3", "call_tool_2"}) {
			t.Errorf("offered %v", got)
		}
		if !strings.Contains(b.Tools()[0].Description, "call_tool_2") || !strings.Contains(b.Tools()[1].Description, "search_tools_3") {
			t.Errorf("the descriptions name others: %+v", b.Tools())
		}
		run(t, b, "call_tool_2", `{"name":"search_tools_2"}`)
		if len(fs["a"].calls) != 1 || fs["a"].calls[0].Name != "search_tools" {
			t.Errorf("called %+v", fs["a"].calls)
		}
	})
}

// TestSearchOfAView: the list is two tools, and all can be called.
func TestSearchOfAView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := searchHouse(t)
		see := func(server string, search bool) *View {
			v, err := c.View(t.Context(), &Visit{Server: server, Selection: Selection{Access: notHidden, Search: search}})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		v := see("", true)
		if got := foundNames(`{"tools":` + string(v.Tools()) + `}`); got != "search_tools,call_tool" {
			t.Errorf("it lists %s", got)
		}
		if v.Own("search_tools") != SearchTools || v.Own("call_tool") != CallTool || v.Own("a-read") != NotOwn {
			t.Error("it does not know its own tools")
		}
		text := ""
		for el := range jsonedit.Elements(jsonedit.Get(v.RunOwn(t.Context(), SearchTools, []byte(`{"query":"file"}`)), "content")) {
			text = str(el, "text")
		}
		if got := foundNames(text); got != "a-write,a-read" {
			t.Errorf("it finds %s in %s", got, text)
		}
		if again := see("", true); again.shelf != v.shelf {
			t.Error("what was made is not used again")
		}
		if plain := see("", false); plain.shelf == v.shelf || plain.Own("search_tools") != NotOwn || len(plain.Tools()) < 100 {
			t.Error("a view without a search has one")
		}
		if got := foundNames(`{"tools":` + string(see("b", true).Tools()) + `}`); got != "search_tools,call_tool" {
			t.Errorf("of one server it lists %s", got)
		}
		if n := len(c.indexes.by); n != 1 {
			t.Errorf("%d indexes were made of the same tools", n)
		}
	})
}

func TestSearchIsBounded(t *testing.T) {
	var tools []foundable
	for i := range 100 {
		d := described(fmt.Sprint("tool", i), strings.Repeat("word ", 100), `{"type":"object","properties":{}}`)
		tools = append(tools, foundable{place{7, i}, "s", &newList(&Server{Name: "s"}, []ToolDef{d}).tools[0]})
	}
	c := New(nil, Options{ResultBytes: 3000})
	t.Cleanup(c.Close)
	text, isError := c.search([]byte(`{"query":"word","limit":1000}`), tools, func(i int) (hit, bool) {
		return hit{tools[i].tool.Name, tools[i].tool.Description, tools[i].tool.raw}, true
	})
	n := len(strings.Split(foundNames(text), ","))
	if left, _ := jsonedit.Int(jsonedit.Get([]byte(text), "left_out")); isError || len(text) > 3000 || n+int(left) != mostHits || n < 3 {
		t.Errorf("%d tools, %d left out, %d bytes: %s", n, left, len(text), text)
	}
	var many strings.Builder
	for i := range 4000 {
		fmt.Fprint(&many, "word", i, " ")
	}
	for i := range 150 { // indexes that are not used any more make room
		c.index([]foundable{{place{uint64(100 + i), 0}, "s", &listed{ToolDef: ToolDef{Name: "x", Description: many.String()}}}})
		if c.indexes.size > maxIndexes {
			t.Fatalf("%d bytes of indexes are kept", c.indexes.size)
		}
	}
	if n := len(c.indexes.by); n == 0 || n >= 150 {
		t.Errorf("%d indexes are kept", n)
	}
}

// FuzzReadThrough: what is read of a call through another tool is one object, in one line, and is read in one way.
func FuzzReadThrough(f *testing.F) {
	for _, s := range []string{`{"name":"a","arguments":{"x":1}}`, `{"name":"a","arguments":"{\"x\":1}"}`, `{"arguments":null,"name":""}`, `{"name":"a","Name":"b"}`, "{\"name\":\"a\",\"arguments\":{\n}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, args []byte) {
		if raw, ok := arguments(string(args)); ok {
			args = raw
		}
		if _, inner, why := ReadThrough(args); why == "" && (jsonedit.Kind(inner) != '{' || !jsonedit.Valid(inner) || strings.ContainsAny(string(inner), "\n\r")) {
			t.Fatalf("%q has the arguments %q", args, inner)
		}
		if w, why := readSearch(args); why == "" && (w.limit < 1 || w.limit > mostHits) {
			t.Fatalf("%q wants %d", args, w.limit)
		}
	})
}
