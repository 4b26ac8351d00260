package jsonedit

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

const chunk = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" hello \"there\" \\"},"logprobs":null,"finish_reason":null}],"usage":null}`

func TestGet(t *testing.T) {
	doc := ` { "a" : { "b" : [ 1 , 2 ] , "q\u0075o\"te" : "x" } , "a":2, "n" : -1.5 , "s":"}{\"" , "last" : null } `
	for path, want := range map[string]string{
		"a/b": "[ 1 , 2 ]", `a/quo"te`: `"x"`, "n": "-1.5", "s": `"}{\""`, "last": "null", "a": `{ "b" : [ 1 , 2 ] , "q\u0075o\"te" : "x" }`,
		"x": "", "a/x": "", "n/x": "", "a/b/c": "", `q\u0075o\"te`: "",
	} {
		got := Get([]byte(doc), strings.Split(path, "/")...)
		if string(got) != want || (got == nil) != (want == "") {
			t.Errorf("Get(%s) = %q, want %q", path, got, want)
		}
	}
	if got := string(Get([]byte(doc))); got != strings.TrimSpace(doc) {
		t.Errorf("Get() = %q", got)
	}
	// A provider's half surrogate pair does not hide what is behind it.
	if got := string(Get([]byte(`{"content":"\ud83d","x":1}`), "x")); got != "1" {
		t.Errorf("behind half a pair: %q", got)
	}
}

func TestMembersAndElements(t *testing.T) {
	var got []string
	for k, v := range Members([]byte(` {"a":1 , "\"b" : {"c":[]},"a":"x"}`)) {
		got = append(got, string(k)+"="+string(v))
	}
	if s := strings.Join(got, ";"); s != `a=1;\"b={"c":[]};a="x"` {
		t.Error(s)
	}
	got = nil
	for v := range Elements([]byte(` [ 1,"a]" , [2,[3]] ,{"x":[]} , null ] `)) {
		got = append(got, string(v))
	}
	if s := strings.Join(got, ";"); s != `1;"a]";[2,[3]];{"x":[]};null` {
		t.Error(s)
	}
	for range Elements([]byte(`[1,2,3]`)) {
		break
	}
	for range Members([]byte(`{"a":1,"b":2}`)) {
		break
	}
	for _, bad := range []string{``, `1`, `{`, `[`, `{}`, `[]`, `{"a"}`, `{"a":}`, `{"a":"`, `[}`, `[[`, `{a:1}`, `["`, `["\`, `{"a\`, `{"a":{"b":"\`} {
		for k, v := range Members([]byte(bad)) {
			t.Errorf("Members(%s) yields %s %s", bad, k, v)
		}
		for v := range Elements([]byte(bad)) {
			t.Errorf("Elements(%s) yields %s", bad, v)
		}
	}
}

func TestAppendElements(t *testing.T) {
	for arr, want := range map[string]string{`[]`: "", `[ 1,"a]" , [2,[3]] ]`: `1;"a]";[2,[3]]`, `[{}]`: "{}"} {
		all, ok := AppendElements(nil, []byte(arr))
		if got := string(bytes.Join(all, []byte(";"))); !ok || got != want {
			t.Errorf("%s: %s, %v", arr, got, ok)
		}
	}
	for _, bad := range []string{``, `{}`, `[`, `[1`, `[1]]`, `[1],"x":[2]`, `[1] `, `["a]`, `1`} {
		if all, ok := AppendElements(nil, []byte(bad)); ok {
			t.Errorf("%s: %s", bad, all)
		}
	}
}

func TestUnquote(t *testing.T) {
	for lit, want := range map[string]string{
		`""`: "", `"abc"`: "abc", ` "a" `: "a", `"a\n\t\b\f\r\/\\\""`: "a\n\t\b\f\r/\\\"", `"é漢"`: "é漢", `"\u00e9"`: "é", `"\ud83d\ude00"`: "😀",
		`"\ud83d"`: "\uFFFD", `"\ude00x"`: "\uFFFDx", `"\ud83d\ud83d\ude00"`: "\uFFFD😀", `"\ud83d\u0041"`: "\uFFFDA", "\"a\xffb\"": "a\uFFFDb", `"\u0000"`: "\x00",
	} {
		got, ok := Unquote([]byte(lit))
		if !ok || got != want {
			t.Errorf("Unquote(%s) = %q, %v, want %q", lit, got, ok, want)
		}
		if Says([]byte(lit), got) != ok || Says([]byte(lit), got+"x") {
			t.Errorf("Says(%s, %q) = %v", lit, got, !ok)
		}
		app, ok := AppendUnquote([]byte("p"), []byte(lit))
		if !ok || string(app) != "p"+want {
			t.Errorf("AppendUnquote(%s) = %q, %v", lit, app, ok)
		}
	}
	for _, lit := range []string{``, `"`, `a`, `1`, `null`, `"a`, `a"`, `"a"b"`, `"a" "b"`, `"\"`, `"\x"`, `"\u12"`, `"\u12x4"`, "\"\n\"", `["a"]`} {
		if got, ok := Unquote([]byte(lit)); ok {
			t.Errorf("Unquote(%s) = %q", lit, got)
		}
		if app, ok := AppendUnquote([]byte("p"), []byte(lit)); ok || string(app) != "p" {
			t.Errorf("AppendUnquote(%s) = %q, %v", lit, app, ok)
		}
	}
}

func TestAppendQuote(t *testing.T) {
	for s, want := range map[string]string{
		"": `""`, "a<b>&": `"a<b>&"`, "\"\\\n\r\t\x00\x1f": `"\"\\\n\r\t\u0000\u001f"`, "é😀\u2028\x7f": "\"é😀\u2028\x7f\"", "a\xff\xc0b": "\"a\uFFFD\uFFFDb\"", "\uFFFD": "\"\uFFFD\"",
	} {
		if got := string(AppendQuote(nil, s)); got != want {
			t.Errorf("AppendQuote(%q) = %s, want %s", s, got, want)
		}
	}
}

func TestScalars(t *testing.T) {
	for lit, want := range map[string]int64{"0": 0, "-0": 0, " 12 ": 12, "-7": -7, "12.0": 12, "1e3": 1000, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		if got, ok := Int([]byte(lit)); !ok || got != want {
			t.Errorf("Int(%s) = %d, %v", lit, got, ok)
		}
	}
	for _, lit := range []string{"", "x", "1x", "01", "+1", "1.5", `"1"`, "9223372036854775808", "1e400", "1e17", "null", "1 2", "0x10", "1_000", strings.Repeat("1", 100)} {
		if got, ok := Int([]byte(lit)); ok {
			t.Errorf("Int(%s) = %d", lit, got)
		}
	}
	for lit, want := range map[string][2]bool{"true": {true, true}, " false ": {false, true}, "": {}, "1": {}, "True": {}, `"true"`: {}} {
		if v, ok := Bool([]byte(lit)); v != want[0] || ok != want[1] {
			t.Errorf("Bool(%s) = %v, %v", lit, v, ok)
		}
	}
	for lit, want := range map[string]bool{"": true, " ": true, "null": true, " null\n": true, "nul": false, "0": false, `""`: false} {
		if IsNull([]byte(lit)) != want {
			t.Errorf("IsNull(%q) = %v", lit, !want)
		}
	}
	if !IsNull(nil) {
		t.Error("IsNull(nil)")
	}
	for lit, want := range map[string]byte{"": 0, " {": '{', "[": '[', `"`: '"', "-1": '0', "9": '0', "true": 't', "f": 'f', "null": 'n', "}": 0, "x": 0} {
		if got := Kind([]byte(lit)); got != want {
			t.Errorf("Kind(%q) = %q", lit, got)
		}
	}
}

func TestValid(t *testing.T) {
	for _, s := range []string{`1`, ` "a" `, `null`, `[1,{"a":[]}]`, `{"a":1,"a":2}`} {
		if !Valid([]byte(s)) {
			t.Errorf("%s is valid", s)
		}
	}
	for _, s := range []string{``, `1 2`, `[1`, `"\ud800"`, `{"a":1}}`, "\uFEFF1"} {
		if Valid([]byte(s)) {
			t.Errorf("%s is not valid", s)
		}
	}
}

func TestAddNumbers(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{
			`{"prompt_tokens":5,"x":"a","d":{"cached":1},"cost":0.25,"z":null}`, `{"d":{"cached":2,"audio":1},"prompt_tokens":7,"cost":0.5,"x":null,"new":[1]}`,
			`{"prompt_tokens":12,"x":"a","d":{"cached":3,"audio":1},"cost":0.75,"z":null,"new":[1]}`,
		},
		{`{"a":null}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{`{"a":"x"}`, `{"a":"y"}`, `{"a":"y"}`},
		{`{"a":9007199254740993}`, `{"a":1}`, `{"a":9007199254740994}`},
		{`{"a":9223372036854775807}`, `{"a":1}`, `{"a":9.223372036854776e+18}`},
		{`{"a":-9223372036854775808}`, `{"a":-1}`, `{"a":-9.223372036854776e+18}`},
		{`{"a":5}`, `{"a":-5}`, `{"a":0}`},
		{`{"a":0}`, `{"a":0}`, `{"a":0}`},
		{`{"a":1.5e308}`, `{"a":1.5e308}`, `{"a":1.5e308}`},
		{``, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, ``, `{"a":1}`},
		{`{"a":1}`, `null`, `{"a":1}`},
		{``, ``, ``},
		{``, `null`, `null`},
		{`null`, `null`, `null`},
		{`{}`, `{}`, `{}`},
	} {
		if got := string(AddNumbers(nil, []byte(tt.a), []byte(tt.b))); got != tt.want {
			t.Errorf("%s + %s = %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestMergeDelta(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{`"ab"`, `"c\n"`, `"abc\n"`},
		{`"\ud83d"`, `"\ude00"`, `"\ud83d\ude00"`},
		{`null`, `"a"`, `"a"`},
		{`"a"`, `null`, `"a"`},
		{``, `"a"`, `"a"`},
		{`"a"`, ``, `"a"`},
		{`1`, `2`, `2`},
		{`true`, `false`, `false`},
		{`"a"`, `1`, `1`},
		{``, ``, ``},
		{
			`{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a"}}`, `{"id":null,"type":"","function":{"name":"","arguments":"\":1}"},"x":1}`,
			`{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"x":1}`,
		},
		{
			`[{"index":0,"t":"a"},{"index":1,"t":"b"}]`, `[{"index":1,"t":"B"},{"index":2,"t":"c"},{"index":2,"t":"C"}]`,
			`[{"index":0,"t":"a"},{"index":1,"t":"bB"},{"index":2,"t":"cC"}]`,
		},
		{`[{"t":"a"}]`, `[{"t":"b"},1]`, `[{"t":"a"},{"t":"b"},1]`},
		{`[]`, `[]`, `[]`},
		{`{"signature":"old"}`, `{"signature":"new"}`, `{"signature":"new"}`},
	} {
		if got := string(MergeDelta(nil, []byte(tt.a), []byte(tt.b))); got != tt.want {
			t.Errorf("%s + %s = %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
	deep := strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000)
	if got := MergeDelta(nil, []byte(deep), []byte(deep)); !jsontext.Value(got).IsValid() && len(got) != len(deep) {
		t.Error("deep objects")
	}
	if got := AddNumbers(nil, []byte(deep), []byte(deep)); len(got) != len(deep) {
		t.Error("deep numbers")
	}
}

func TestCompact(t *testing.T) {
	for in, want := range map[string]string{" { \"a b\" : [ 1 ,\n\t\"c \\\" d\" ] }\r\n": `{"a b":[1,"c \" d"]}`, "": "", `"a`: `"a`} {
		if got := string(Compact(nil, []byte(in))); got != want {
			t.Errorf("Compact(%q) = %q, want %q", in, got, want)
		}
	}
}
