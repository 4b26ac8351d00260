package openapi

import (
	"fmt"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// argError is a call that is refused before anything is sent. It names the argument.
type argError struct{ arg, why string }

// Error is the whole text.
func (e *argError) Error() string {
	return fmt.Sprintf("the argument %s %s; nothing was sent", clip(e.arg), e.why)
}

func wrong(arg, format string, args ...any) error {
	return &argError{arg: arg, why: fmt.Sprintf(format, args...)}
}

// value is what styles write: a text, a list of texts, or texts by name.
type value struct {
	kind  byte // 's', '[' or '{'
	text  string
	list  []string
	pairs [][2]string
}

// readValue reads an argument, which is checked against its shape. Styles have no word for null and for values inside values.
func readValue(arg string, raw []byte, s *shape) (value, error) {
	switch jsonedit.Kind(raw) {
	case '[':
		if !s.allows("array") {
			return value{}, wrong(arg, "must not be a list")
		}
		v := value{kind: '['}
		for el := range jsonedit.Elements(raw) {
			text, err := readScalar(arg, el, s.itemShape(), "a value in the list")
			if err != nil {
				return value{}, err
			}
			v.list = append(v.list, text)
		}
		return v, nil
	case '{':
		if !s.allows("object") {
			return value{}, wrong(arg, "must not be an object")
		}
		v := value{kind: '{'}
		for key, el := range jsonedit.Members(raw) {
			name := unquoteKey(key)
			for _, p := range v.pairs {
				if p[0] == name {
					return value{}, wrong(arg, "has the member %s twice", clip(name))
				}
			}
			text, err := readScalar(arg, el, nil, "the member "+clip(name))
			if err != nil {
				return value{}, err
			}
			v.pairs = append(v.pairs, [2]string{name, text})
		}
		return v, nil
	}
	if !s.allows("string", "number", "integer", "boolean", "null") {
		return value{}, wrong(arg, "must be of the type %s", clipList(s.types))
	}
	text, err := readScalar(arg, raw, s, "")
	return value{kind: 's', text: text}, err
}

func (s *shape) itemShape() *shape {
	if s == nil {
		return nil
	}
	return s.items
}

// readScalar returns the text of a scalar: of a string what it says, of a number the digits that it is written in.
func readScalar(arg string, raw []byte, s *shape, which string) (string, error) {
	if which != "" {
		which += " that "
	}
	var text string
	switch jsonedit.Kind(raw) {
	case '"':
		text, _ = jsonedit.Unquote(raw)
	case '0', 't', 'f':
		text = string(raw)
	case 'n':
		return "", wrong(arg, "has %sis null, which cannot be sent", orValue(which))
	default:
		return "", wrong(arg, "has %sis not a text, a number, true or false, and cannot be sent", orValue(which))
	}
	if why := s.wrong(text); why != "" {
		if which != "" {
			return "", wrong(arg, "has %s%s", which, why)
		}
		return "", wrong(arg, "%s", why)
	}
	return text, nil
}

func orValue(which string) string {
	if which == "" {
		return "a value that "
	}
	return which
}

// unquoteKey is the text of a raw key, as jsonedit.Members yields it.
func unquoteKey(key []byte) string {
	s, _ := jsonedit.Unquote(append(append([]byte{'"'}, key...), '"'))
	return s
}
