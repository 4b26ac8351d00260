package wire

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// maxMessage bounds what is kept of a provider's error text, in bytes.
const maxMessage = 2 << 10

// Refusal turns a reply of a status other than 200 into a fault of kind Refused; op says where, for the log. It knows the
// forms that providers write errors in; a body of none of them (a proxy's HTML page, plain text) is not shown to anybody.
func Refusal(op string, status int, body []byte) *fault.Error {
	var p problem
	p.read(jsonedit.Get(body), 0)
	e := p.fault()
	e.Kind, e.Status, e.Op = fault.Refused, status, op
	if e.Code == codeUpstream {
		e.Code = ""
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the provider answered with status %d", status)
	}
	return e
}

// ReplyFault is an error that a provider put into a reply of status 200: Refused if it says which status it would have been,
// else Upstream.
func ReplyFault(op string, v []byte) *fault.Error {
	var p problem
	p.read(v, 0)
	e := p.fault()
	e.Op = op
	if e.Message == "" {
		e.Message = "the provider broke its reply off with an error that has no text"
	}
	return e
}

// Broken is the error of a reply that is not what its wire says.
func Broken(op, format string, args ...any) *fault.Error {
	return &fault.Error{Kind: fault.Upstream, Op: op, Code: codeUpstream, Message: fmt.Sprintf(format, args...)}
}

const codeUpstream = "upstream_error"

// problem is what a provider's error object says.
type problem struct {
	message, kind, param, code, word string
	detail                           string // what a reseller's own provider said
	status                           int
}

// problemDepth is how deep errors may be wrapped into each other.
const problemDepth = 4

// read takes in an error: an object, a list whose first element is one, or a text.
func (p *problem) read(v []byte, depth int) {
	if depth > problemDepth {
		return
	}
	switch jsonedit.Kind(v) {
	case '[':
		for el := range jsonedit.Elements(v) {
			p.read(el, depth+1)
			return
		}
	case '"':
		s, _ := jsonedit.Unquote(v)
		p.message = cmp.Or(p.message, s)
	case '{':
		for key, val := range jsonedit.Members(v) {
			p.member(string(key), val, depth)
		}
	}
}

func (p *problem) member(key string, v []byte, depth int) {
	word, _ := jsonedit.Unquote(v)
	number, isNumber := jsonedit.Int(v)
	switch key {
	case "error", "errors", "detail", "fault":
		p.read(v, depth+1)
	case "message", "msg", "error_msg":
		if word == "" {
			p.read(v, depth+1) // some put an object here
		}
		p.message = cmp.Or(p.message, word)
	case "metadata":
		if raw, ok := jsonedit.Unquote(jsonedit.Get(v, "raw")); ok {
			var inner problem
			inner.read(jsonedit.Get([]byte(raw)), depth+1)
			p.detail = inner.message
		}
	case "type":
		p.kind = cmp.Or(p.kind, word)
	case "param":
		p.param = cmp.Or(p.param, word)
	case "status", "status_code", "code", "error_code":
		if isNumber {
			word = strconv.FormatInt(number, 10)
		}
		if n, err := strconv.Atoi(word); err == nil && n >= 400 && n < 600 {
			p.status = n
		}
		if isNumber || key == "status_code" {
			p.code = cmp.Or(p.code, word)
		} else {
			p.word = cmp.Or(p.word, word) // a word says more than a number
		}
	}
}

// fault returns the error as one that came inside a reply: Refused if it says which status it would have been.
func (p *problem) fault() *fault.Error {
	message := p.message
	if p.detail != "" && p.detail != message {
		message += ": " + p.detail
	}
	e := &fault.Error{Kind: fault.Upstream, Message: clean(message), Type: clean(p.kind), Param: clean(p.param), Code: clean(cmp.Or(p.word, p.code))}
	status := p.status
	if status == 0 && (strings.Contains(p.word+p.kind, "rate_limit") || p.word == "insufficient_quota") {
		status = 429
	}
	if status != 0 {
		e.Kind, e.Status = fault.Refused, status
	}
	e.Code = cmp.Or(e.Code, codeUpstream)
	return e
}

// clean makes a provider's text fit to be shown: no control characters, valid, bounded.
func clean(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}
