package mcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/store"
)

// spill keeps results that are too long, for one principal.
type spill struct {
	c         *Catalogue
	access    Access
	principal string
	keep      int    // bytes of one result
	read      string // the name of read_result as offered
	doubtful  bool   // servers that requests name are of no trust
}

// newSpill returns what keeps long results for a selection, or nil if they are cut.
func (c *Catalogue) newSpill(sel *Selection, own *ownSet) *spill {
	if own.by == nil || sel.Spill <= 0 || c.o.Results == nil {
		return nil
	}
	return &spill{c: c, access: sel.Access, principal: sel.Principal, keep: sel.Spill, read: own.name(ReadResult), doubtful: sel.Doubtful}
}

// shorten bounds a text that a tool has answered. What is too long is kept, and notice says how to read on; a text that cannot be
// kept, and one of nobody who keeps any, is cut.
func (s *spill) shorten(ctx context.Context, of *Server, tool, text string, limit int) (head, notice string) {
	if len(text) <= limit {
		return text, ""
	}
	n := whole(text, limit)
	if s == nil {
		return text[:n], fmt.Sprintf("[cut: this is the first %d of %d bytes]", n, len(text))
	}
	kept := whole(text, s.keep)
	id := "res_" + rand.Text()
	err := s.c.o.Results.SaveResult(ctx, s.principal, store.ToolResult{ID: id, Server: of.Name, Tool: tool, External: of.External, Text: []byte(text[:kept])})
	if err != nil {
		s.c.o.Log.WarnContext(ctx, "a long result of a tool could not be kept, and is cut", "server", of.Name, "tool", tool, "error", err)
		return text[:n], fmt.Sprintf("[cut: this is the first %d of %d bytes]", n, len(text))
	}
	more := ""
	if kept < len(text) {
		more = fmt.Sprintf(", of which the first %d are kept", kept)
	}
	return text[:n], fmt.Sprintf(`[cut: this is the first %d of %d bytes%s; read on within an hour with %s {"id":"%s","offset":%d}]`, n, len(text), more, s.read, id, n)
}

// whole is the most bytes of a text, up to n, that are whole characters.
func whole(text string, n int) int {
	if len(text) <= n {
		return len(text)
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

const maxPattern = 256

// reading is what read_result is asked for.
type reading struct {
	id            string
	offset, limit int
	pattern       *regexp.Regexp
}

var readKeys = jsonedit.NewKeys("id", "offset", "limit", "pattern")

// readReading reads the arguments of read_result. why says what is wrong with them; "" if nothing is.
func readReading(args []byte, most int) (r reading, why string) {
	o, err := jsonedit.Scan(args, readKeys)
	if err != nil {
		return r, "the arguments cannot be read in one way only"
	}
	var ok bool
	if r.id, ok = jsonedit.Unquote(o.Value("id").Of(args)); !ok {
		return r, "the arguments have no text id, which says the result to read"
	}
	r.limit = most
	for name, to := range map[string]*int{"offset": &r.offset, "limit": &r.limit} {
		v := o.Value(name).Of(args)
		if jsonedit.IsNull(v) {
			continue
		}
		n, ok := jsonedit.Int(v)
		if !ok || n < 0 {
			return r, name + " is not a whole number of bytes"
		}
		*to = int(min(n, 1<<31-16))
	}
	r.limit = min(max(r.limit, utf8.UTFMax), most)
	v := o.Value("pattern").Of(args)
	if text, ok := jsonedit.Unquote(v); ok && text != "" {
		if r.pattern, err = regexp.Compile(text); err != nil || len(text) > maxPattern {
			return r, "pattern is not a regular expression in RE2's syntax of at most " + strconv.Itoa(maxPattern) + " bytes"
		}
	} else if !ok && !jsonedit.IsNull(v) {
		return r, "pattern is not a text"
	}
	return r, ""
}

// reads runs read_result. The result counts as one of the server whose text it shows.
func (s *spill) reads(ctx context.Context, args []byte) llm.Result {
	res := llm.Result{Server: OwnServer, Tool: ownNames[ReadResult], IsError: true}
	r, why := readReading(args, int(s.c.resultBytes.Load()))
	if why != "" {
		res.Text = "Error: " + why
		return res
	}
	offset, limit := r.offset, r.limit+utf8.UTFMax
	if r.pattern != nil {
		offset, limit = 0, s.keepAll()
	}
	part, found, err := s.c.o.Results.ResultPart(ctx, s.principal, r.id, offset, limit)
	of := s.serverOf(&part)
	switch {
	case err != nil:
		res.Text = "Error: " + fault.From(err).Message
	case !found || of == nil || !shows(s.access, of, Use{Principal: s.principal, Tool: part.Tool}):
		res.Text = "Error: there is no result " + quote(r.id) + "; results are kept for an hour"
	case r.offset > 0 && r.offset >= part.Size:
		res.Text = fmt.Sprintf("Error: the result has %d bytes", part.Size)
	default:
		res.Server, res.IsError, res.Untrusted = of.Name, false, of.Untrusted
		if res.Text = r.part(part.Text, part.Size); r.pattern != nil {
			res.Text = r.matches(ctx, part.Text)
		}
	}
	return res
}

// keepAll is more than any result that is kept.
func (s *spill) keepAll() int { return 1<<31 - 16 }

// serverOf is the server of a result as it is now, or nil if there is none any more.
func (s *spill) serverOf(r *store.ToolResult) *Server {
	if r.External {
		return &Server{Name: r.Server, External: true, Untrusted: s.doubtful}
	}
	if p := s.c.pool(r.Server); p != nil {
		return &p.server
	}
	return nil
}

// part is the text from the offset on, in whole characters, and what there is beside it. text begins at the offset.
func (r *reading) part(text []byte, size int) string {
	from := 0
	for from < len(text) && from < utf8.UTFMax && r.offset > 0 && !utf8.RuneStart(text[from]) {
		from++
	}
	to := len(text)
	if to-from > r.limit {
		to = from + whole(string(text[from:]), r.limit)
	}
	a, b := r.offset+from, r.offset+to
	if b >= size {
		return fmt.Sprintf("%s\n[bytes %d to %d: the end of %d]", text[from:to], a, b, size)
	}
	return fmt.Sprintf("%s\n[bytes %d to %d of %d; read on with offset %d]", text[from:to], a, b, size, b)
}

const (
	maxLine  = 64 << 10 // a longer line is searched in pieces
	maxShown = 400      // bytes of a line that are shown
)

// matches are the lines from the offset on that the pattern fits, each behind the place where it begins, as many as there is
// room for.
func (r *reading) matches(ctx context.Context, text []byte) string {
	out, n := []byte(nil), 0
	most := min(maxShown, max(r.limit-32, 16))
	for at := 0; at < len(text) && ctx.Err() == nil; {
		line := text[at:min(len(text), at+maxLine)]
		next := len(line)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], i+1
		}
		if at >= r.offset && r.pattern.Match(line) {
			if n > 0 && len(out)+min(len(line), most)+32 > r.limit {
				return fmt.Sprintf("%s[lines found so far: %d; there are more: go on with offset %d]", out, n, at)
			}
			n++
			out = append(out, fmt.Sprintf("%d: %s\n", at, shownLine(line, r.pattern.FindIndex(line)[0], most))...)
		}
		at += next
	}
	if n == 0 {
		return "[no line has the pattern]"
	}
	return fmt.Sprintf("%s[lines found: %d; each begins with its offset]", out, n)
}

// shownLine is a line, or the piece of a long one around a place.
func shownLine(line []byte, at, most int) []byte {
	if len(line) <= most {
		return bytes.ToValidUTF8(line, nil)
	}
	from := max(0, min(at-most/4, len(line)-most))
	return append(append([]byte("…"), bytes.ToValidUTF8(line[from:from+most], nil)...), "…"...)
}

// resultContent are the members of a call's result that hold what models read.
var resultContent = jsonedit.NewKeys("content", "resultType")

// shortenRaw bounds the texts of a result as its server sent it. Texts are cut in their order, what is no text stays, and so does
// structuredContent, which programs read and check.
func (s *spill) shortenRaw(ctx context.Context, of *Server, tool string, raw []byte) []byte {
	limit := int(s.c.resultBytes.Load())
	if len(raw) <= limit {
		return raw
	}
	o, err := jsonedit.Scan(raw, resultContent)
	if kind, _ := jsonedit.Unquote(o.Value("resultType").Of(raw)); err != nil || kind == "input_required" {
		return raw
	}
	content := o.Value("content").Of(raw)
	var all []byte
	for el := range jsonedit.Elements(content) {
		if text, ok := blockText(el); ok {
			if all != nil {
				all = append(all, '\n')
			}
			all = append(all, text...)
		}
	}
	head, notice := s.shorten(ctx, of, tool, string(all), limit)
	if notice == "" {
		return raw
	}
	out, left := []byte{'['}, len(head)
	for el := range jsonedit.Elements(content) {
		text, ok := blockText(el)
		if ok && left == 0 {
			continue
		}
		if ok && len(text) > left {
			el = textBlock(text[:whole(text, left)])
		}
		if ok {
			left -= min(left, len(text)+1)
		}
		out = append(append(out, el...), ',')
	}
	out = append(append(out, textBlock(notice)...), ']')
	return jsonedit.Apply(nil, raw, o.Set(nil, raw, "content", out))
}

// blockText is the text of a content block, of an embedded resource too.
func blockText(el []byte) (string, bool) {
	switch str(el, "type") {
	case "text":
		return jsonedit.Unquote(jsonedit.Get(el, "text"))
	case "resource":
		return jsonedit.Unquote(jsonedit.Get(el, "resource", "text"))
	}
	return "", false
}

func textBlock(text string) []byte {
	return append(jsonedit.AppendQuote([]byte(`{"type":"text","text":`), text), '}')
}
