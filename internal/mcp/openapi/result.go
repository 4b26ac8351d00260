package openapi

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// maxFailure bounds what is passed on of the body of an answer that is no success.
const maxFailure = 8 << 10

// result makes the result of a call of an answer. limit bounds the body of a success; shown are headers that are not told on.
func result(resp *http.Response, tool string, limit int, shown http.Header) ([]byte, error) {
	if resp.StatusCode/100 == 3 && resp.StatusCode != http.StatusNotModified {
		return failure(fmt.Sprintf("HTTP %s: the server points to another place, which is not followed", status(resp))), nil
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return failure(fmt.Sprintf("HTTP %s: the body is encoded in a way that was not asked for", status(resp))), nil
	}
	failed := resp.StatusCode/100 != 2
	if failed {
		limit = maxFailure
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		return nil, &mcp.LostError{Message: "the connection broke before the answer was there", Err: err}
	}
	more := len(body) > limit
	if failed {
		return failure(masked(failureText(resp, body[:min(len(body), limit)], more), shown, resp.Request)), nil
	}
	if more {
		return nil, &mcp.Unavailable{Message: fmt.Sprintf("the answer is larger than the limit of %d MiB", limit>>20)}
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		media = bare(resp.Header.Get("Content-Type"))
	}
	return content(resp, media, body, tool), nil
}

// masked takes the credentials of a request out of what an API says of its refusal: the headers of config and caller, and what showed
// who asks.
func masked(text string, shown http.Header, sent *http.Request) string {
	all := make([]string, 0, len(shown)+2)
	for _, values := range shown {
		all = append(all, values...)
	}
	if sent != nil {
		all = append(all, sent.Header.Get("Authorization"), sent.Header.Get("X-Amz-Security-Token"))
	}
	for _, v := range all {
		_, word, _ := strings.Cut(v, " ") // Bearer …
		for _, secret := range []string{v, word} {
			if len(secret) >= 8 {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
	}
	return text
}

// status is the code and its usual name, not the words of the server.
func status(resp *http.Response) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
}

func failureText(resp *http.Response, body []byte, more bool) string {
	text := "HTTP " + status(resp)
	if wait := resp.Header.Get("Retry-After"); wait != "" && len(wait) < 64 && headerText(wait) {
		text += " (retry-after: " + wait + ")"
	}
	if len(body) == 0 {
		return text
	}
	if more {
		for len(body) > 0 && !utf8.RuneStart(body[len(body)-1]) {
			body = body[:len(body)-1]
		}
		body = body[:max(0, len(body)-1)]
	}
	if !utf8.Valid(body) {
		return text
	}
	text += "\n" + string(body)
	if more {
		text += fmt.Sprintf("\n[cut: this is the first %d bytes]", len(body))
	}
	return text
}

// failure is the result of a call that the API refused, or that could not be sent.
func failure(text string) []byte {
	return append(textBlock(text), `],"isError":true}`...)
}

// textBlock begins a result with a text.
func textBlock(text string) []byte {
	return append(jsonedit.AppendQuote([]byte(`{"content":[{"type":"text","text":`), text), '}')
}

// content is the result of a success: JSON as text and, if it is an object, as structured content too; images and sounds as
// such; other text as text; and other bytes as a resource.
func content(resp *http.Response, media string, body []byte, tool string) []byte {
	kind, _, _ := strings.Cut(media, "/")
	switch {
	case len(body) == 0:
		return append(textBlock("HTTP "+status(resp)+", without content"), "]}"...)
	case isJSON(media) && jsonedit.Valid(body):
		out := append(textBlock(string(body)), ']')
		if jsonedit.Kind(body) == '{' {
			out = append(out, `,"structuredContent":`...)
			out = jsonedit.Compact(out, body)
		}
		return append(out, '}')
	case (kind == "image" || kind == "audio") && media != "image/svg+xml":
		out := append([]byte(`{"content":[{"type":"`), kind...)
		out = append(out, `","data":"`...)
		out = base64.StdEncoding.AppendEncode(out, body)
		out = jsonedit.AppendQuote(append(out, `","mimeType":`...), media)
		return append(out, "}]}"...)
	case utf8.Valid(body):
		return append(textBlock(string(body)), "]}"...)
	}
	out := jsonedit.AppendQuote([]byte(`{"content":[{"type":"resource","resource":{"uri":`), "answer:"+tool)
	out = jsonedit.AppendQuote(append(out, `,"mimeType":`...), orOctets(media))
	out = append(out, `,"blob":"`...)
	out = base64.StdEncoding.AppendEncode(out, body)
	return append(out, `"}}]}`...)
}

func orOctets(media string) string {
	if media == "" {
		return "application/octet-stream"
	}
	return media
}
