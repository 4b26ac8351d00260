package mcp

import (
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// ParamLists are what the parameters of some tools may be, by the names of the tool and of the parameter: a text, or a beginning
// with * behind it.
type ParamLists map[string]map[string][]string

// misfit says which of a call's parameters may not be what it is, by the list of its tool; "" when all may. A parameter that
// the list does not name may not be given. Of a list and an object, each value that it holds must fit.
func misfit(list map[string][]string, args []byte) string {
	for key, v := range jsonedit.Members(args) {
		name, _ := jsonedit.Unquote(append(append([]byte{'"'}, key...), '"'))
		patterns, known := list[name]
		if !known {
			return "the parameter " + quote(name) + " may not be given"
		}
		if !fits(patterns, v) {
			return "the parameter " + quote(name) + " may not have this value"
		}
	}
	return ""
}

func fits(patterns []string, v []byte) bool {
	switch jsonedit.Kind(v) {
	case '{':
		for _, member := range jsonedit.Members(v) {
			if !fits(patterns, member) {
				return false
			}
		}
		return true
	case '[':
		for el := range jsonedit.Elements(v) {
			if !fits(patterns, el) {
				return false
			}
		}
		return true
	}
	text, ok := jsonedit.Unquote(v)
	if !ok {
		text = strings.TrimSpace(string(v)) // a number as it is written, true, false, null
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		beginning, open := strings.CutSuffix(p, "*")
		return text == p || p == "*" || open && strings.HasPrefix(text, beginning) && !climbs(text)
	})
}

// dots undoes the escapes of URLs behind which a step up can hide.
var dots = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`)

// climbs reports whether a path or a URL has a step up in it, so that where it begins does not say where it leads.
func climbs(text string) bool {
	if strings.ContainsRune(text, 0) {
		return true
	}
	for step := range strings.FieldsFuncSeq(dots.Replace(text), func(r rune) bool { return r == '/' || r == '\\' }) {
		if step == ".." {
			return true
		}
	}
	return false
}
