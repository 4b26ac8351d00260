package formedit

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// Edit is what becomes of a field.
type Edit struct {
	Value string
	Drop  bool // the field is left out
}

// Edited returns the form with these edits, by the names of fields, and its content type. A field that the form does not have
// is added at its end, unless it is to be dropped. It can be asked for again while the form is not Spent. Its errors are *Error,
// or those of the body.
func (f *Form) Edited(edits map[string]Edit) (r io.Reader, contentType string) {
	boundary := rand.Text() + rand.Text()
	return &edited{f: f, edits: maps.Clone(edits), boundary: boundary}, "multipart/form-data; boundary=" + boundary
}

// edited is a form on its way on.
type edited struct {
	f        *Form
	edits    map[string]Edit // those that are left
	boundary string
	i        int       // of the held pieces
	head     []byte    // comes before body
	body     io.Reader // nil for none
	begun    bool      // a part was written
	done     bool
	err      error
}

// Read reads the form.
func (e *edited) Read(p []byte) (int, error) {
	for len(p) > 0 {
		switch {
		case len(e.head) > 0:
			n := copy(p, e.head)
			e.head = e.head[n:]
			return n, nil
		case e.err != nil:
			return 0, e.err
		case e.body != nil:
			n, err := e.body.Read(p)
			if errors.Is(err, io.EOF) {
				e.body, err = nil, nil
			}
			if err != nil && !errors.Is(err, errSpool) {
				err = e.f.broken(err)
			}
			e.err = err
			if n > 0 {
				return n, nil
			}
		case e.done:
			e.err = io.EOF
		default:
			e.err = e.next()
		}
	}
	return 0, nil
}

// next readies the next part.
func (e *edited) next() error {
	p, ok, err := e.piece()
	if err != nil {
		return err
	}
	if !ok {
		e.end()
		return nil
	}
	edit, edits := e.edits[p.name]
	if edits && !p.file {
		delete(e.edits, p.name)
		if edit.Drop {
			return nil
		}
		p.value = []byte(edit.Value)
	}
	e.begin(&p)
	switch {
	case p.live != nil:
		e.body = p.live
	case p.file:
		e.body = e.f.spool.part(p.from, p.n)
	default:
		e.body = bytes.NewReader(p.value)
	}
	return nil
}

// piece is the next part: of those that are held, and then of those that arrive. ok is false at the end.
func (e *edited) piece() (p piece, ok bool, err error) {
	if e.i < len(e.f.held) {
		e.i++
		return e.f.held[e.i-1], true, nil
	}
	if e.f.ended {
		return p, false, nil
	}
	e.f.spent = true
	p, err = e.f.next()
	return p, !e.f.ended, err
}

// end writes the fields that are to be added, and the end of the form.
func (e *edited) end() {
	for _, name := range slices.Sorted(maps.Keys(e.edits)) {
		if edit := e.edits[name]; !edit.Drop {
			e.begin(&piece{name: name})
			e.head = append(e.head, edit.Value...)
		}
	}
	e.delimit()
	e.head = append(e.head, "--\r\n"...)
	e.done = true
}

// delimit writes what stands between two parts.
func (e *edited) delimit() {
	if e.begun {
		e.head = append(e.head, "\r\n"...)
	}
	e.begun = true
	e.head = append(append(e.head, "--"...), e.boundary...)
}

// begin writes the head of a part.
func (e *edited) begin(p *piece) {
	e.delimit()
	e.head = append(e.head, "\r\nContent-Disposition: form-data; name=\""...)
	e.head = append(append(e.head, quoted.Replace(p.name)...), '"')
	if p.file {
		e.head = append(append(append(e.head, "; filename=\""...), quoted.Replace(p.filename)...), '"')
	}
	if p.media != "" {
		e.head = append(append(e.head, "\r\nContent-Type: "...), p.media...)
	}
	e.head = append(e.head, "\r\n\r\n"...)
}

// quoted writes names as browsers do (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html,
// "multipart/form-data encoding algorithm").
var quoted = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22")
