package blackbox

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// lineWidth is how long a JSON value may be that stands on one line.
const lineWidth = 150

// printJSON lays out a document for people: what fits on a line stands on one. Order, numbers and strings stay as they are.
// What is no JSON is printed as it is.
func printJSON(doc []byte) string {
	v := jsontext.Value(bytes.Clone(doc))
	if v.Compact() != nil {
		return string(doc)
	}
	var out strings.Builder
	layOut(&out, v, "")
	return out.String()
}

func layOut(out *strings.Builder, v jsontext.Value, indent string) {
	kind := v.Kind()
	if len(indent)+len(v) <= lineWidth || kind != '{' && kind != '[' {
		out.Write(v)
		return
	}
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true))
	_, _ = d.ReadToken()
	out.WriteString(string(rune(kind)) + "\n")
	inner := indent + "  "
	for first := true; d.PeekKind() != '}' && d.PeekKind() != ']'; first = false {
		if !first {
			out.WriteString(",\n")
		}
		out.WriteString(inner)
		if kind == '{' {
			name, err := d.ReadValue()
			if err != nil {
				return
			}
			out.Write(append(name.Clone(), ':'))
		}
		x, err := d.ReadValue()
		if err != nil {
			return
		}
		layOut(out, x.Clone(), inner)
	}
	out.WriteString("\n" + indent + string(rune(kind+2))) // } and ] stand two after { and [
}

// headMembers are the same in every chunk of a good stream.
var headMembers = []string{"id", "object", "created", "model"}

// printStream prints a stream frame by frame. The head of a chunk is printed with the first and where it changes; elsewhere
// "…" stands for it. Comments that follow each other are printed once.
func printStream(body []byte) string {
	var out, last, head strings.Builder
	for frame := range strings.SplitSeq(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n\n") {
		if frame == "" {
			continue
		}
		text := printFrame(frame, &head)
		if strings.HasPrefix(text, ":") && text == last.String() {
			continue
		}
		last.Reset()
		last.WriteString(text)
		out.WriteString(text + "\n")
	}
	return out.String()
}

func printFrame(frame string, head *strings.Builder) string {
	data, ok := strings.CutPrefix(frame, "data: ")
	v := jsontext.Value(data)
	if !ok || v.Compact() != nil || v.Kind() != '{' {
		return frame
	}
	var mine, rest strings.Builder
	d := jsontext.NewDecoder(strings.NewReader(data), jsontext.AllowDuplicateNames(true))
	_, _ = d.ReadToken()
	found := 0
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return frame
		}
		name = name.Clone()
		x, err := d.ReadValue()
		if err != nil {
			return frame
		}
		to := &rest
		for _, h := range headMembers {
			if string(name) == `"`+h+`"` {
				to = &mine
				found++
			}
		}
		to.WriteString("," + string(name) + ":" + string(x))
	}
	if found == 0 {
		return "data: " + printJSON([]byte(data))
	}
	if mine.String() == head.String() {
		return "data: … " + printJSON([]byte("{"+strings.TrimPrefix(rest.String(), ",")+"}"))
	}
	head.Reset()
	head.WriteString(mine.String())
	return "data: " + printJSON([]byte(data))
}
