package differential

// entry is an answer of the fixture: a result, in the stateless era another one if newer is set, or an error.
type entry struct {
	result, newer, error string
	modern, older        bool
}

func both(result string) entry { return entry{result: result, modern: true, older: true} }
func fails(e string) entry     { return entry{error: e, modern: true, older: true} }
func each(result, newer string) entry {
	return entry{result: result, newer: newer, modern: true, older: true}
}
func onlyOlder(result string) entry  { return entry{result: result, older: true} }
func onlyModern(result string) entry { return entry{newer: result, modern: true} }

// What is odd in them: members that nobody knows, integers beyond 2^53, numbers in several notations, escapes, spaces, kinds of
// content that nobody knows.
const (
	oddMeta = `"_meta":{"vendor/m": {"n":9007199254740993,"f":1.0,"e":1E+2,"s":"\u00e9\/\ud83d\ude00"},"b":[ ]}`
	oddTool = `{"name":"odd","title":"\u00d3dd","description":"d","inputSchema":{"type":"object","properties":{"n":{"type":"integer","maximum":9007199254740993,"default":1.0}},"additionalProperties":false,"$comment":"c"},` +
		`"outputSchema":{"type":"object","x":1.50},"annotations":{"readOnlyHint":true,"vendor/a":[1.0]},"execution":{"taskSupport":"forbidden"},"icons":[{"src":"https://example.com/i.png","sizes":["any"]}],"vendor/t":{"z":1,"a":2},` + oddMeta + `}`
	capabilities = `{"tools":{"listChanged":false},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}}`
)

func tool(name string) string { return `{"name":"` + name + `","inputSchema":{"type":"object"}}` }

// cached is what a list and a resource of the stateless era have.
const cached = `"ttlMs":60000,"cacheScope":"public","resultType":"complete"`

var toolList = oddTool + "," + tool("echo") + "," + tool("plain") + "," + tool("broken") + "," + tool("refuses") + "," + tool("steps") + "," + tool("hang") + "," + tool("asks")

// questions are what the fixture asks a client.
var questions = []string{
	`{"method":"elicitation/create","params":{"mode":"form","message":"who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string","maxLength":10}}},"vendor/q":1.0}}`,
	`{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"hm?"}}],"maxTokens":9007199254740993,"temperature":1.0}}`,
	`{"method":"roots/list","params":{"_meta":{"vendor/q":1.0}}}`,
}

var answers = map[string]entry{
	"initialize":            onlyOlder(`{"protocolVersion":"2025-11-25","capabilities":` + capabilities + `,"serverInfo":{"name":"fixture","version":"1"},"instructions":"Read me."}`),
	"server/discover":       onlyModern(`{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":` + capabilities + `,"instructions":"Read me.","ttlMs":1000,"cacheScope":"public","resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fixture","version":"1"}}}`),
	"ping":                  onlyOlder(`{}`),
	"logging/setLevel":      onlyOlder(`{}`),
	"resources/subscribe":   onlyOlder(`{}`),
	"resources/unsubscribe": onlyOlder(`{}`),

	"tools/list":                 each(`{"tools":[`+toolList+`]}`, `{"tools":[`+toolList+`],`+cached+`}`),
	"prompts/list":               each(`{"prompts":[`+oddPrompt+`]}`, `{"prompts":[`+oddPrompt+`],`+cached+`}`),
	"resources/list":             each(`{"resources":[`+oddResource+`]}`, `{"resources":[`+oddResource+`],`+cached+`}`),
	"resources/templates/list":   each(`{"resourceTemplates":[`+oddTemplate+`]}`, `{"resourceTemplates":[`+oddTemplate+`],`+cached+`}`),
	"completion/complete":        both(`{"completion":{"values":["\u00e9","b"],"total":9007199254740993,"hasMore":false,"vendor/c":1.0},` + oddMeta + `}`),
	"tools/call plain":           both(`{"content":[{"type":"text","text":"hi"}]}`),
	"tools/call odd":             both(`{"content":[{"type":"text","text":"\u00e9\/","annotations":{"audience":["user"],"priority":1.0},"vendor/b":9007199254740993},{"type":"hologram","data":{"n": 9007199254740993}},{"type":"image","data":"AA==","mimeType":"image/png"},{"type":"audio","data":"AA==","mimeType":"audio/wav"},{"type":"resource_link","uri":"file:///a","name":"a","size":9007199254740993},{"type":"resource","resource":{"uri":"file:///a","text":"t","vendor/r":1.0}}],"structuredContent":{"n":9007199254740993,"one":1.0,"e":1E+2,"none":null},"isError":false,"vendor/x":{"z":1,"a":[ 1.0 ]},` + oddMeta + `}`),
	"tools/call broken":          both(`{"content":[{"type":"text","text":"out of paper"}],"isError":true,"vendor/x":1.0}`),
	"tools/call refuses":         fails(`{"code":-32055,"message":"no \u00e9","data":{"n":9007199254740993,"f":1.0,"s":"\/"},"vendor/e":1.0}`),
	"prompts/get greet":          both(`{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"hi","vendor/p":1.0}},{"role":"user","content":{"type":"resource_link","uri":"file:///a","name":"a"}}],` + oddMeta + `}`),
	"prompts/get refuses":        fails(`{"code":-32602,"message":"arguments","data":{"f":1.0}}`),
	"resources/read file:///a":   each(`{"contents":[`+oddContents+`],"vendor/x":1.0}`, `{"contents":[`+oddContents+`],"vendor/x":1.0,`+cached+`}`),
	"resources/read file:///t/7": each(`{"contents":[{"uri":"file:///t/7","blob":"AA=="}]}`, `{"contents":[{"uri":"file:///t/7","blob":"AA=="}],`+cached+`}`),
	"resources/read file:///no":  fails(`{"code":-32602,"message":"Resource not found","data":{"uri":"file:///no"}}`),
}

const (
	oddPrompt   = `{"name":"greet","title":"G","arguments":[{"name":"who","required":false,"vendor/a":1.0}],"vendor/p":9007199254740993,` + oddMeta + `},{"name":"refuses"}`
	oddResource = `{"uri":"file:///a","name":"a","size":9007199254740993,"annotations":{"priority":1.0},"vendor/r":[ 1.0 ],` + oddMeta + `},{"uri":"file:///no","name":"no"}`
	oddTemplate = `{"uriTemplate":"file:///t/{n}","name":"t","vendor/t":1.0}`
	oddContents = `{"uri":"file:///a","mimeType":"text/plain","text":"\u00e9\/","vendor/c":{"n":9007199254740993},` + oddMeta + `}`
)
