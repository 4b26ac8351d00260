package mcp

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// OwnServer is the server that the gateway's own tools are of. The config has no server with this name.
const OwnServer = "fairlead"

// Own says which of the gateway's own tools one is.
type Own int

// The gateway's own tools.
const (
	NotOwn Own = iota
	SearchTools
	CallTool
	ReadResult
)

// ownNames are the names of the gateway's own tools, before collisions are looked at.
var ownNames = [...]string{SearchTools: "search_tools", CallTool: "call_tool", ReadResult: "read_result"}

// ownTool is what models and clients are told of one of the gateway's own tools.
type ownTool struct {
	own         Own
	name        string // as offered
	description string
	schema      string
}

// ownSet is what a request or a view has of them.
type ownSet struct {
	tools []ownTool
	by    map[string]Own // by the name as offered
}

// maxNamed bounds the servers that a description names.
const maxNamed = 50

// newOwnSet makes the tools that sel asks for, under names that are free. They come last, so that no tool of a server has
// another name because of them.
func newOwnSet(sel *Selection, picks []*pick, taken names) ownSet {
	s := ownSet{by: map[string]Own{}}
	take := func(own Own) string {
		name := taken.take(ownNames[own])
		s.by[name] = own
		return name
	}
	if sel.Search {
		search, call := take(SearchTools), take(CallTool)
		s.tools = append(s.tools, searchTool(search, call, picks), callTool(search, call))
	}
	if sel.Spill > 0 {
		s.tools = append(s.tools, readTool(take(ReadResult)))
	}
	return s
}

// name is the name of one of the tools as offered.
func (s *ownSet) name(own Own) string {
	for i := range s.tools {
		if s.tools[i].own == own {
			return s.tools[i].name
		}
	}
	return ownNames[own]
}

func readTool(name string) ownTool {
	return ownTool{
		own: ReadResult, name: name,
		description: "Reads on in a tool's result that was cut because it was too long. The end of what was cut says its id and where to go on.",
		schema: `{"type":"object","properties":{"id":{"type":"string","description":"The result's id."},` +
			`"offset":{"type":"integer","description":"The byte to begin at: 0 if it is left out."},` +
			`"limit":{"type":"integer","description":"How many bytes at most."},` +
			`"pattern":{"type":"string","description":"A regular expression (RE2): only the lines that it fits are returned, each with its offset."}},"required":["id"]}`,
	}
}

func searchTool(name, call string, picks []*pick) ownTool {
	var servers []string
	for _, k := range picks[:min(len(picks), maxNamed)] {
		servers = append(servers, k.pool.server.Name)
	}
	if len(picks) > maxNamed {
		servers = append(servers, "…")
	}
	return ownTool{
		own: SearchTools, name: name,
		description: "Finds tools by words. The tools of the servers (" + strings.Join(servers, ", ") + ") are not listed here: search for what is to be done, " +
			"then run a tool that was found with " + call + ". The answer has the name, the description and the inputSchema of each tool, the best first.",
		schema: `{"type":"object","properties":{"query":{"type":"string","description":"A few words that say what is to be done, or a tool's name."},` +
			`"limit":{"type":"integer","description":"How many tools at most: 5 if it is left out, 20 at most."}},"required":["query"]}`,
	}
}

func callTool(search, name string) ownTool {
	return ownTool{
		own: CallTool, name: name,
		description: "Runs a tool that " + search + " has found, and answers as that tool does.",
		schema: `{"type":"object","properties":{"name":{"type":"string","description":"The tool's name, as ` + search + ` gives it."},` +
			`"arguments":{"type":"object","description":"The tool's arguments, as its inputSchema describes them.","additionalProperties":true}},"required":["name","arguments"]}`,
	}
}

// appendJSON appends the tools as MCP has them, for a list.
func (s *ownSet) appendJSON(dst []byte) []byte {
	for i := range s.tools {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		t := &s.tools[i]
		dst = jsonedit.AppendQuote(append(dst, `{"name":`...), t.name)
		dst = jsonedit.AppendQuote(append(dst, `,"description":`...), t.description)
		dst = append(append(dst, `,"inputSchema":`...), t.schema...)
		if t.own != CallTool {
			dst = append(dst, `,"annotations":{"readOnlyHint":true,"openWorldHint":false}`...)
		}
		dst = append(dst, '}')
	}
	return dst
}

// offer returns the tools as models are offered them. label is what the caller calls their server.
func (s *ownSet) offer(label string) []llm.Tool {
	var out []llm.Tool
	for i := range s.tools {
		t := &s.tools[i]
		out = append(out, llm.Tool{
			Name: t.name, Description: t.description, Schema: []byte(t.schema), ReadOnly: t.own != CallTool,
			Label: label, Server: OwnServer, Tool: ownNames[t.own], Through: t.own == CallTool,
		})
	}
	return out
}

// throughKeys are the members of what a call through another tool has as its arguments.
var throughKeys = jsonedit.NewKeys("name", "arguments")

// ReadThrough reads the arguments of call_tool: which tool is meant, and the object that are its arguments. A text that holds
// such an object, as some models write it, is as good. why says what is wrong with them; "" if nothing is.
func ReadThrough(args []byte) (name string, inner []byte, why string) {
	o, err := jsonedit.Scan(args, throughKeys)
	if err != nil {
		return "", nil, "the arguments cannot be read in one way only"
	}
	name, ok := jsonedit.Unquote(o.Value("name").Of(args))
	if !ok {
		return "", nil, "the arguments have no text name, which says the tool to run"
	}
	inner = o.Value("arguments").Of(args)
	if text, ok := jsonedit.Unquote(inner); ok {
		if inner = []byte(text); len(inner) > 0 && !jsontext.Value(inner).IsValid() {
			return name, nil, "arguments is not a JSON object that can be read in one way only; the tool was not called"
		}
	}
	if inner, ok = arguments(string(inner)); !ok {
		return name, nil, "arguments is not a JSON object; the tool was not called"
	}
	return name, inner, ""
}
