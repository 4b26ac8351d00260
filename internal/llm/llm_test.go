package llm_test

import (
	"fmt"
	"testing"

	"github.com/fairlead/fairlead/internal/llm"
)

func TestFormsAreMadeOnce(t *testing.T) {
	var f llm.Forms
	n := 0
	make := func() []byte { n++; return fmt.Appendf(nil, "form %d", n) }
	if a, b := f.Get("x", make), f.Get("x", make); string(a) != "form 1" || string(b) != "form 1" {
		t.Errorf("got %s and %s", a, b)
	}
	for i := range 100 { // more than are kept
		f.Get(fmt.Sprint(i), make)
	}
	if got := f.Get("x", make); string(got) != "form 1" {
		t.Errorf("a kept form was lost: %s", got)
	}
	if got := (*llm.Forms)(nil).Get("x", make); string(got) == "form 1" {
		t.Error("no Forms keeps nothing")
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
