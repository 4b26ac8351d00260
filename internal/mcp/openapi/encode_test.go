package openapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// single is a document with one operation, GET /p (or the path given), that has these parameters, as JSON.
func single(path, members string) string {
	return `{"openapi":"3.1.0","paths":{"` + path + `":{"post":{"operationId":"op",` + members + `}}}}`
}

func operationOf(t *testing.T, doc string) *operation {
	t.Helper()
	p, err := placeOf(&testServer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := read([]byte(doc), p)
	if err != nil {
		t.Fatal(err)
	}
	op := a.calls["op"]
	if op == nil {
		t.Fatalf("the operation is left out: %+v", a.left)
	}
	return op
}

// sent is a request as it leaves: the address without the base, and headers that matter.
func sent(t *testing.T, op *operation, args string) string {
	t.Helper()
	req, err := op.request(t.Context(), []byte(args))
	if err != nil {
		return "refused: " + err.Error()
	}
	out := strings.TrimPrefix(req.URL.String(), "https://api.example.com/v1")
	for _, h := range []string{"X-P", "Cookie", "Content-Type"} {
		if v, ok := req.Header[http.CanonicalHeaderKey(h)]; ok {
			out += fmt.Sprintf(" %s: %s", h, strings.Join(v, "|"))
		}
	}
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			t.Fatal(err)
		}
		out += " " + string(b)
	}
	return out
}

// TestStyles holds what is sent to the table "Style Examples" of OpenAPI 3.1.1 and to RFC 6570. The values are those of the
// table: nothing, a text, a list, an object.
func TestStyles(t *testing.T) {
	const empty, text, list, object = `""`, `"blue"`, `["blue","black","brown"]`, `{"R":100,"G":200,"B":150}`
	for _, tt := range []struct {
		in, style string
		explode   bool
		value     string
		want      string
	}{
		{"path", "matrix", false, empty, "/p/;color"},
		{"path", "matrix", false, text, "/p/;color=blue"},
		{"path", "matrix", false, list, "/p/;color=blue,black,brown"},
		{"path", "matrix", false, object, "/p/;color=R,100,G,200,B,150"},
		{"path", "matrix", true, empty, "/p/;color"},
		{"path", "matrix", true, text, "/p/;color=blue"},
		{"path", "matrix", true, list, "/p/;color=blue;color=black;color=brown"},
		{"path", "matrix", true, object, "/p/;R=100;G=200;B=150"},
		{"path", "label", false, text, "/p/.blue"},
		{"path", "label", false, list, "/p/.blue,black,brown"},
		{"path", "label", false, object, "/p/.R,100,G,200,B,150"},
		{"path", "label", true, text, "/p/.blue"},
		{"path", "label", true, list, "/p/.blue.black.brown"},
		{"path", "label", true, object, "/p/.R=100.G=200.B=150"},
		{"path", "simple", false, text, "/p/blue"},
		{"path", "simple", false, list, "/p/blue,black,brown"},
		{"path", "simple", false, object, "/p/R,100,G,200,B,150"},
		{"path", "simple", true, list, "/p/blue,black,brown"},
		{"path", "simple", true, object, "/p/R=100,G=200,B=150"},
		{"query", "form", false, empty, "/p?color="},
		{"query", "form", false, text, "/p?color=blue"},
		{"query", "form", false, list, "/p?color=blue,black,brown"},
		{"query", "form", false, object, "/p?color=R,100,G,200,B,150"},
		{"query", "form", true, empty, "/p?color="},
		{"query", "form", true, text, "/p?color=blue"},
		{"query", "form", true, list, "/p?color=blue&color=black&color=brown"},
		{"query", "form", true, object, "/p?R=100&G=200&B=150"},
		{"query", "spaceDelimited", false, list, "/p?color=blue%20black%20brown"},
		{"query", "spaceDelimited", false, object, "/p?color=R%20100%20G%20200%20B%20150"},
		{"query", "pipeDelimited", false, list, "/p?color=blue%7Cblack%7Cbrown"},
		{"query", "pipeDelimited", false, object, "/p?color=R%7C100%7CG%7C200%7CB%7C150"},
		{"query", "pipeDelimited", true, list, "/p?color=blue&color=black&color=brown"},
		{"query", "deepObject", true, object, "/p?color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"},
		{"header", "simple", false, text, "/p X-P: blue"},
		{"header", "simple", false, list, "/p X-P: blue,black,brown"},
		{"header", "simple", false, object, "/p X-P: R,100,G,200,B,150"},
		{"header", "simple", true, object, "/p X-P: R=100,G=200,B=150"},
		{"cookie", "form", false, text, "/p Cookie: color=blue"},
		{"cookie", "form", false, list, "/p Cookie: color=blue,black,brown"},
	} {
		name, path := "color", "/p"
		switch tt.in {
		case "path":
			path = "/p/{color}"
		case "header":
			name = "X-P"
		}
		op := operationOf(t, single(path, fmt.Sprintf(`"parameters":[{"name":%q,"in":%q,"style":%q,"explode":%t,"required":true,"schema":{}}]`, name, tt.in, tt.style, tt.explode)))
		if got := sent(t, op, `{"`+name+`":`+tt.value+`}`); got != tt.want {
			t.Errorf("%s %s explode=%t %s: %s, want %s", tt.in, tt.style, tt.explode, tt.value, got, tt.want)
		}
	}
}

// TestDefaultStyles: without a style, a path is simple, a query form and exploded, a header simple.
func TestDefaultStyles(t *testing.T) {
	op := operationOf(t, single("/p/{a}", `"parameters":[{"name":"a","in":"path","required":true,"schema":{}},{"name":"b","in":"query"},{"name":"X-P","in":"header","schema":{"type":"array","items":{"type":"integer"}}},{"name":"c","in":"cookie","schema":{"type":"string"}}]`))
	if got, want := sent(t, op, `{"a":["x","y"],"b":["1","2"],"X-P":[3,4],"c":"d e"}`), "/p/x,y?b=1&b=2 X-P: 3,4 Cookie: c=d%20e"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestEscapes: a value is data, whatever stands in it.
func TestEscapes(t *testing.T) {
	op := operationOf(t, single("/a/{id}/b.{x}", `"parameters":[
		{"name":"id","in":"path","required":true,"schema":{"type":"string"}},{"name":"x","in":"path","required":true,"schema":{"type":"string"}},
		{"name":"q","in":"query"},{"name":"filter[name]","in":"query"},{"name":"r","in":"query","allowReserved":true},
		{"name":"rl","in":"query","allowReserved":true,"explode":false},{"name":"j","in":"query","content":{"application/json":{"schema":{}}}},
		{"name":"l","in":"query","explode":false},{"name":"o","in":"query","schema":{"type":"object"}},{"name":"X-P","in":"header"}]`))
	for args, want := range map[string]string{
		`{"id":"ä b/c","x":"1"}`:                            "/a/%C3%A4%20b%2Fc/b.1",
		`{"id":"?x#y&z=1+2","x":";a,b"}`:                    "/a/%3Fx%23y%26z%3D1%2B2/b.%3Ba%2Cb",
		`{"id":"http://evil.example/","x":"1"}`:             "/a/http%3A%2F%2Fevil.example%2F/b.1",
		`{"id":"\\\\evil\\x","x":"1"}`:                      "/a/%5C%5Cevil%5Cx/b.1",
		`{"id":"a\r\nX-Evil: 1","x":"1"}`:                   "/a/a%0D%0AX-Evil%3A%201/b.1",
		`{"id":"100%","x":"1","q":"a&b=c#d é+f"}`:           "/a/100%25/b.1?q=a%26b%3Dc%23d%20%C3%A9%2Bf",
		`{"id":1e3,"x":true,"filter_name_":"x"}`:            "/a/1e3/b.true?filter%5Bname%5D=x",
		`{"id":9007199254740993,"x":"1"}`:                   "/a/9007199254740993/b.1",
		`{"id":"1","x":"1","r":"a/b?c:d@e,f&g=h#i+j%2Fk%"}`: "/a/1/b.1?r=a/b?c:d@e,f%26g%3Dh%23i%2Bj%2Fk%25",
		`{"id":"1","x":"1","rl":["a,b","c/d"]}`:             "/a/1/b.1?rl=a%2Cb,c%2Fd",
		`{"id":"1","x":"1","j":{"a": [1, "é&"]}}`:           "/a/1/b.1?j=%7B%22a%22%3A%5B1%2C%22%C3%A9%26%22%5D%7D",
		`{"id":"1","x":"1","l":["a,b","c"]}`:                "/a/1/b.1?l=a%2Cb,c",
		`{"id":"1","x":"1","l":[],"q":null}`:                "/a/1/b.1",
		`{"id":"1","x":"1","o":{"a b":"c&d"}}`:              "/a/1/b.1?a%20b=c%26d",
		`{"id":"1","x":"1","X-P":"a b; \"c\""}`:             `/a/1/b.1 X-P: a b; "c"`,
	} {
		if got := sent(t, op, args); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// TestRefusedArguments: what cannot be sent exactly is refused, and the refusal names the argument.
func TestRefusedArguments(t *testing.T) {
	op := operationOf(t, single("/a/{id}", `"parameters":[
		{"name":"id","in":"path","required":true,"schema":{"type":"string"}},{"name":"n","in":"query","schema":{"type":"integer"}},
		{"name":"e","in":"query","schema":{"enum":["a",1]}},{"name":"s","in":"query","style":"spaceDelimited","schema":{"type":"array","items":{"type":"string"}}},
		{"name":"d","in":"query","style":"deepObject","schema":{"type":"object"}},{"name":"o","in":"query","schema":{"type":"object"}},
		{"name":"X-P","in":"header"},{"name":"m","in":"query","required":true,"schema":{"type":"array","items":{"type":"number"}}}],
		"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","required":["k"],"additionalProperties":false,"properties":{"k":{}}}}}}`))
	const good = `"m":[1],"body":{"k":1}`
	for args, want := range map[string]string{
		`{` + good + `}`:                                           `the argument "id" is missing; nothing was sent`,
		`{"id":null,` + good + `}`:                                 `the argument "id" is missing`,
		`{"id":"",` + good + `}`:                                   `the argument "id" must not be empty`,
		`{"id":"1","id":"2",` + good + `}`:                         `the argument "id" stands twice`,
		`{"id":"1","ID":"2",` + good + `}`:                         `the argument "ID" is unknown; there are id, n, e, s, d, o, X-P, m, body`,
		`{"id":{"a":1},` + good + `}`:                              `the argument "id" must not be an object`,
		`{"id":["a"],` + good + `}`:                                `the argument "id" must not be a list`,
		`{"id":"1","n":"1; drop",` + good + `}`:                    `the argument "n" must be of the type integer`,
		`{"id":"1","n":1.5,` + good + `}`:                          `the argument "n" must be of the type integer`,
		`{"id":"1","e":"b",` + good + `}`:                          `the argument "e" must be one of a, 1`,
		`{"id":"1","s":["a b"],` + good + `}`:                      `the argument "s" has a value with " " in it`,
		`{"id":"1","d":{"a":{"b":1}},` + good + `}`:                `the argument "d" has the member "a" that is not a text`,
		`{"id":"1","d":"x",` + good + `}`:                          `the argument "d" must be of the type object`,
		`{"id":"1","o":{"n":5},` + good + `}`:                      `the argument "o" has the member "n", which is another parameter`,
		`{"id":"1","o":{"a":1,"a":2},` + good + `}`:                `the argument "o" has the member "a" twice`,
		`{"id":"1","X-P":"a\r\nb",` + good + `}`:                   `the argument "X-P" has a character that a header cannot carry`,
		`{"id":"1","X-P":["a,b"],` + good + `}`:                    `the argument "X-P" has a value with "," in it`,
		`{"id":"1","m":[],"body":{"k":1}}`:                         `the argument "m" must not be empty`,
		`{"id":"1","m":["x"],"body":{"k":1}}`:                      `the argument "m" has a value in the list that must be of the type number`,
		`{"id":"1","m":[null],"body":{"k":1}}`:                     `the argument "m" has a value in the list that is null`,
		`{"id":"1","m":[1]}`:                                       `the argument "body" is missing`,
		`{"id":"1","m":[1],"body":{}}`:                             `the argument "body.k" is missing`,
		`{"id":"1","m":[1],"body":{"k":1,"l":2}}`:                  `the argument "body.l" is unknown`,
		`{"id":"1","m":[1],"body":{"k":1,"k":2}}`:                  `the argument "body.k" stands twice`,
		`{"id":"1","m":[1],"body":[1]}`:                            `the argument "body" must be of the type object`,
		`{"id":"` + strings.Repeat("x", 20000) + `",` + good + `}`: `the argument "id" makes an address that is too long`,
	} {
		if got := sent(t, op, args); !strings.HasPrefix(got, "refused: "+want) {
			t.Errorf("%.80s: %s, want %s", args, got, want)
		}
	}
}

// TestBodies: JSON goes out as it came in; forms and texts are written as their media types want them.
func TestBodies(t *testing.T) {
	body := func(media, content string) string {
		return single("/p", `"requestBody":{"content":{"`+media+`":`+content+`}}`)
	}
	const props = `"properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"integer"}},"c":{"type":"object"},"d":{"type":"array"},"f":{"type":"string","format":"binary"}}`
	for _, tt := range []struct{ doc, args, want string }{
		{body("application/json", `{"schema":{}}`), `{"body":{"z": 1.0,  "a":[9007199254740993]}}`, `/p Content-Type: application/json {"z": 1.0,  "a":[9007199254740993]}`},
		{body("application/json; charset=utf-8", `{"schema":{"type":"array"}}`), `{"body":[]}`, `/p Content-Type: application/json; charset=utf-8 []`},
		{body("application/vnd.api+json", `{}`), `{"body":null}`, `/p Content-Type: application/vnd.api+json null`},
		{body("application/json", `{}`), `{}`, `/p`},
		{body("*/*", `{}`), `{"body":"x"}`, `/p Content-Type: application/json "x"`},
		{body("text/plain", `{}`), `{"body":"x\ny"}`, "/p Content-Type: text/plain x\ny"},
		{body("text/plain", `{}`), `{"body":1}`, `refused: the argument "body" must be a text; nothing was sent`},
		{
			body("application/x-www-form-urlencoded", `{"schema":{`+props+`}}`), `{"body":{"a":"x y&z=é","b":[1,2],"c":{"k":[1]},"d":[]}}`,
			`/p Content-Type: application/x-www-form-urlencoded a=x+y%26z%3D%C3%A9&b=1&b=2&c=%7B%22k%22%3A%5B1%5D%7D`,
		},
		{
			body("application/x-www-form-urlencoded", `{"schema":{`+props+`},"encoding":{"b":{"style":"form","explode":false},"c":{"style":"deepObject"}}}`), `{"body":{"b":[1,2],"c":{"k":"v w"}}}`,
			`/p Content-Type: application/x-www-form-urlencoded b=1,2&c%5Bk%5D=v+w`,
		},
		{body("application/x-www-form-urlencoded", `{"schema":{`+props+`}}`), `{"body":{"e":1}}`, `refused: the argument "body.e" is unknown; nothing was sent`},
		{body("application/x-www-form-urlencoded", `{"schema":{`+props+`}}`), `{"body":{"b":["x"]}}`, `refused: the argument "body.b" has a value in the list that must be of the type integer; nothing was sent`},
		{body("multipart/form-data", `{"schema":{`+props+`}}`), `{"body":{"f":"%%"}}`, `refused: the argument "body.f" must be the bytes of the file in Base64; nothing was sent`},
	} {
		if got := sent(t, operationOf(t, tt.doc), tt.args); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	got := sent(t, operationOf(t, body("multipart/form-data", `{"schema":{`+props+`}}`)), `{"body":{"a":"x","b":[1,2],"c":{"k": 1},"f":"AAEC"}}`)
	for _, part := range []string{
		"name=\"a\"\r\n\r\nx\r\n", "name=\"b\"\r\n\r\n1\r\n", "name=\"b\"\r\n\r\n2\r\n", "name=\"c\"\r\nContent-Type: application/json\r\n\r\n{\"k\":1}\r\n",
		"name=\"f\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\x01\x02\r\n",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the form has no part %q:\n%s", part, got)
		}
	}
}
