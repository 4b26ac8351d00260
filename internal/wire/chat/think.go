package chat

import "strings"

// The marks between which some models put their reasoning, at the start of what they say.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// thinkMarks tells apart what a model has thought and what it says, where both come as its text (wire.Quirks.ThinkMarks). A text
// that does not begin with the mark is all said.
type thinkMarks struct {
	phase thinkPhase
	held  string // may be the start of a mark
}

type thinkPhase int

const (
	beforeThink thinkPhase = iota
	inThink
	behindThink // up to the first word
	said
)

// split takes in the next piece of the text.
func (m *thinkMarks) split(text string) (thought, says string) {
	if m.phase == said {
		return "", text
	}
	text, m.held = m.held+text, ""
	if m.phase == beforeThink {
		start := strings.TrimLeft(text, " \r\n")
		rest, opens := strings.CutPrefix(start, thinkOpen)
		switch {
		case opens:
			m.phase, text = inThink, rest
		case strings.HasPrefix(thinkOpen, start):
			m.held = text
			return "", ""
		default:
			m.phase = said
			return "", text
		}
	}
	if m.phase == inThink {
		before, rest, closes := strings.Cut(text, thinkClose)
		if !closes {
			n := partOf(text, thinkClose)
			m.held = text[len(text)-n:]
			return text[:len(text)-n], ""
		}
		thought, text, m.phase = before, rest, behindThink
	}
	if text = strings.TrimLeft(text, " \r\n"); text != "" {
		m.phase = said
	}
	return thought, text
}

// rest returns what is held at the end of the text.
func (m *thinkMarks) rest() (thought, says string) {
	held := m.held
	m.held = ""
	if m.phase == inThink {
		return held, ""
	}
	return "", held
}

// partOf returns how many bytes at the end of s are the start of mark.
func partOf(s, mark string) int {
	for n := min(len(s), len(mark)-1); n > 0; n-- {
		if strings.HasSuffix(s, mark[:n]) {
			return n
		}
	}
	return 0
}
