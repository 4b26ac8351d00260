package converse

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// appendPart appends a piece of content as a block, and counts it. What the wire has no block for is an error, whose text is
// for the client.
func (e *encoder) appendPart(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	switch p.Kind {
	case "text":
		dst, n = appendText(dst, n, p.Text)
		return dst, n, nil
	case "resource", "link":
		dst, n = appendText(dst, n, cmp.Or(p.Text, p.URI))
		return dst, n, nil
	case "image":
		return appendImage(dst, n, p)
	case "file":
		return e.appendDocument(dst, n, p)
	}
	return dst, n, fmt.Errorf("a model of Amazon Bedrock takes no %s here", cmp.Or(p.Kind, "content of this kind"))
}

// data returns the media type and the base64 text of content that stands in the request itself, as data or as a data URL.
func data(p *llm.Part) (mediaType, text string) {
	if p.Data != "" {
		return p.MediaType, p.Data
	}
	head, text, _ := strings.Cut(strings.TrimPrefix(p.URI, "data:"), ",")
	if mediaType, ok := strings.CutSuffix(head, ";base64"); ok && strings.HasPrefix(p.URI, "data:") {
		return cmp.Or(mediaType, p.MediaType), text
	}
	return p.MediaType, ""
}

// The formats of pictures and documents, by their media types.
var (
	imageFormats = map[string]string{"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp", "": "png"}
	fileFormats  = map[string]string{
		"application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc", "application/vnd.ms-excel": "xls", "text/html": "html",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       "xlsx", "text/markdown": "md", "text/plain": "txt",
		"application/json": "txt", "application/xml": "txt", "application/yaml": "txt",
	}
	extensions = map[string]string{
		".pdf": "pdf", ".csv": "csv", ".doc": "doc", ".docx": "docx", ".xls": "xls", ".xlsx": "xlsx", ".html": "html", ".txt": "txt", ".md": "md",
	}
)

var (
	errImageURL = errors.New("a model of Amazon Bedrock takes an image as base64 data only, not by its URL")
	errFileURL  = errors.New("a model of Amazon Bedrock takes a file as base64 data only, not by its URL, nor one kept at a provider")
)

func appendImage(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	mediaType, text := data(p)
	format := imageFormats[mediaType]
	switch {
	case text == "":
		return dst, n, errImageURL
	case format == "":
		return dst, n, fmt.Errorf("a model of Amazon Bedrock takes images of the types png, jpeg, gif and webp, not %s", mediaType)
	}
	dst = append(append(comma(dst, n), `{"image":{"format":"`...), format...)
	return append(appendBytes(append(dst, '"'), text), `}}`...), n + 1, nil
}

func (e *encoder) appendDocument(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	mediaType, text := data(p)
	mediaType, _, _ = strings.Cut(mediaType, ";")
	format := cmp.Or(fileFormats[mediaType], extensions[strings.ToLower(path.Ext(p.Name))])
	switch {
	case text == "" && p.Text != "":
		text, format = base64.StdEncoding.EncodeToString([]byte(p.Text)), cmp.Or(format, "txt")
	case text == "":
		return dst, n, errFileURL
	case format == "" && strings.HasPrefix(mediaType, "text/"):
		format = "txt"
	case format == "":
		return dst, n, fmt.Errorf("a model of Amazon Bedrock takes PDF, Word, Excel, CSV, HTML, Markdown and text files, not %s", cmp.Or(mediaType, "a file of an unknown media type"))
	}
	dst = append(append(comma(dst, n), `{"document":{"format":"`...), format...)
	dst = jsonedit.AppendQuote(append(dst, `","name":`...), e.fileName(p.Name))
	return append(appendBytes(dst, text), `}}`...), n + 1, nil
}

// appendBytes appends the source of a picture or a document. Blobs are base64 in this API's JSON.
func appendBytes(dst []byte, text string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `,"source":{"bytes":`...), text)
	return append(dst, '}')
}

// fileName is a name of the characters that the API takes: letters, digits, single spaces, hyphens, parentheses and square
// brackets. No two documents of a request have the same.
func (e *encoder) fileName(name string) string {
	name = strings.TrimSuffix(name, path.Ext(name))
	plain := strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-()[]", r)
	}), " ")
	plain = cmp.Or(plain[:min(len(plain), 100)], "document")
	own := plain
	for n := 2; e.files[own]; n++ {
		own = plain + " " + strconv.Itoa(n)
	}
	e.files[own] = true
	return own
}

// describe says in words what a part is.
func describe(p *llm.Part) string {
	if p.Text != "" {
		return p.Text
	}
	return "[" + strings.TrimSpace(p.Kind+" "+p.MediaType+" "+p.URI) + "]"
}
