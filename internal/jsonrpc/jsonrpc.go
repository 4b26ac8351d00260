// Package jsonrpc reads and writes JSON-RPC 2.0 messages whose parts stay bytes: ids, numbers, unknown fields and the order
// of keys pass through as they came.
package jsonrpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// The error codes of JSON-RPC that this project sends or acts on.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
)

// Message is one request, notification or response. Its byte slices share the memory of the text that it was parsed from.
type Message struct {
	ID     []byte // a string or number literal as it came, or null in an error response; nil for a notification
	Method string // requests and notifications
	Params []byte // a raw object or array; nil if absent
	Result []byte // a raw value of any kind; nil if absent
	Error  *Error
}

// Error is the error object of a response.
type Error struct {
	Code    int
	Message string
	Data    []byte // raw; nil if absent
}

// IsRequest reports whether the message wants an answer.
func (m *Message) IsRequest() bool { return m.Method != "" && m.ID != nil }

// IsNotification reports whether the message is a call without an answer.
func (m *Message) IsNotification() bool { return m.Method != "" && m.ID == nil }

// IsResponse reports whether the message answers a request.
func (m *Message) IsResponse() bool { return m.Method == "" }

// Parse reads exactly one message. It refuses an envelope that two readers could understand in two ways: one of the members
// jsonrpc, id, method, params, result and error that occurs twice or in another letter case, and a message that is more than
// one of request and response. Unknown members are skipped. The values of params, result and data are checked to be JSON, but
// may hold repeated keys and invalid UTF-8. Errors hold nothing of the text but names of members.
func Parse(data []byte) (Message, error) {
	var f fields
	d := open(data)
	defer d.close()
	err := members(d, f.set)
	if err == nil {
		err = end(d)
	}
	if err != nil {
		return Message{}, err
	}
	return f.message()
}

// ParseBatch reads one message or a non-empty array of at most max messages, as the revision 2025-03-26 allows.
func ParseBatch(data []byte, max int) ([]Message, error) {
	if t := bytes.TrimLeft(data, " \t\r\n"); len(t) == 0 || t[0] != '[' {
		m, err := Parse(data)
		return []Message{m}, err
	}
	d := open(data)
	defer d.close()
	if _, err := d.ReadToken(); err != nil {
		return nil, syntax(err)
	}
	var all []Message
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, syntax(err)
		}
		if len(all) == max {
			return nil, fmt.Errorf("a batch of more than %d messages", max)
		}
		m, err := Parse(bytes.Clone(v))
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, syntax(err)
	}
	if err := end(d); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("an empty batch")
	}
	return all, nil
}

// decoder reads one text. What it returns lies in that text, and is good when the decoder is closed.
type decoder struct {
	jsontext.Decoder
	in bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// open returns a decoder of data, which is to be closed.
func open(data []byte) *decoder {
	d := decoders.Get().(*decoder)
	d.read(data)
	return d
}

func (d *decoder) read(data []byte) {
	d.in = *bytes.NewBuffer(data) // whose memory is read where it is
	d.Reset(&d.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (d *decoder) close() {
	d.read(nil)
	decoders.Put(d)
}

// fields are the raw values of an envelope's known members.
type fields struct{ jsonrpc, id, method, params, result, err []byte }

// place returns where the member of that name goes, or nil for an unknown name.
func (f *fields) place(name []byte) *[]byte {
	switch string(name) {
	case "jsonrpc":
		return &f.jsonrpc
	case "id":
		return &f.id
	case "method":
		return &f.method
	case "params":
		return &f.params
	case "result":
		return &f.result
	case "error":
		return &f.err
	}
	return nil
}

// set keeps one member of the envelope.
func (f *fields) set(name, value []byte) error {
	p := f.place(name)
	if p == nil {
		if q := bytes.ToLower(name); f.place(q) != nil {
			return fmt.Errorf("the member %q in another letter case", q)
		}
		return nil
	}
	if *p != nil {
		return fmt.Errorf("the member %q occurs twice", name)
	}
	*p = value
	return nil
}

// message checks the envelope's members against each other.
func (f *fields) message() (Message, error) {
	if !isVersion(f.jsonrpc) {
		return Message{}, errors.New(`"jsonrpc" is not "2.0"`)
	}
	m := Message{ID: f.id, Params: f.params, Result: f.result}
	if f.id != nil && !validID(f.id) && (f.err == nil || f.id[0] != 'n') {
		return Message{}, errors.New(`"id" is neither a string nor a number`)
	}
	if f.method != nil {
		err := f.request(&m)
		return m, err
	}
	switch {
	case f.params != nil:
		return Message{}, errors.New("a response with params")
	case (f.result == nil) == (f.err == nil):
		return Message{}, errors.New(`neither "method" nor exactly one of "result" and "error"`)
	case f.id == nil && f.err == nil:
		return Message{}, errors.New("a result without an id")
	}
	if f.err != nil {
		e, err := parseError(f.err)
		if err != nil {
			return Message{}, err
		}
		m.Error = e
	}
	return m, nil
}

func (f *fields) request(m *Message) error {
	name, ok := text(f.method)
	switch {
	case !ok || name == "":
		return errors.New(`"method" is not a name`)
	case f.result != nil || f.err != nil:
		return errors.New("a request with a result")
	case f.params != nil && f.params[0] != '{' && f.params[0] != '[' && f.params[0] != 'n':
		return errors.New(`"params" is neither an object nor an array`)
	}
	if f.params != nil && f.params[0] == 'n' {
		m.Params = nil
	}
	m.Method = name
	return nil
}

func isVersion(lit []byte) bool {
	if string(lit) == `"2.0"` {
		return true
	}
	v, ok := text(lit) // written with escapes
	return ok && v == "2.0"
}

func validID(id []byte) bool { return id[0] == '"' || id[0] == '-' || id[0] >= '0' && id[0] <= '9' }

func parseError(raw []byte) (*Error, error) {
	if raw[0] != '{' {
		return nil, errors.New(`"error" is not an object`)
	}
	e, d := &Error{}, open(raw)
	defer d.close()
	err := members(d, func(name, value []byte) error {
		switch string(name) {
		case "code":
			f, err := strconv.ParseFloat(string(value), 64)
			if err != nil || f != float64(int32(f)) {
				return errors.New("an error code that is not a whole number")
			}
			e.Code = int(f)
		case "message":
			e.Message, _ = text(value)
		case "data":
			e.Data = value
		}
		return nil
	})
	return e, err
}

// members reads one object and calls f for each member. The values lie in the decoder's text.
func members(d *decoder, f func(name, value []byte) error) error {
	if k := d.PeekKind(); k != '{' && k != 0 {
		return errors.New("not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return syntax(err)
	}
	for d.PeekKind() == '"' {
		lit, err := d.ReadValue()
		if err != nil {
			return syntax(err)
		}
		name := lit[1 : len(lit)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = jsontext.AppendUnquote(nil, lit) // an error tells of half a surrogate pair, which no known name has
		}
		v, err := d.ReadValue()
		if err != nil {
			return syntax(err)
		}
		if err := f(name, slices.Clip(v)); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return syntax(err)
	}
	return nil
}

// end checks that nothing follows.
func end(d *decoder) error {
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the message")
	}
	return nil
}

// syntax keeps the offset of an error and drops the text around it.
func syntax(err error) error {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("not JSON at byte %d", e.ByteOffset)
	}
	return errors.New("not JSON")
}

// text returns the value of a string literal.
func text(lit []byte) (string, bool) {
	if len(lit) == 0 || lit[0] != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, lit)
	return string(b), err == nil || len(b) > 0
}
