package llm_test

import (
	"fmt"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestFormsAreKept(t *testing.T) {
	var f llm.Forms
	key := llm.Form{Wire: "chat", Name: "x"}
	if f.Get(key) != nil {
		t.Error("a form is there before it was kept")
	}
	f.Keep(key, []byte("form"))
	for i := range 100 { // more than are kept
		f.Keep(llm.Form{Wire: "chat", Name: fmt.Sprint(i)}, []byte("other"))
	}
	if got := f.Get(key); string(got) != "form" {
		t.Errorf("a kept form was lost: %q", got)
	}
	if f.Get(llm.Form{Wire: "chat", Name: "99"}) != nil {
		t.Error("everything is kept")
	}
	if none := (*llm.Forms)(nil); string(none.Keep(key, []byte("form"))) != "form" || none.Get(key) != nil {
		t.Error("no Forms keeps something")
	}
}

func TestKindsHaveNames(t *testing.T) {
	for k := llm.Opaque; k <= llm.End; k++ {
		if s := k.String(); s == "" || s[0] < 'A' || s[0] > 'Z' {
			t.Errorf("kind %d is called %q", int(k), s)
		}
	}
	if s := llm.Kind(99).String(); s != "Kind(99)" {
		t.Errorf("an unknown kind is called %q", s)
	}
}
