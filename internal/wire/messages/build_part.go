package messages

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// appendPart appends a piece of content as a block, and counts it. What the wire has no block for is an error, whose text is
// for the client.
func appendPart(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	switch p.Kind {
	case "text":
		dst, n = appendText(dst, n, p.Text)
		return dst, n, nil
	case "image":
		return appendImage(dst, n, p)
	case "file":
		return appendDocument(dst, n, p)
	case "resource", "link":
		dst, n = appendText(dst, n, cmp.Or(p.Text, p.URI))
		return dst, n, nil
	}
	return dst, n, fmt.Errorf("a provider of Anthropic's Messages API takes no %s", cmp.Or(p.Kind, "content of this kind"))
}

// inline returns the media type and the base64 text of content that stands in the request itself, as data or as a data URL.
func inline(p *llm.Part) (mediaType, data string) {
	if p.Data != "" {
		return p.MediaType, p.Data
	}
	rest, ok := strings.CutPrefix(p.URI, "data:")
	if !ok {
		return "", ""
	}
	head, data, _ := strings.Cut(rest, ",")
	mediaType, base64ed := strings.CutSuffix(head, ";base64")
	if !base64ed {
		return "", ""
	}
	return cmp.Or(mediaType, p.MediaType), data
}

func appendImage(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	mediaType, data := inline(p)
	switch {
	case data != "":
		dst = append(comma(dst, n), `{"type":"image","source":`...)
		dst = append(appendBase64(dst, cmp.Or(mediaType, "image/png"), data), '}')
	case strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://"):
		dst = append(comma(dst, n), `{"type":"image","source":{"type":"url","url":`...)
		dst = append(jsonedit.AppendQuote(dst, p.URI), `}}`...)
	default:
		return dst, n, errors.New("the image has neither base64 data nor an http URL")
	}
	return dst, n + 1, nil
}

// appendDocument appends a PDF, or a text as a document.
func appendDocument(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	mediaType, data := inline(p)
	block := comma(dst, n)
	switch {
	case data != "" && (mediaType == "application/pdf" || mediaType == "" && strings.HasSuffix(p.Name, ".pdf")):
		block = appendBase64(append(block, `{"type":"document","source":`...), "application/pdf", data)
	case data != "" && isText(mediaType):
		text, err := base64.StdEncoding.DecodeString(data)
		if err != nil || !utf8.Valid(text) {
			return dst, n, errors.New("the file is not base64 of UTF-8 text")
		}
		block = appendPlain(block, string(text))
	case data != "":
		return dst, n, fmt.Errorf("a provider of Anthropic's Messages API takes PDF and text files, not %s", cmp.Or(mediaType, "a file of an unknown media type"))
	case p.Text != "":
		block = appendPlain(block, p.Text)
	case strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://"):
		block = append(block, `{"type":"document","source":{"type":"url","url":`...)
		block = append(jsonedit.AppendQuote(block, p.URI), '}')
	default:
		return dst, n, errors.New("the file has no data that could be sent: files kept at another provider cannot be")
	}
	if p.Name != "" {
		block = jsonedit.AppendQuote(append(block, `,"title":`...), p.Name)
	}
	return append(block, '}'), n + 1, nil
}

func isText(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, ";")
	return strings.HasPrefix(t, "text/") || t == "application/json" || t == "application/xml" || t == "application/yaml"
}

func appendPlain(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":`...)
	return append(jsonedit.AppendQuote(dst, text), '}')
}

func appendBase64(dst []byte, mediaType, data string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"type":"base64","media_type":`...), mediaType)
	dst = jsonedit.AppendQuote(append(dst, `,"data":`...), data)
	return append(dst, '}')
}
