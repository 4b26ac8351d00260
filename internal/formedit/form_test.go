package formedit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const boundary = "b0"

// text writes a form: "name=value" is a field, "name@file=content" a file.
func text(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; ", boundary)
		if name, file, ok := strings.Cut(name, "@"); ok {
			fmt.Fprintf(&b, "name=%q; filename=%q\r\nContent-Type: application/jsonl\r\nX-Other: x", name, file)
		} else {
			fmt.Fprintf(&b, "name=%q", name)
		}
		fmt.Fprintf(&b, "\r\n\r\n%s\r\n", value)
	}
	return b.String() + "--" + boundary + "--\r\n"
}

// parse is the other way.
func parse(t *testing.T, r io.Reader, contentType string) []string {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for mr := multipart.NewReader(r, params["boundary"]); ; {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		value, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		name := p.FormName()
		if p.FileName() != "" {
			name += "@" + p.FileName()
			if ct := p.Header.Get("Content-Type"); ct != "application/jsonl" {
				t.Errorf("the file's type is %q", ct)
			}
		}
		out = append(out, name+"="+string(value))
	}
}

func TestEdited(t *testing.T) {
	file := "file@a.wav=" + strings.Repeat("\r\n--b\x00", 1000)
	for name, c := range map[string]struct {
		in    []string
		find  string
		edits map[string]Edit
		want  []string
	}{
		"untouched":      {in: []string{"a=1", file, "a=2"}, want: []string{"a=1", file, "a=2"}},
		"model first":    {in: []string{"model=m", file}, find: "model", edits: map[string]Edit{"model": {Value: "vendor's"}}, want: []string{"model=vendor's", file}},
		"model last":     {in: []string{file, "x=1", "model=m", "y="}, find: "model", edits: map[string]Edit{"model": {Value: "v"}}, want: []string{file, "x=1", "model=v", "y="}},
		"not looked for": {in: []string{file, "model=m"}, edits: map[string]Edit{"model": {Value: "v"}}, want: []string{file, "model=v"}},
		"none":           {in: []string{file}, find: "model", edits: map[string]Edit{"model": {Value: "v"}}, want: []string{file, "model=v"}},
		"dropped":        {in: []string{"purpose=batch", "model=m", file}, edits: map[string]Edit{"model": {Drop: true}}, want: []string{"purpose=batch", file}},
		"nothing at all": {find: "model", edits: map[string]Edit{"model": {Drop: true}}, want: nil},
		"path":           {in: []string{`file@C:\x/y.wav=1`}, want: []string{"file@y.wav=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := New(iotest.HalfReader(strings.NewReader(text(c.in...))), boundary, Limits{}, "model")
			defer f.Close()
			if c.find != "" {
				want, has := "", false
				for _, p := range c.in {
					if v, ok := strings.CutPrefix(p, c.find+"="); ok {
						want, has = v, true
					}
				}
				if v, ok, err := f.Find(c.find); v != want || ok != has || err != nil {
					t.Errorf("found %q, %v, %v", v, ok, err)
				}
			}
			r, ct := f.Edited(c.edits)
			if diff := cmp.Diff(c.want, parse(t, iotest.OneByteReader(r), ct)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEditedAgain: what was read ahead can be had for every try; once more has passed, it is spent.
func TestEditedAgain(t *testing.T) {
	f := New(strings.NewReader(text("file@a=one", "model=m", "file@b=two")), boundary, Limits{}, "model")
	defer f.Close()
	if _, _, err := f.Find("model"); err != nil {
		t.Fatal(err)
	}
	first, _ := f.Edited(nil)
	if _, err := io.CopyN(io.Discard, first, 20); err != nil || f.Spent() {
		t.Fatalf("spent after a few bytes (%v)", err)
	}
	r, ct := f.Edited(map[string]Edit{"model": {Value: "other"}})
	if diff := cmp.Diff([]string{"file@a=one", "model=other", "file@b=two"}, parse(t, r, ct)); diff != "" {
		t.Error(diff)
	}
	if !f.Spent() {
		t.Error("not spent")
	}
}

func TestRefused(t *testing.T) {
	part := func(head, value string) string {
		return "--" + boundary + "\r\n" + head + "\r\n\r\n" + value + "\r\n--" + boundary + "--\r\n"
	}
	const disposition = `Content-Disposition: form-data; name="a"`
	for name, c := range map[string]struct{ in, field, says string }{
		"model twice":       {text("model=a", "x=1", "model=b"), "model", "twice"},
		"model as a file":   {text("model@x=a"), "model", "not a file"},
		"no name":           {part("Content-Disposition: form-data", ""), "", "no name"},
		"no disposition":    {part("Content-Type: text/plain", ""), "", "one content-disposition"},
		"two dispositions":  {part(disposition+"\r\n"+`Content-Disposition: form-data; name="model"`, ""), "", "one content-disposition"},
		"attachment":        {part(`Content-Disposition: attachment; name="a"`, ""), "", "form-data"},
		"two names":         {part(`Content-Disposition: form-data; name="a"; name="model"`, ""), "", "form-data"},
		"encoded":           {part(disposition+"\r\nContent-Transfer-Encoding: base64", ""), "", "transfer-encoding"},
		"backslash":         {part(`Content-Disposition: form-data; name="a\\"`, ""), "", "character"},
		"long name":         {part(`Content-Disposition: form-data; name="`+strings.Repeat("a", 2000)+`"`, ""), "", "too long"},
		"large field":       {text("a=" + strings.Repeat("x", 101)), "a", "larger than 100 bytes"},
		"many parts":        {text(strings.Split(strings.Repeat("a=1 ", 6), " ")[:6]...), "", "more than 5 parts"},
		"cut off":           {text("a=1")[:60], "", "the form"},
		"cut off in a file": {text("a@b=" + strings.Repeat("x", 5000))[:3000], "", "before its last boundary"},
		"no form":           {"{}", "", "the form"},
		"empty":             {"", "", "the form"},
	} {
		t.Run(name, func(t *testing.T) {
			limits := Limits{Field: 100, Parts: 5}
			for _, ahead := range []bool{false, true} {
				f := New(strings.NewReader(c.in), boundary, limits, "model")
				var err error
				if ahead {
					_, _, err = f.Find("absent")
				} else {
					r, _ := f.Edited(nil)
					_, err = io.Copy(io.Discard, r)
				}
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Field != c.field || !strings.Contains(e.Msg, c.says) {
					t.Errorf("ahead %v: %v", ahead, err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	f := New(strings.NewReader(text("a="+strings.Repeat("x", 60), "b="+strings.Repeat("x", 60))), boundary, Limits{Fields: 100}, "model")
	if _, _, err := f.Find("model"); err == nil || !strings.Contains(err.Error(), "fields before model") {
		t.Errorf("fields without end are read ahead: %v", err)
	}
}

// TestBodyFails: the body's own error stays what it is, for the one who knows what it means.
func TestBodyFails(t *testing.T) {
	own := errors.New("too much")
	for _, n := range []int{10, 80, 120} {
		body := io.MultiReader(strings.NewReader(text("a=1", "file@b="+strings.Repeat("x", 9000))[:n]), iotest.ErrReader(own))
		f := New(body, boundary, Limits{})
		r, _ := f.Edited(nil)
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, own) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// TestClosed: a form that was closed gives nothing of what it kept.
func TestClosed(t *testing.T) {
	f := New(strings.NewReader(text("file@a=one", "model=m")), boundary, Limits{}, "model")
	if _, _, err := f.Find("model"); err != nil {
		t.Fatal(err)
	}
	r, _ := f.Edited(nil)
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err == nil {
		t.Error("the closed form can be read")
	}
}

// FuzzEdited: whatever is let through reads the same as before, but for the edit, and has one model.
func FuzzEdited(f *testing.F) {
	f.Add([]byte(text("model=m", "file@a=x")), false)
	f.Add([]byte(text("file@a=x", "model=m", "model=n")), true)
	f.Add([]byte("--b0\r\nContent-Disposition: form-data; name=\"mo\\\"del\"; filename*=utf-8''x\r\n\r\n\r\n--b0--"), true)
	f.Add([]byte("--b0\nContent-Disposition: form-data; name=model\n\nx\n--b0--"), false)
	f.Fuzz(func(t *testing.T, in []byte, ahead bool) {
		form := New(bytes.NewReader(in), boundary, Limits{Parts: 8, Field: 64}, "model")
		defer form.Close()
		if ahead {
			if _, _, err := form.Find("model"); err != nil {
				return
			}
		}
		r, ct := form.Edited(map[string]Edit{"model": {Value: "v"}})
		out, err := io.ReadAll(r)
		if err != nil {
			return
		}
		_, params, _ := mime.ParseMediaType(ct)
		models := 0
		was, is := multipart.NewReader(bytes.NewReader(in), boundary), multipart.NewReader(bytes.NewReader(out), params["boundary"])
		for {
			a, errA := was.NextRawPart()
			b, errB := is.NextRawPart()
			if errB != nil {
				if errA == nil || !errors.Is(errB, io.EOF) || models != 1 {
					t.Fatalf("%v, %v, %d models in %q from %q", errA, errB, models, out, in)
				}
				return
			}
			value, err := io.ReadAll(b)
			if err != nil {
				t.Fatalf("%v in %q", err, out)
			}
			if b.FormName() == "model" {
				if models++; string(value) != "v" || b.FileName() != "" {
					t.Fatalf("model is %q in %q", value, out)
				}
			}
			if errA != nil {
				continue // the one that was added
			}
			before, _ := io.ReadAll(a)
			if a.FormName() != "model" && !bytes.Equal(before, value) {
				t.Fatalf("%q became %q", before, value)
			}
		}
	})
}
