package chat

import (
	"strings"
	"testing"
)

// FuzzThinkMarks wants the same told apart wherever a text is cut, and nothing lost but the marks and the white space beside them.
func FuzzThinkMarks(f *testing.F) {
	for _, s := range []string{"", "a", "<think>a</think>b", "\n<think>\na</thin</think>\n\n b </think>", "<thin", "<think>a</thi", "a<think>b</think>", "<think></think>"} {
		f.Add(s, uint8(1))
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		thought, says := unmarked(text, len(text)+1)
		if a, b := unmarked(text, int(size)+1); a != thought || b != says {
			t.Fatalf("%q in pieces of %d: thought %q, said %q; whole: %q, %q", text, size, a, b, thought, says)
		}
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		lost := strings.Replace(strings.Replace(bare(text), thinkOpen, "", 1), thinkClose, "", 1)
		if got := bare(thought + says); got != bare(text) && got != lost && got != strings.Replace(bare(text), thinkOpen, "", 1) {
			t.Fatalf("%q became %q and %q", text, thought, says)
		}
	})
}

func unmarked(text string, size int) (thought, says string) {
	var m thinkMarks
	take := func(a, b string) { thought, says = thought+a, says+b }
	for len(text) > 0 {
		n := min(size, len(text))
		take(m.split(text[:n]))
		text = text[n:]
	}
	take(m.rest())
	return thought, says
}
