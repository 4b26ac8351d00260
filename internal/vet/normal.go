package vet

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// text is a text in the forms in which the rules read it.
type text struct {
	shown string   // NFKC, letters that look like Latin ones made so, nothing invisible, lower case
	words []string // of it: letters and digits; apostrophes are left out, so that "don't" is dont
	rules []string // that the normalising itself has met
}

// normal makes a text readable: what a person would see of it, in one spelling.
func normal(s string) text {
	if !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		s = strings.ToLower(s)
		return text{shown: s, words: words(s)}
	}
	var t text
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		rule, seen := see(runes, i)
		if rule != "" && !slices.Contains(t.rules, rule) {
			t.rules = append(t.rules, rule)
		}
		if seen {
			b.WriteRune(plainTag(r))
		}
	}
	composed := norm.NFKC.String(b.String())
	if mixed(composed) {
		t.rules = append(t.rules, ruleMixed)
	}
	t.shown = strings.ToLower(strings.Map(latin, composed))
	t.words = words(t.shown)
	return t
}

// see says which rule a character meets, and whether it belongs to what the text says.
func see(runes []rune, i int) (rule string, seen bool) {
	switch r := runes[i]; {
	case r >= 0xE0000 && r <= 0xE0FFF: // tag characters and variation selectors: letters that nobody sees
		return ruleTags, r != plainTag(r)
	case bidi(r):
		return ruleBidi, false
	case invisible(r):
		if joins(runes, i) {
			return "", false
		}
		return ruleInvisible, false
	case r != '\n' && r != '\r' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xA0):
		return ruleControl, false
	}
	return "", true
}

// plainTag is the ASCII character that a tag character stands for; any other stands for itself.
func plainTag(r rune) rune {
	if r >= 0xE0020 && r < 0xE007F {
		return r - 0xE0000
	}
	return r
}

func bidi(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }

func invisible(r rune) bool {
	return r >= 0x200B && r <= 0x200F || r >= 0x2060 && r <= 0x2064 || r == 0xFEFF || r == 0xAD || r == 0x180E || r == 0x3164 || r == 0x115F
}

// joins reports whether an invisible character has its place between two others: emoji and several scripts have joiners, and a
// text may begin with a byte order mark.
func joins(runes []rune, i int) bool {
	if runes[i] == 0xFEFF {
		return i == 0
	}
	beside := func(j int) bool {
		return j >= 0 && j < len(runes) && runes[j] > 0x2FF && !bidi(runes[j]) && !invisible(runes[j])
	}
	return runes[i] >= 0x200C && runes[i] <= 0x200F && beside(i-1) && (beside(i+1) || i+1 == len(runes))
}

// lookalikes are letters of other scripts that look like Latin ones.
var lookalikes = func() map[rune]rune {
	m := map[rune]rune{}
	pairs := "аaвbсcԁdеeһhіiјjкkӏlмmнhоoрpԛqѕsтtυuѵvԝwхxуyАAВBСCЕEНHІIЈJКKМMОOРPЅSТTХXУYΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXοoνvιiκkρpαa"
	var from rune
	for i, r := range []rune(pairs) {
		if i%2 == 0 {
			from = r
		} else {
			m[from] = r
		}
	}
	return m
}()

func latin(r rune) rune {
	if r < 0x80 {
		return r
	}
	if l, ok := lookalikes[r]; ok {
		return l
	}
	return r
}

// mixed reports whether some word is of Latin letters and of others that look like such. One such letter in a formula is none.
func mixed(s string) bool {
	var plain, alike int
	for _, r := range s {
		switch {
		case r < 0x80 && unicode.IsLetter(r):
			plain++
		case lookalikes[r] != 0:
			alike++
		default:
			if plain+alike > 2 && plain > 0 && alike > 0 {
				return true
			}
			plain, alike = 0, 0
		}
	}
	return plain+alike > 2 && plain > 0 && alike > 0
}

// words takes a text apart.
func words(s string) []string {
	var all []string
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			all = append(all, b.String())
			b.Reset()
		}
	}
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case r == '\'' || r == '’':
		default:
			end()
		}
	}
	end()
	return all
}
