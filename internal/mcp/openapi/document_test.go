package openapi

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

func shop(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func apiOf(t *testing.T, data []byte, server mcp.Server) *api {
	t.Helper()
	p, err := placeOf(&server)
	if err != nil {
		t.Fatal(err)
	}
	a, err := read(data, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func toolNames(a *api) (names []string) {
	for _, d := range a.tools {
		names = append(names, d.Name)
	}
	return names
}

// TestShop reads a document of moderate size: each operation is a tool, and what is left out is left out for a reason.
func TestShop(t *testing.T) {
	server := testServer
	server.Headers = map[string]string{"X-Shop-Key": "k"}
	a := apiOf(t, shop(t), server)
	want := []string{
		"listArticles", "createArticle", "getArticle", "replaceArticle", "changeArticle", "removeArticle", "picture",
		"readFile", "order.place", "post_orders_id_cancel", "createCategory",
	}
	if diff := cmp.Diff(want, toolNames(a)); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	wantLeft := []leftOver{
		{"PUT /articles/{number}/picture", `its body is "image/png", which cannot be written`},
		{`GET /files/{path}: header parameter "Host"`, "it is not for callers to set"},
		{`POST /orders/{id}/cancel: query parameter "when"`, "its content is not JSON"},
		{"GET /elsewhere", `it refers to another document ("https://attacker.example/parameters.yaml#/x"), which is not fetched`},
		{"OPTIONS /elsewhere", "its method is not offered"},
	}
	if diff := cmp.Diff(wantLeft, a.left, cmp.AllowUnexported(leftOver{})); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"listArticles": `{"name":"listArticles","title":"List articles","description":"List articles\n\nArticles in the order of their numbers, a page at a time.",` +
			`"inputSchema":{"type":"object","properties":{"Accept-Language":{"type":"string","enum":["de","en"],"description":"The language of names."},` +
			`"limit":{"type":"integer","exclusiveMinimum":0,"maximum":100,"default":20,"description":"How many there are on a page."},` +
			`"tag":{"type":"array","items":{"type":"string"}},"price":{"type":"object","properties":{"min":{"type":"number"},"max":{"type":"number"}}}},"additionalProperties":false},` +
			`"annotations":{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`,
		"replaceArticle": `{"name":"replaceArticle","description":"PUT /articles/{number}","inputSchema":{"type":"object","properties":{"number":{"type":"integer","format":"int64"},` +
			`"body":{"type":"object","required":["name"],"properties":{"name":{"type":"string","examples":["Bread"]},"price":{"type":"object","description":"An amount.",` +
			`"properties":{"amount":{"type":"number"},"currency":{"type":["string","null"],"enum":["EUR","USD",null]}}},` +
			`"category":{"type":"object","description":"A category, which may be in another one.","properties":{"name":{"type":"string"},` +
			`"parent":{"type":"object","description":"A category, which may be in another one."}}},` +
			`"nullable":{"type":"boolean","description":"A property that is named as a keyword."}},"description":"What the article is."}},` +
			`"required":["number","body"],"additionalProperties":false},"annotations":{"readOnlyHint":false,"idempotentHint":true,"openWorldHint":true}}`,
		"removeArticle": `{"name":"removeArticle","title":"Take an article out","description":"Take an article out","inputSchema":{"type":"object",` +
			`"properties":{"number":{"type":"integer","format":"int64"}},"required":["number"],"additionalProperties":false},` +
			`"annotations":{"readOnlyHint":false,"destructiveHint":true,"idempotentHint":true,"openWorldHint":true}}`,
		"post_orders_id_cancel": `{"name":"post_orders_id_cancel","description":"POST /orders/{id}/cancel","inputSchema":{"type":"object","properties":{"id":{"type":"string"},` +
			`"id_query":{"type":"string"},"filter":{"type":"object"}},"required":["id"],"additionalProperties":false},` +
			`"annotations":{"readOnlyHint":false,"idempotentHint":false,"openWorldHint":true}}`,
		"readFile": `{"name":"readFile","title":"A file of the shop","description":"A file of the shop","inputSchema":{"type":"object","properties":{"path":{"type":"string"},` +
			`"X-Request-Tag":{"type":"string"},"session":{"type":"string"}},"required":["path"],"additionalProperties":false},` +
			`"annotations":{"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`,
	} {
		i := slices.Index(toolNames(a), name)
		if diff := cmp.Diff(want, string(a.tools[i].Raw)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if d := a.tools[4].Description; !strings.HasPrefix(d, "Deprecated. ") {
		t.Errorf("changeArticle is described as %q", d)
	}
}

// TestChosenTools: the config's choice comes before the bound on the number of tools.
func TestChosenTools(t *testing.T) {
	server := testServer
	server.Allow, server.Deny = []string{"getArticle", "picture"}, []string{"picture"}
	if got := toolNames(apiOf(t, shop(t), server)); !slices.Equal(got, []string{"getArticle"}) {
		t.Errorf("tools %v", got)
	}
	var b strings.Builder
	for i := range maxTools + 100 {
		fmt.Fprintf(&b, "\"/p%d\":{\"get\":{\"operationId\":\"op%d\"}},", i, i)
	}
	big := []byte(`{"openapi":"3.1.0","paths":{` + strings.TrimSuffix(b.String(), ",") + `}}`)
	if a := apiOf(t, big, testServer); len(a.tools) != maxTools || a.more != 100 {
		t.Errorf("%d tools, %d more", len(a.tools), a.more)
	}
	server.Allow, server.Deny = []string{fmt.Sprintf("op%d", maxTools+50)}, nil
	if a := apiOf(t, big, server); len(a.tools) != 1 || a.more != 0 {
		t.Errorf("%d tools, %d more", len(a.tools), a.more)
	}
}

// TestRefusedDocuments: what is no document of this kind is refused, with a reason.
func TestRefusedDocuments(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	for doc, want := range map[string]string{
		``:                           "neither JSON nor YAML",
		`[]`:                         "it is no object",
		`just text`:                  "it is no object",
		`{"swagger":"2.0"}`:          "it is of Swagger 2.0",
		`{"paths":{}}`:               "no member openapi",
		`{"openapi":"4.0.0"}`:        `its version is "4.0.0"`,
		`{"openapi":"3.1.0"} x`:      "something stands behind the document",
		`{"openapi":"3.1.0",}`:       "it is not JSON at byte",
		`{"a":1,"a":2}`:              "it is not JSON",
		"a: &x\n  b: *x\n":           "an alias leads back",
		"a: 1\na: 2\n":               "twice",
		"? [a]\n: b\n":               "a key that JSON does not have",
		"a: &x {b: 1}\nc:\n  <<: *x": "a key that JSON does not have",
		deep:                         "nested deeper than",
	} {
		p, _ := placeOf(&testServer)
		if _, err := read([]byte(doc), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", doc, err, want)
		}
	}
}

// TestYAMLIsJSON: the same document in both languages is the same.
func TestYAMLIsJSON(t *testing.T) {
	n, err := parse([]byte("a: 0x10\nb: 1.50\nc: 2020-01-02\nd: yes\ne: True\nf: ~\ng: .inf\n200: [+1, 0o17, \"\\u00e9\", 'x']\nh: &y {i: 1}\nj: *y\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"a":16,"b":1.50,"c":"2020-01-02","d":"yes","e":true,"f":null,"g":".inf","200":[1,15,"é","x"],"h":{"i":1},"j":{"i":1}}`
	if got := string(n.append(nil, 1<<20)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSchemas: what OpenAPI 3.0 says in its own way is said as JSON Schema does, references are resolved, and what is without
// end or too large is cut.
func TestSchemas(t *testing.T) {
	const components = `"components":{"schemas":{"A":{"type":"string","description":"own"},"T":{"type":"object","properties":{"t":{"$ref":"#/components/schemas/T"}}},"R/~x":{"type":"integer"},
		"W":{"type":"string","readOnly":true},"loop":{"$ref":"#/components/schemas/loop"}}}`
	schema := func(t *testing.T, s string) string {
		t.Helper()
		root, err := parse([]byte(`{"s":` + s + `,` + components + `}`))
		if err != nil {
			t.Fatal(err)
		}
		d := &document{root: root}
		out, err := d.appendSchema(nil, root.get("s"), nil)
		if err != nil {
			return "error: " + err.Error()
		}
		return string(out)
	}
	for in, want := range map[string]string{
		`{"type":"string","nullable":true}`:                                                                 `{"type":["string","null"]}`,
		`{"type":"string","nullable":true,"enum":["a"]}`:                                                    `{"type":["string","null"],"enum":["a",null]}`,
		`{"maximum":5,"exclusiveMaximum":true}`:                                                             `{"exclusiveMaximum":5}`,
		`{"maximum":5,"exclusiveMaximum":false,"minimum":1}`:                                                `{"maximum":5,"minimum":1}`,
		`{"exclusiveMinimum":5}`:                                                                            `{"exclusiveMinimum":5}`,
		`{"$ref":"#/components/schemas/A"}`:                                                                 `{"type":"string","description":"own"}`,
		`{"$ref":"#/components/schemas/A","description":"other"}`:                                           `{"type":"string","description":"other"}`,
		`{"$ref":"#/components/schemas/A","maxLength":3,"title":"t"}`:                                       `{"maxLength":3,"allOf":[{"type":"string","description":"own"}],"title":"t"}`,
		`{"$ref":"#/components/schemas/R~1~0x"}`:                                                            `{"type":"integer"}`,
		`{"$ref":"#/components/schemas/R~1%7E0x"}`:                                                          `{"type":"integer"}`,
		`{"$ref":"#/components/schemas/T"}`:                                                                 `{"type":"object","properties":{"t":{"type":"object"}}}`,
		`{"$ref":"#/components/schemas/none"}`:                                                              `error: it refers to "#/components/schemas/none", which does not exist`,
		`{"$ref":"#/components/schemas/loop"}`:                                                              `error: its references lead in a circle`,
		`{"$ref":"other.json"}`:                                                                             `error: it refers to another document ("other.json"), which is not fetched`,
		`{"items":{"$ref":"file:///etc/passwd"}}`:                                                           `error: it refers to another document ("file:///etc/passwd"), which is not fetched`,
		`{"properties":{"a":{"$ref":"#/components/schemas/W"},"b":true},"required":["a","b"]}`:              `{"properties":{"b":true},"required":["b"]}`,
		`{"properties":{"x":{"type":"string","x-mcp-header":"Evil"}},"x-y":1,"$id":"http://x/","$defs":{}}`: `{"properties":{"x":{"type":"string"}}}`,
		`{"anyOf":[{"$ref":"#/components/schemas/A"},{}],"enum":[{"nullable":true}]}`:                       `{"anyOf":[{"type":"string","description":"own"},{}],"enum":[{"nullable":true}]}`,
	} {
		if got := schema(t, in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestSchemaBombs: references that double the schema at every step end in a schema of a bounded size.
func TestSchemaBombs(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, `"s%d":{"type":"object","properties":{"a":{"$ref":"#/components/schemas/s%d"},"b":{"$ref":"#/components/schemas/s%d"}}},`, i, i+1, i+1)
	}
	doc := `{"openapi":"3.1.0","paths":{"/p":{"post":{"operationId":"op","requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/s0"}}}}}}},` +
		`"components":{"schemas":{` + b.String() + `"s60":{}}}}`
	a := apiOf(t, []byte(doc), testServer)
	if len(a.tools) != 1 || len(a.tools[0].Raw) > 2*goodSchema || !jsonedit.Valid(a.tools[0].Raw) {
		t.Errorf("%d tools, left out %v", len(a.tools), a.left)
	}
	huge := `{"openapi":"3.1.0","paths":{"/p":{"get":{"operationId":"op","parameters":[{"name":"a","in":"query","required":true,"schema":{"enum":["` + strings.Repeat("x", 2*maxSchema) + `"]}}]}}}}`
	if a := apiOf(t, []byte(huge), testServer); len(a.tools) != 0 || len(a.left) != 1 || a.left[0].why != errSchema.Error() {
		t.Errorf("%d tools, left out %v", len(a.tools), a.left)
	}
}

// TestHostileDocuments: documents that were made to take time or memory come to an end, with little or nothing that is offered.
func TestHostileDocuments(t *testing.T) {
	same := func(n int, op string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"/p%d":{"post":%s}`, i, op)
		}
		return `"paths":{` + b.String()[1:] + `}`
	}
	wide := func(n int, what string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%s%d":{}`, what, i)
		}
		return b.String()[1:]
	}
	deepYAML := "openapi: 3.1.0\npaths: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	var laughs strings.Builder
	laughs.WriteString("openapi: 3.1.0\na0: &a0 {x: y}\n")
	for i := range 40 {
		fmt.Fprintf(&laughs, "a%d: &a%d {l: *a%d, r: *a%d}\n", i+1, i+1, i, i)
	}
	laughs.WriteString("paths: {/p: {post: {operationId: op, requestBody: {content: {application/json: {schema: {default: *a40, properties: *a40}}}}}}}\n")
	for name, doc := range map[string]string{
		"numbers":     `{"openapi":"3.1.0","x":[` + strings.Repeat("0,", 11<<17) + `0]}`,
		"brackets":    `{"openapi":"3.1.0","x":` + strings.Repeat("[", 1<<20) + `}`,
		"deep YAML":   deepYAML,
		"commas":      "openapi: 3.1.0\nx: [" + strings.Repeat("a,", 11<<17) + "]",
		"laughs":      laughs.String(),
		"one name":    `{"openapi":"3.1.0",` + same(20_000, `{"operationId":"op"}`) + `}`,
		"too many":    `{"openapi":"3.1.0",` + same(20_001, `{}`) + `}`,
		"wide bodies": `{"openapi":"3.1.0",` + same(2_000, `{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/w"}}}}}`) + `,"w":{"properties":{` + wide(50_000, "p") + `}}}`,
		"wide enums":  `{"openapi":"3.1.0",` + same(2_000, `{"parameters":[{"name":"q","in":"query","required":true,"schema":{"$ref":"#/w"}}]}`) + `,"w":{"enum":[` + strings.Repeat(`"x",`, 200_000) + `"x"]}}`,
	} {
		p, _ := placeOf(&testServer)
		a, err := read([]byte(doc), p)
		if err == nil && (len(a.tools) > maxTools || len(a.left) > maxLeft) {
			t.Errorf("%s: %d tools, %d parts are left out", name, len(a.tools), len(a.left))
		}
		t.Logf("%s: %v", name, err)
	}
}

// TestNames: tools have names that models and clients take, each its own.
func TestNames(t *testing.T) {
	long := strings.Repeat("long", 30)
	a := apiOf(t, []byte(`{"openapi":"3.1.0","paths":{"/a/{b}/c-d":{"get":{},"put":{"operationId":"x y/z"},"post":{"operationId":"x_y_z"},"patch":{"operationId":"x y z"}},"/":{"get":{"operationId":"`+long+`"},"put":{"operationId":"`+long+`!"},"delete":{"operationId":"…"}}}}`), testServer)
	want := []string{"get_a_b_c-d", "x_y_z", "x_y_z_2", "x_y_z_3", long[:64], long[:62] + "_2", "x_"}
	if diff := cmp.Diff(want, toolNames(a)); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
}
