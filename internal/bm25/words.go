package bm25

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord bounds the bytes of a word; a longer one is cut.
const maxWord = 64

// Words yields the words of a text in lower case, without the s of a plural. Names in the style of programs are several:
// read_file and read-file are read and file, readFile is readfile too. A character of a script that puts no spaces between
// words is a word.
func Words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		begin, whole := -1, -1 // of the word, and of the letters without anything between them
		for i, r := range text {
			letter := unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
			if begin < 0 {
				if letter {
					begin, whole = i, i
				}
				continue
			}
			switch {
			case !letter:
				if !last(text[begin:i], text[whole:i], yield) {
					return
				}
				begin = -1
			case starts(text, i, r) || unspaced(r):
				if !yield(stem(text[begin:i])) {
					return
				}
				begin = i
			}
		}
		if begin >= 0 {
			last(text[begin:], text[whole:], yield)
		}
	}
}

// last yields the last word of some letters, and all of them as one word if that is another one.
func last(word, whole string, yield func(string) bool) bool {
	first, _ := utf8.DecodeRuneInString(whole)
	return yield(stem(word)) && (len(word) == len(whole) || unspaced(first) || yield(stem(whole)))
}

// starts reports whether a word starts at the letter r, which stands at text[i] behind another: with a capital behind a small
// letter, with the last capital of several before a small letter (HTTPServer), and behind a character that is a word.
func starts(text string, i int, r rune) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	if unspaced(before) {
		return true
	}
	if !unicode.IsUpper(r) {
		return false
	}
	after, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
	return !unicode.IsUpper(before) || unicode.IsLower(after)
}

// unspaced reports whether r is of a script that is written without spaces.
func unspaced(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// stem is the form in which a word is looked up.
func stem(word string) string {
	if len(word) > maxWord {
		word = strings.ToValidUTF8(word[:maxWord], "")
	}
	word = strings.ToLower(word)
	switch {
	case len(word) > 4 && strings.HasSuffix(word, "ies"):
		return word[:len(word)-3] + "y"
	case len(word) > 3 && strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") && !strings.HasSuffix(word, "us"):
		return word[:len(word)-1]
	}
	return word
}
