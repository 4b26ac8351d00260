package jsonedit

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func edit(t *testing.T, doc string, do func(o *Object, d []byte) []Edit) string {
	t.Helper()
	o, err := Scan([]byte(doc), chatKeys)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	out := Apply(nil, []byte(doc), do(&o, []byte(doc)))
	if !Valid(out) {
		t.Errorf("%s became %s, which is not JSON", doc, out)
	}
	return string(out)
}

func TestSetAndDelete(t *testing.T) {
	// A step is +key=value or -key.
	for _, tt := range []struct{ doc, steps, want string }{
		{`{"model":"a","x":1.0}`, `+model="b"`, `{"model":"b","x":1.0}`},
		{`{"x":1}`, `+model="b"`, `{"x":1,"model":"b"}`},
		{`{"x":1 }`, `+model="b" +n=2`, `{"x":1 ,"model":"b","n":2}`},
		{`{}`, `+model="b" +n=2`, `{"model":"b","n":2}`},
		{`{}`, `+model="b" +model="c"`, `{"model":"c"}`},
		{`{"n":1}`, `+n=2 +n=3`, `{"n":3}`},
		{`{}`, `+model="b" +n=2 -model`, `{"n":2}`},
		{`{}`, `+model="b" -model`, `{}`},
		{`{"n":1}`, `-n`, `{}`},
		{`{"n":1}`, `-n +model=2`, `{"model":2}`},
		{`{"n":1}`, `+model=2 -n`, `{"model":2}`},
		{`{"n":1}`, `-n +n=2`, `{"n":2}`},
		{`{"n":1}`, `+n=2 -n`, `{}`},
		{`{"n":1}`, `-n -n`, `{}`},
		{`{"n":1,"x":2}`, `-n`, `{"x":2}`},
		{`{"x":2,"n":1}`, `-n`, `{"x":2}`},
		{`{"x":2,"n":1,"user":3}`, `-n -user`, `{"x":2}`},
		{`{"x":2,"n":1,"user":3}`, `-user -n`, `{"x":2}`},
		{`{"n":1,"user":3,"x":2}`, `-user -n`, `{"x":2}`},
		{`{"n":1,"x":2,"user":3}`, `-user -n +stream=true`, `{"x":2,"stream":true}`},
		{`{"n":1,"user":3,"model":4}`, `-n -model -user +stream=true`, `{"stream":true}`},
		{`{"n":1,"user":3,"model":4}`, `-user -model -n +stream=true +user=5`, `{"stream":true,"user":5}`},
		{`{"n":1,"user":3,"model":4}`, `-model -user +stream=true -n -stream`, `{}`},
		{` { "n" : 1 , "user" : 3 } `, `-user -n`, ` {  } `},
		{`{"x":1}`, `-n`, `{"x":1}`},
	} {
		got := edit(t, tt.doc, func(o *Object, d []byte) []Edit {
			var edits []Edit
			for step := range strings.FieldsSeq(tt.steps) {
				if key, value, ok := strings.Cut(step[1:], "="); ok {
					edits = o.Set(edits, d, key, []byte(value))
				} else {
					edits = o.Delete(edits, d, key)
				}
			}
			return edits
		})
		if got != tt.want {
			t.Errorf("%s %s = %s, want %s", tt.doc, tt.steps, got, tt.want)
		}
	}
}

// TestEditsModel makes random documents and random edits, and compares with the same done on a list of members.
func TestEditsModel(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	keys := NewKeys(names...)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		type mem struct{ key, value string }
		var list []mem
		for _, n := range rnd.Perm(8)[:rnd.IntN(6)] {
			list = append(list, mem{string(rune('a' + n)), `[1,"}"]`})
		}
		pad := strings.Repeat(" ", rnd.IntN(2))
		var parts []string
		for _, m := range list {
			parts = append(parts, pad+`"`+m.key+`"`+pad+`:`+pad+m.value+pad)
		}
		doc := []byte(pad + "{" + strings.Join(parts, ",") + pad + "}")
		o, err := Scan(doc, keys)
		if err != nil {
			t.Fatal(err)
		}
		var edits []Edit
		log := ""
		for step := range rnd.IntN(8) {
			key := names[rnd.IntN(len(names))]
			at := -1
			for i, m := range list {
				if m.key == key {
					at = i
				}
			}
			if rnd.IntN(2) == 0 {
				value := string(rune('0' + step))
				log += " +" + key
				edits = o.Set(edits, doc, key, []byte(value))
				if at >= 0 {
					list[at].value = value
				} else {
					list = append(list, mem{key, value})
				}
			} else {
				log += " -" + key
				edits = o.Delete(edits, doc, key)
				if at >= 0 {
					list = append(list[:at:at], list[at+1:]...)
				}
			}
		}
		out := Apply([]byte("keep"), doc, edits)
		if !bytes.HasPrefix(out, []byte("keep")) || !Valid(out[4:]) {
			t.Fatalf("%s%s became %s", doc, log, out)
		}
		i := 0
		for k, v := range Members(out[4:]) {
			if i >= len(list) || string(k) != list[i].key || string(v) != list[i].value {
				t.Fatalf("%s%s became %s, want %v", doc, log, out[4:], list)
			}
			i++
		}
		if i != len(list) {
			t.Fatalf("%s%s became %s, want %v", doc, log, out[4:], list)
		}
	}
}

func TestEditsOfOneScanAreIndependent(t *testing.T) {
	doc := []byte(`{"model":"a","n":1}`)
	o, err := Scan(doc, chatKeys)
	if err != nil {
		t.Fatal(err)
	}
	first := o.Delete(nil, doc, "n")
	second := o.Set(nil, doc, "model", []byte(`"b"`))
	if got := string(Apply(nil, doc, first)); got != `{"model":"a"}` {
		t.Error(got)
	}
	if got := string(Apply(nil, doc, second)); got != `{"model":"b","n":1}` {
		t.Error(got)
	}
}

func TestApply(t *testing.T) {
	doc := []byte("0123456789")
	for _, tt := range []struct {
		edits []Edit
		want  string
	}{
		{nil, "0123456789"},
		{[]Edit{{0, 10, nil}}, ""},
		{[]Edit{{5, 6, []byte("x")}, {0, 1, nil}}, "1234x6789"},
		{[]Edit{{5, 6, nil}, {5, 5, []byte("a")}, {5, 5, []byte("b")}}, "01234ab6789"},
		{[]Edit{{3, 5, []byte("z")}, {5, 5, []byte("a")}}, "012za56789"},
		{[]Edit{{10, 10, []byte("a")}, {10, 10, []byte("b")}}, "0123456789ab"},
	} {
		if got := string(Apply(nil, doc, tt.edits)); got != tt.want {
			t.Errorf("%v = %s, want %s", tt.edits, got, tt.want)
		}
	}
	for _, edits := range [][]Edit{{{0, 2, nil}, {1, 3, nil}}, {{9, 11, nil}}, {{3, 2, nil}}, {{-1, 2, nil}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Apply(%v) did not panic", edits)
				}
			}()
			Apply(nil, doc, edits)
		}()
	}
}

func TestSetRefusesOtherKeys(t *testing.T) {
	o, _ := Scan([]byte(`{}`), chatKeys)
	defer func() {
		if recover() == nil {
			t.Error("no panic for a key that was not scanned for")
		}
	}()
	o.Set(nil, []byte(`{}`), "modle", []byte("1"))
}
