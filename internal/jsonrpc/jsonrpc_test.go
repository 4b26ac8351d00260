package jsonrpc

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestParse(t *testing.T) {
	m, err := Parse([]byte(` {"x":{"id":1,"id":2},"id":9007199254740993123,"jsonrpc":"2.0","params":{"b":1.0,"a":1e2},"method":"tools/call"} `))
	if err != nil || !m.IsRequest() || m.IsNotification() || m.IsResponse() {
		t.Fatalf("%+v, %v", m, err)
	}
	if string(m.ID) != "9007199254740993123" || m.Method != "tools/call" || string(m.Params) != `{"b":1.0,"a":1e2}` {
		t.Errorf("parts did not pass as bytes: %s %s %s", m.ID, m.Method, m.Params)
	}
	m, err = Parse([]byte(`{"jsonrpc":"2.0","method":"notifications/x"}`))
	if err != nil || !m.IsNotification() {
		t.Errorf("notification: %+v, %v", m, err)
	}
	m, err = Parse([]byte(`{"jsonrpc":"2.0","id":"a\u0062","result":{"a":1,"a":2}}`))
	if err != nil || !m.IsResponse() || string(m.ID) != `"a\u0062"` || string(m.Result) != `{"a":1,"a":2}` {
		t.Errorf("response: %+v, %v", m, err)
	}
	m, err = Parse([]byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no \u00e9","data":[1]}}`))
	if err != nil || m.Error == nil || m.Error.Code != CodeParse || m.Error.Message != "no é" || string(m.Error.Data) != "[1]" {
		t.Errorf("error: %+v, %v", m, err)
	}
	if m, err = Parse([]byte(`{"jsonrpc":"2.0","error":{"code":-32000,"message":"m"}}`)); err != nil || m.Error == nil {
		t.Errorf("an error without an id: %+v, %v", m, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{``, "not JSON"},
		{`null`, "not an object"},
		{`[]`, "not an object"},
		{`"x"`, "not an object"},
		{`{`, "not JSON"},
		{`{"jsonrpc":"2.0","method":"a"`, "not JSON"},
		{`{"jsonrpc":"2.0","method":"a"}{}`, "bytes after"},
		{`{"jsonrpc":"2.0","method":"a"}x`, "bytes after"},
		{`{"jsonrpc":"1.0","method":"a"}`, "jsonrpc"},
		{`{"method":"a"}`, "jsonrpc"},
		{`{"jsonrpc":"2.0"}`, "neither"},
		{`{"jsonrpc":"2.0","id":1}`, "neither"},
		{`{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`, `"method" occurs twice`},
		{`{"jsonrpc":"2.0","id":1,"method":"a","m\u0065thod":"b"}`, `"method" occurs twice`},
		{`{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`, "letter case"},
		{`{"jsonrpc":"2.0","id":1,"ID":2,"method":"a"}`, "letter case"},
		{`{"jsonrpc":"2.0","id":1,"result":1,"Error":2}`, "letter case"},
		{`{"jsonrpc":"2.0","id":1,"id":1,"result":{}}`, "twice"},
		{`{"jsonrpc":"2.0","id":{},"method":"a"}`, `"id"`},
		{`{"jsonrpc":"2.0","id":true,"method":"a"}`, `"id"`},
		{`{"jsonrpc":"2.0","id":null,"method":"a"}`, `"id"`},
		{`{"jsonrpc":"2.0","id":null,"result":{}}`, `"id"`},
		{`{"jsonrpc":"2.0","result":{}}`, "without an id"},
		{`{"jsonrpc":"2.0","method":7}`, "method"},
		{`{"jsonrpc":"2.0","method":""}`, "method"},
		{`{"jsonrpc":"2.0","method":"a","params":7}`, "params"},
		{`{"jsonrpc":"2.0","id":1,"params":{},"result":7}`, "response with params"},
		{`{"jsonrpc":"2.0","id":1,"method":"a","result":7}`, "request with a result"},
		{`{"jsonrpc":"2.0","id":1,"result":7,"error":{"code":1}}`, "exactly one"},
		{`{"jsonrpc":"2.0","id":1,"error":7}`, "error"},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1.5}}`, "whole number"},
		{`{"jsonrpc":"2.0","id":01,"method":"a"}`, "not JSON"},
		{`{"jsonrpc":"2.0","method":"a","params":` + strings.Repeat("[", 20000), "not JSON"},
	} {
		if m, err := Parse([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80s: %+v, %v; want %q", tt.in, m, err, tt.want)
		}
	}
}

func TestParseBatch(t *testing.T) {
	two := `[{"jsonrpc":"2.0","method":"a"} , {"jsonrpc":"2.0","id":1,"result":{}}]`
	ms, err := ParseBatch([]byte(two), 2)
	if err != nil || len(ms) != 2 || ms[0].Method != "a" || string(ms[1].Result) != "{}" {
		t.Errorf("%+v, %v", ms, err)
	}
	if ms, err = ParseBatch([]byte(`{"jsonrpc":"2.0","method":"a"}`), 1); err != nil || len(ms) != 1 {
		t.Errorf("one: %+v, %v", ms, err)
	}
	for _, bad := range []string{`[]`, `[1]`, `[{"jsonrpc":"2.0","method":"a"}`, two[:len(two)-1] + "]]"} {
		if _, err := ParseBatch([]byte(bad), 9); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
	if _, err := ParseBatch([]byte(two), 1); err == nil {
		t.Error("no bound on a batch")
	}
}

func TestAppend(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"jsonrpc":"2.0","id":7,"method":"a\"b","params":{}}`:                       AppendRequest(nil, []byte("7"), `a"b`, []byte("{}")),
		`{"jsonrpc":"2.0","method":"m"}`:                                             AppendNotification(nil, "m", nil),
		`{"jsonrpc":"2.0","id":"x","result":[1]}`:                                    AppendResult(nil, []byte(`"x"`), []byte("[1]")),
		`{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}`:              AppendError(nil, nil, &Error{Code: -1, Message: "m"}),
		`x{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"\ufffd","data":{}}}`: AppendError([]byte("x"), []byte("1"), &Error{Code: -1, Message: "\xff", Data: []byte("{}")}),
	} {
		if strings.ReplaceAll(want, `\ufffd`, "\ufffd") != string(got) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// FuzzParse checks that Parse never panics, and that what it accepts means the same after it was written out.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`, `{"jsonrpc":"2.0","method":"notifications/progress"}`,
		`{"jsonrpc":"2.0","id":"a","result":{}}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x","data":1}}`,
		`{"jsonrpc":"2.0","id":1,"Id":2}`, `[{}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = ParseBatch(bytes.Clone(in), 8)
		m, err := Parse(in)
		if err != nil {
			return
		}
		var out []byte
		switch {
		case m.IsRequest():
			out = AppendRequest(nil, m.ID, m.Method, m.Params)
		case m.IsNotification():
			out = AppendNotification(nil, m.Method, m.Params)
		case m.Error != nil:
			out = AppendError(nil, m.ID, m.Error)
		default:
			out = AppendResult(nil, m.ID, m.Result)
		}
		n, err := Parse(out)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", in, out, err)
		}
		if m.Method != n.Method || !bytes.Equal(m.Params, n.Params) || !bytes.Equal(m.Result, n.Result) || (m.Error == nil) != (n.Error == nil) {
			t.Fatalf("%q became %q", in, out)
		}
		if !jsontext.Value(in).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			t.Fatalf("%q is no JSON", in)
		}
	})
}
