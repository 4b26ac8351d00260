// Package formedit edits multipart forms (RFC 7578) while they pass through: fields are replaced, added or left out, and files
// are never held in memory.
//
// What goes on is written anew from what was read: each part with its name, its file name and its type, under a boundary of
// this package's own. Whoever reads it cannot see another form than the one that was seen here. The contents of files pass
// byte for byte.
package formedit

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"os"
	"strings"
	"sync"
)

// Limits bound a form. How long its files are is for the one who reads the body to bound. Zero fields have the values beside
// them.
type Limits struct {
	Parts  int   // 256
	Field  int64 // 1 MiB: the value of one field that is no file
	Fields int64 // 4 MiB: the values of all fields that are read ahead
}

func (l Limits) withDefaults() Limits {
	if l.Parts <= 0 {
		l.Parts = 256
	}
	if l.Field <= 0 {
		l.Field = 1 << 20
	}
	if l.Fields <= 0 {
		l.Fields = 4 << 20
	}
	return l
}

// Error says why a form is refused.
type Error struct {
	Field string // the field at fault; empty: the form as a whole
	Msg   string // holds nothing of the form but names
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Msg }

// maxName bounds the names and types of parts.
const maxName = 1 << 10

// Form is a form that arrives. One goroutine at a time uses it; only Close may be called beside.
type Form struct {
	body   source
	parts  *multipart.Reader
	limits Limits
	single map[string]bool // fields that must not stand in it twice
	found  map[string]string
	seen   int
	held   []piece // what was read ahead, in order
	kept   int64   // bytes of fields in held
	ended  bool    // all parts were read
	spent  bool    // parts have gone on that are not held
	spool  spool
}

// New reads a form with this boundary from r. The fields of the names in single may stand in it only once.
func New(r io.Reader, boundary string, l Limits, single ...string) *Form {
	f := &Form{body: source{r: r}, limits: l.withDefaults(), single: map[string]bool{}, found: map[string]string{}}
	f.parts = multipart.NewReader(&f.body, boundary)
	for _, name := range single {
		f.single[name] = true
	}
	return f
}

// piece is one part.
type piece struct {
	name     string
	filename string
	file     bool
	media    string // Content-Type; empty for none
	value    []byte // of a field, and of a file while it is read ahead: nil
	from, n  int64  // of a file that was read ahead: where the spool has it
	live     io.Reader
}

// Find reads ahead until the field is found, one of the single ones, or the form ends. Fields that it passes are kept in
// memory, files in a temporary file.
func (f *Form) Find(name string) (value string, found bool, err error) {
	for {
		if v, ok := f.found[name]; ok || f.ended || f.spent {
			return v, ok, nil
		}
		p, err := f.next()
		if err != nil || f.ended {
			return "", false, err
		}
		if p.file {
			if p.from, p.n, err = f.spool.take(p.live); err != nil && !errors.Is(err, errSpool) {
				err = f.broken(err)
			}
			p.live = nil
		} else if f.kept += int64(len(p.value)); f.kept > f.limits.Fields {
			err = &Error{p.name, fmt.Sprintf("the fields before %s are larger than %d bytes", name, f.limits.Fields)}
		}
		if err != nil {
			return "", false, err
		}
		f.held = append(f.held, p)
	}
}

// next reads the head of the next part, and the value of a field. After the last part it sets ended.
func (f *Form) next() (piece, error) {
	part, err := f.parts.NextRawPart()
	if err == io.EOF { //nolint:errorlint // one that is wrapped means that the last boundary is missing
		f.ended = true
		return piece{}, nil
	}
	if err != nil {
		return piece{}, f.broken(err)
	}
	if f.seen++; f.seen > f.limits.Parts {
		return piece{}, &Error{"", fmt.Sprintf("the form has more than %d parts", f.limits.Parts)}
	}
	p, err := head(part)
	if err != nil {
		return p, err
	}
	if p.file {
		p.live = part
		if f.single[p.name] {
			return p, &Error{p.name, "the field " + p.name + " must be a text, not a file"}
		}
		return p, nil
	}
	if p.value, err = io.ReadAll(io.LimitReader(part, f.limits.Field+1)); err != nil {
		return p, f.broken(err)
	}
	if int64(len(p.value)) > f.limits.Field {
		return p, &Error{p.name, fmt.Sprintf("the field %s is larger than %d bytes", p.name, f.limits.Field)}
	}
	if f.single[p.name] {
		if _, twice := f.found[p.name]; twice {
			return p, &Error{p.name, "the field " + p.name + " stands in the form twice"}
		}
		f.found[p.name] = string(p.value)
	}
	return p, nil
}

// broken is the error of a form that cannot be read on; those of the body itself stay what they are.
func (f *Form) broken(err error) error {
	switch {
	case f.body.err != nil:
		return f.body.err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{"", "the form ends before its last boundary"}
	}
	return &Error{"", "the form cannot be read: its parts are not as multipart/form-data wants them"}
}

// source is the body. It remembers what it failed with, which is not always told otherwise.
type source struct {
	r   io.Reader
	err error
}

// Read reads from the body.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// head reads what a part says of itself.
func head(part *multipart.Part) (piece, error) {
	odd := func(why string) (piece, error) { return piece{}, &Error{"", "a part of the form " + why} }
	if len(part.Header["Content-Disposition"]) != 1 || len(part.Header["Content-Type"]) > 1 {
		return odd("must have one content-disposition, and one content-type at most")
	}
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || kind != "form-data" || params["name"] == "" {
		return odd("has no name: its content-disposition must be form-data with one")
	}
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "", "binary", "8bit", "7bit":
	default:
		return odd("has a content-transfer-encoding, which forms do not have")
	}
	p := piece{name: params["name"], media: part.Header.Get("Content-Type")}
	p.filename, p.file = params["filename"]
	if i := strings.LastIndexAny(p.filename, `/\`); i >= 0 {
		p.filename = p.filename[i+1:] // where a file stood is nobody's business
	}
	if strings.ContainsFunc(p.name+p.media, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(p.name, `\`) {
		return odd("has a name or a type with a character that cannot stand there")
	}
	if len(p.name)+len(p.filename)+len(p.media) > maxName {
		return odd("has too long a name")
	}
	return p, nil
}

// Spent reports whether Edited cannot give the whole form any more.
func (f *Form) Spent() bool { return f.spent }

// Close removes what was read ahead. A reader of the form then fails, if it needs that.
func (f *Form) Close() error { return f.spool.close() }

var errSpool = errors.New("a form cannot be kept in a temporary file until its model is known")

// spool is a temporary file for what must be kept before it can go on. Its zero value is empty.
type spool struct {
	mu     sync.Mutex
	file   *os.File
	size   int64
	closed bool
}

// take copies r to the end.
func (s *spool) take(r io.Reader) (from, n int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, 0, errSpool
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "fairlead-form-*"); err != nil {
			return 0, 0, fmt.Errorf("%w: %w", errSpool, err)
		}
		_ = os.Remove(s.file.Name()) // where an open file cannot be removed, close does it
	}
	from = s.size
	n, err = io.Copy(s.file, r)
	s.size += n
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = fmt.Errorf("%w: %w", errSpool, e)
	}
	return from, n, err
}

// part reads a piece of it.
func (s *spool) part(from, n int64) io.Reader { return io.NewSectionReader(s, from, n) }

// ReadAt reads from the file.
func (s *spool) ReadAt(p []byte, at int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.file == nil {
		return 0, errSpool
	}
	return s.file.ReadAt(p, at)
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.file == nil {
		s.closed = true
		return nil
	}
	s.closed = true
	err := s.file.Close()
	_ = os.Remove(s.file.Name())
	return err
}
