package gemini

import (
	"cmp"
	"encoding/base64"
	"errors"
	"mime"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// appendText appends a text part, unless it would be empty.
func appendText(dst []byte, n int, text string) ([]byte, int) {
	if text == "" {
		return dst, n
	}
	dst = jsonedit.AppendQuote(append(comma(dst, n), `{"text":`...), text)
	return append(dst, '}'), n + 1
}

// appendPart appends a piece of content as a part, and counts it. What the wire has no part for is an error, whose text is for
// the client.
func appendPart(dst []byte, n int, p *llm.Part) ([]byte, int, error) {
	switch p.Kind {
	case "text":
		dst, n = appendText(dst, n, p.Text)
		return dst, n, nil
	case "resource", "link":
		dst, n = appendText(dst, n, cmp.Or(p.Text, p.URI))
		return dst, n, nil
	case "image", "audio", "file", "video":
	default:
		return dst, n, errors.New("a provider of Google's Gemini API takes no " + cmp.Or(p.Kind, "content of this kind"))
	}
	mediaType, data := inline(p)
	switch {
	case data != "":
		if mediaType = typeOf(p, mediaType); mediaType == "" {
			return dst, n, errors.New("the media type of the " + p.Kind + " is not known: say it, or give a name with an ending that tells it")
		}
		dst = appendBlob(append(comma(dst, n), `{"inlineData":`...), mediaType, data)
		return append(dst, '}'), n + 1, nil
	case p.Kind == "file" && p.Text != "":
		dst, n = appendText(dst, n, p.Text)
		return dst, n, nil
	case isAddress(p.URI):
		dst = jsonedit.AppendQuote(append(comma(dst, n), `{"fileData":{"fileUri":`...), p.URI)
		if t := typeOf(p, p.MediaType); t != "" {
			dst = jsonedit.AppendQuote(append(dst, `,"mimeType":`...), t)
		}
		return append(dst, `}}`...), n + 1, nil
	}
	return dst, n, errors.New("the " + p.Kind + " has neither base64 data nor an address that the provider can read: files kept at another provider cannot be sent")
}

// isAddress reports whether the API may be able to read what stands there.
func isAddress(uri string) bool {
	return strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "gs://")
}

func appendBlob(dst []byte, mediaType, data string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"mimeType":`...), mediaType)
	dst = jsonedit.AppendQuote(append(dst, `,"data":`...), data)
	return append(dst, '}')
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

// types are the media types of the endings of names that the API has a use for, beside those that every system knows.
var types = map[string]string{
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".mp3": "audio/mp3", ".wav": "audio/wav",
	".mp4": "video/mp4", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".heic": "image/heic",
	".flac": "audio/flac", ".ogg": "audio/ogg", ".aac": "audio/aac",
}

// typeOf is the media type of a part: the one that is known, else the one that its name or address tells. Audio of MPEG is
// audio/mp3 there, and an image of which nothing is known a PNG.
func typeOf(p *llm.Part, known string) string {
	known, _, _ = strings.Cut(known, ";")
	if known == "audio/mpeg" {
		return "audio/mp3"
	}
	if known != "" {
		return known
	}
	name := p.Name
	if u, err := url.Parse(p.URI); name == "" && err == nil && u.Scheme != "data" {
		name = u.Path
	}
	ext := strings.ToLower(path.Ext(name))
	byName, _, _ := strings.Cut(cmp.Or(types[ext], mime.TypeByExtension(ext)), ";")
	if byName == "" && p.Kind == "image" && p.Data != "" {
		return "image/png"
	}
	return byName
}

// resultTypes are the media that may stand in the result of a call (https://ai.google.dev/gemini-api/docs/function-calling).
var resultTypes = []string{"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"}

// resultMedia sorts the media of a result: those that go into it, and those that must be shown beside it, as parts with commas
// between them.
func (e *encoder) resultMedia(r *llm.Result) (inside, beside []byte) {
	in, out := 0, 0
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Kind != "image" && p.Kind != "audio" && p.Kind != "file" {
			continue
		}
		mediaType, data := inline(p)
		mediaType = typeOf(p, mediaType)
		if e.family.media && data != "" && slices.Contains(resultTypes, mediaType) {
			inside = appendBlob(append(comma(inside, in), `{"inlineData":`...), mediaType, data)
			inside = append(inside, '}')
			in++
			continue
		}
		var err error
		if beside, out, err = appendPart(beside, out, p); err != nil {
			beside, out = appendText(beside, out, describe(p))
		}
	}
	return inside, beside
}

// describe says in words what a part is.
func describe(p *llm.Part) string {
	if p.Text != "" {
		return p.Text
	}
	return "[" + strings.TrimSpace(p.Kind+" "+p.MediaType+" "+p.URI) + ", " + strconv.Itoa(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(p.Data, "=")))) + " bytes]"
}
