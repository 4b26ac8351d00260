package jsonedit

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var seeds = []string{
	`{"model":"gpt-4o","messages":[{"role":"user","content":"hi \"there\" \\ é 漢 \ud83d\ude00"}],"stream":true,"n":-1.5e+10}`,
	` { "tools" : [ { } , [ ] ] , "Model" : null } `, `{"mod\u0065l":1}`, "{\"\u017Ftream\":1}", `{"model":1,"model":2}`, `{"a":1,"a":{"b":2,"b":3}}`,
	`{"a":[1,2,{"b":"\ud800"}]}`, `{}`, `{"n":1,"x":2,"user":3}`, `{"user":3 , "n":1}`, "{\"a\":\"\xff\"}", `{"a":tru}`, `[{"index":0,"t":"a"}]`, `"\ude00"`, `{"a`, `{"a":"\`, chunk, `"\f\b\u000c"`,
	nest(MaxDepth), nest(MaxDepth + 1),
}

// depth returns the deepest nesting of brackets outside strings in valid JSON.
func depth(t *testing.T, doc []byte) int {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(doc), jsontext.AllowDuplicateNames(true))
	deepest := 0
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return deepest
		} else if err != nil {
			t.Fatal(err)
		}
		deepest = max(deepest, d.StackDepth())
	}
}

// refuse reports whether the valid object doc has a policy key that is ambiguous, as a library sees its keys.
func refuse(t *testing.T, doc []byte, keys *Keys) bool {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(doc), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		var name string
		lit := string(raw)
		if err := json.Unmarshal(raw, &name); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys.names {
			if strings.EqualFold(key, name) && (seen[key] || lit != `"`+key+`"`) {
				return true
			}
		}
		seen[name] = true
		if err := d.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	return false
}

// decode decodes an object with a library, the last of repeated keys counting.
func decode(t *testing.T, doc []byte) map[string]jsontext.Value {
	t.Helper()
	var m map[string]jsontext.Value
	if err := json.Unmarshal(doc, &m, jsontext.AllowDuplicateNames(true)); err != nil {
		t.Fatalf("%q: %v", doc, err)
	}
	return m
}

func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		o, err := Scan(doc, chatKeys)
		valid := jsontext.Value(doc).IsValid(jsontext.AllowDuplicateNames(true)) && bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n"), []byte("{"))
		shallow := !valid || depth(t, doc) <= MaxDepth
		var ae *AmbiguousError
		switch {
		case err == nil && (!valid || !shallow):
			t.Fatal("accepted what is not JSON, or too deep")
		case errors.As(err, &ae):
			if valid && !refuse(t, doc, chatKeys) {
				t.Fatalf("refused: %v", err)
			}
			return
		case err != nil && valid && shallow:
			t.Fatalf("refused: %v", err)
		case err != nil:
			return
		case refuse(t, doc, chatKeys):
			t.Fatal("accepted an ambiguous document")
		}
		if !Valid(doc) {
			t.Fatal("Valid differs from Scan")
		}
		// A strict decoder refuses repeated keys too; what is left of its refusals must be one of those.
		want := decode(t, doc)
		for _, key := range chatKeys.names {
			if got := o.Value(key).Of(doc); string(got) != string(want[key]) {
				t.Fatalf("%s is %s, want %s", key, got, want[key])
			}
			if m := o.Member(key); m.Found() && !bytes.HasPrefix(m.Of(doc), []byte(`"`+key+`"`)) {
				t.Fatalf("member %s is %s", key, m.Of(doc))
			}
		}
		edits := o.Set(nil, doc, "model", []byte(`"m"`))
		for _, key := range []string{"n", "tools", "stream", "user"} {
			edits = o.Delete(edits, doc, key)
			delete(want, key)
		}
		edits = o.Set(edits, doc, "user", []byte(`[7]`))
		want["model"], want["user"] = jsontext.Value(`"m"`), jsontext.Value(`[7]`)
		got := decode(t, Apply(nil, doc, edits))
		if len(got) != len(want) {
			t.Fatalf("edited: %v, want %v", got, want)
		}
		for k, v := range want {
			if string(got[k]) != string(v) {
				t.Fatalf("edited: %s is %s, want %s", k, got[k], v)
			}
		}
	})
}

// FuzzRead checks that the reading functions neither panic nor run on for any bytes, and that on JSON they see what a library sees.
func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte(`{"a":1,"t":"x"}`))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		valid := jsontext.Value(a).IsValid(jsontext.AllowDuplicateNames(true)) && depth(t, a) <= MaxDepth
		if Valid(a) != valid {
			t.Fatalf("Valid is %v", !valid)
		}
		sum, joined, small := AddNumbers(nil, a, b), MergeDelta(nil, a, b), Compact(nil, a)
		if valid && jsontext.Value(b).IsValid(jsontext.AllowDuplicateNames(true)) {
			for _, v := range [][]byte{sum, joined} {
				if !jsontext.Value(v).IsValid(jsontext.AllowDuplicateNames(true)) {
					t.Fatalf("joined to %s, which is not JSON", v)
				}
			}
		}
		Get(a, "a", "b")
		text, ok := Unquote(a)
		if Says(a, text) != ok || Says(a, text+"x") {
			t.Fatalf("Says of the text %q is %v", text, !ok)
		}
		Int(a)
		Bool(a)
		Kind(a)
		for k, v := range Members(a) {
			KeyIs(k, "a")
			Get(v, "b")
		}
		for v := range Elements(a) {
			Unquote(v)
		}
		if !valid {
			return
		}
		var want jsontext.Value = bytes.Clone(a)
		if err := want.Compact(jsontext.AllowDuplicateNames(true)); err != nil || string(small) != string(want) {
			t.Fatalf("Compact = %s, want %s (%v)", small, want, err)
		}
		var s string
		if err := json.Unmarshal(a, &s); (err == nil && string(want) != "null") != ok || ok && s != text {
			t.Fatalf("Unquote = %q, %v, want %q", text, ok, s)
		}
		if ok {
			if lit, _ := jsontext.AppendQuote(nil, text); string(AppendQuote(nil, text)) != string(lit) {
				t.Fatalf("AppendQuote = %s, want %s", AppendQuote(nil, text), lit)
			}
		}
		if want.Kind() == '{' {
			last := map[string]string{}
			for k, v := range Members(a) {
				name, ok := Unquote([]byte(`"` + string(k) + `"`))
				if !ok {
					t.Fatalf("key %s", k)
				}
				last[name] = string(v)
			}
			for k, v := range decode(t, a) {
				if last[k] != string(v) {
					t.Fatalf("member %q is %s, want %s", k, last[k], v)
				}
				delete(last, k)
			}
			if len(last) > 0 {
				t.Fatalf("more members: %v", last)
			}
		}
		if want.Kind() == '[' {
			var list []jsontext.Value
			if err := json.Unmarshal(a, &list, jsontext.AllowDuplicateNames(true)); err != nil {
				t.Fatal(err)
			}
			i := 0
			for v := range Elements(a) {
				if i >= len(list) || string(list[i]) != string(v) {
					t.Fatalf("element %d is %s", i, v)
				}
				i++
			}
			if i != len(list) {
				t.Fatalf("%d elements, want %d", i, len(list))
			}
			if all, ok := AppendElements(nil, bytes.TrimSpace(a)); !ok || len(all) != len(list) {
				t.Fatalf("AppendElements: %d elements, %v, want %d", len(all), ok, len(list))
			}
		}
	})
}

// FuzzQuote checks that any text survives quoting, but for invalid UTF-8, which becomes U+FFFD.
func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\n\x00é😀\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		lit := AppendQuote(nil, s)
		got, ok := Unquote(lit)
		want := string([]rune(s)) // each invalid byte becomes U+FFFD
		if !Valid(lit) || !ok || got != want {
			t.Fatalf("%q became %s and %q", s, lit, got)
		}
	})
}
