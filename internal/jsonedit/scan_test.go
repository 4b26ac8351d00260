package jsonedit

import (
	"errors"
	"strings"
	"testing"
)

var chatKeys = NewKeys("model", "stream", "tools", "tool_choice", "messages", "n", "stream_options", "user")

func TestScanFinds(t *testing.T) {
	doc := []byte(" {\"model\" : \"a\\u00e9\" ,\"x\":{\"model\":[1,{}]},\n\"stream\":true, \"tools\":[{\"a\":[]}],\"n\":-0.5e+3}\r\n")
	o, err := Scan(doc, chatKeys)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"model": `"a\u00e9"`, "stream": "true", "tools": `[{"a":[]}]`, "n": "-0.5e+3"} {
		if got := string(o.Value(key).Of(doc)); got != want {
			t.Errorf("Value(%s) = %s, want %s", key, got, want)
		}
	}
	if got := string(o.Member("model").Of(doc)); got != `"model" : "a\u00e9"` {
		t.Errorf("Member(model) = %s", got)
	}
	if o.Value("user").Found() || o.Member("user").Found() || o.Value("x").Found() || o.Value("user").Of(doc) != nil {
		t.Error("found what is not there, or no policy key")
	}
	if doc[o.Start()] != '{' || doc[o.End()] != '}' || o.Empty() {
		t.Error("braces")
	}
	if o, err := Scan([]byte(" { } "), chatKeys); err != nil || !o.Empty() || o.End() != 3 {
		t.Error("empty object", o.End(), err)
	}
	var zero Object
	if zero.Value("model").Found() || !zero.Empty() {
		t.Error("zero Object holds something")
	}
}

func nest(n int) string {
	return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}"
}

func TestScanSyntax(t *testing.T) {
	good := []string{
		`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"":0}`, `{"a":"\ud83d\ude00"}`, "{\"a\":\"é漢\"}", `{"a":[],"b":{},"c":[{}]}`, nest(MaxDepth),
		`{"a":"` + strings.Repeat("x", 100) + `"}`, `{"a":0e0}`, `{"a":[1 , 2 ]}`, "{\"a\":\"\x7f\"}",
	}
	for _, doc := range good {
		if _, err := Scan([]byte(doc), chatKeys); err != nil {
			t.Errorf("%.80q: %v", doc, err)
		}
	}
	bad := []string{
		``, ` `, `null`, `[]`, `"a"`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{a:1}`,
		`{"a":1}x`, `{"a":1}{}`, "\uFEFF{}", `{"a":[}]`, `{"a":[1}}`, `{"a":{]}`, `{"a":1]`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":tru}`, `{"a":truex}`, `{"a":nul}`,
		`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":+1}`, `{"a":NaN}`, `{"a":0x1}`, `{"a":'b'}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\x00\"}", "{\"a\":\"1234567\t\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12"}`, `{"a":"\ud800"}`, `{"a":"\udc00"}`,
		`{"a":"\ud800\u0041"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"1234567\xe4\"}", "{\"\xff\":1}", "{\"a\":1}\x00",
		"{\"a\"\v:1}", `{"a":1,"b"}`, `{"a":{"b"}}`, `{"a":{"b":1,}}`, `{"a":{1:2}}`, `{/**/}`, nest(MaxDepth + 1), nest(100000),
	}
	for _, doc := range bad {
		_, err := Scan([]byte(doc), chatKeys)
		if se, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("%.80q: error %v, want a SyntaxError", doc, err)
		} else if se.Offset < 0 || se.Offset > len(doc) || se.Msg == "" {
			t.Errorf("%.80q: %+v", doc, se)
		}
	}
}

func TestScanAmbiguous(t *testing.T) {
	for doc, key := range map[string]string{
		`{"model":1,"x":2,"model":1}`: "model",
		`{"Model":1}`:                 "model",
		`{"model":1,"MODEL":2}`:       "model",
		`{"mod\u0065l":1}`:            "model",
		`{"\u004dodel":1}`:            "model",
		"{\"\u017Ftream\":1}":         "stream",
		`{"\u017ftream":1}`:           "stream",
		"{\"tool\u017F\":1}":          "tools",
		`{"N":1}`:                     "n",
		`{"tools":[],"tool_choice":1,"TOOL_CHOICE":1}`: "tool_choice",
	} {
		_, err := Scan([]byte(doc), chatKeys)
		ae, ok := errors.AsType[*AmbiguousError](err)
		if !ok || ae.Key != key || !strings.Contains(ae.Error(), key) || doc[ae.Offset] != '"' {
			t.Errorf("%s: error %v, want an AmbiguousError for %s", doc, err, key)
		}
	}
	k := NewKeys("mask")
	if _, err := Scan([]byte("{\"mas\u212A\":1}"), k); err == nil {
		t.Error("the Kelvin sign passed for another key than k")
	}
	if _, err := Scan([]byte(`{"models":1,"mode":2,"m0del":4,"mödel":6,"mo\ndel":7,"x":{"model":1,"MODEL":2},"y":[{"mod\u0065l":1}]}`), chatKeys); err != nil {
		t.Error(err)
	}
}

func TestNewKeysRefuses(t *testing.T) {
	many := make([]string, 33)
	for i := range many {
		many[i] = strings.Repeat("k", i+1)
	}
	for _, names := range [][]string{{""}, {"a", "A"}, {"a", "a"}, {"a\"b"}, {"é"}, many} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewKeys(%q) did not panic", names)
				}
			}()
			NewKeys(names...)
		}()
	}
	NewKeys(many[:32]...)
}
