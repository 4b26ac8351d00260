package matrix

import (
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// pixel is a PNG of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// imageForms are how the wires say an image.
var imageForms = map[string][]string{
	"chat":      {`"image_url":{`, `"url":"data:image/png;base64,` + pixel + `"`},
	"responses": {`"type":"input_image"`, `"image_url":"data:image/png;base64,` + pixel + `"`},
	"cohere":    {`"image_url":{`, `"url":"data:image/png;base64,` + pixel + `"`},
	"messages":  {`"type":"image"`, `"media_type":"image/png"`, `"data":"` + pixel + `"`},
	"gemini":    {`"inlineData":{"mimeType":"image/png","data":"` + pixel + `"}`},
	"converse":  {`"image":{"format":"png"`, `"bytes":"` + pixel + `"`},
	"invoke":    {`"type":"image"`, `"media_type":"image/png"`, `"data":"` + pixel + `"`},
	"predict":   {`"type":"image"`, `"media_type":"image/png"`, `"data":"` + pixel + `"`},
}

// imageIn: the client shows an image.
func imageIn(c *cell) {
	c.plays(providertest.Text("A pixel."))
	c.shows("What is this?", pixel)
	c.wantText(c.fine(), "A pixel.", "stop")
	seen := compact(string(c.saw(1).Raw))
	for _, want := range append(imageForms[c.upstream], "What is this?") {
		if !strings.Contains(seen, want) {
			c.t.Errorf("the model did not see %s: %s", want, seen)
		}
	}
}

// sheet is a PDF of one empty page.
const sheet = "JVBERi0xLjAKMSAwIG9iajw8L1BhZ2VzIDIgMCBSPj5lbmRvYmoKMiAwIG9iajw8L0tpZHNbMyAwIFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvUGFyZW50IDIgMCBSPj5lbmRvYmoKdHJhaWxlcjw8L1Jvb3QgMSAwIFI+Pgo="

// paperForms are how the wires say a PDF.
var paperForms = map[string][]string{
	"chat":      {`"type":"file"`, `"filename":"paper.pdf"`, `"file_data":"data:application/pdf;base64,` + sheet + `"`},
	"responses": {`"type":"input_file"`, `"filename":"paper.pdf"`, `"file_data":"data:application/pdf;base64,` + sheet + `"`},
	"messages":  {`"type":"document"`, `"media_type":"application/pdf"`, `"data":"` + sheet + `"`},
	"gemini":    {`"inlineData":{"mimeType":"application/pdf","data":"` + sheet + `"}`},
	"converse":  {`"document":{"format":"pdf"`, `"bytes":"` + sheet + `"`},
	"invoke":    {`"type":"document"`, `"media_type":"application/pdf"`, `"data":"` + sheet + `"`},
	"predict":   {`"type":"document"`, `"media_type":"application/pdf"`, `"data":"` + sheet + `"`},
}

// pdfIn: the client hands over a PDF.
func pdfIn(c *cell) {
	c.plays(providertest.Text("An empty page."))
	c.hands("What is this?", sheet)
	c.wantText(c.fine(), "An empty page.", "stop")
	seen := compact(string(c.saw(1).Raw))
	for _, want := range append(paperForms[c.upstream], "What is this?") {
		if !strings.Contains(seen, want) {
			c.t.Errorf("the model did not see %s: %s", want, seen)
		}
	}
}

// pdfRefused: a provider that cannot read a PDF is not asked, and the client learns what it cannot be sent, and to whom.
func pdfRefused(c *cell) {
	c.hands("What is this?", sheet)
	r := c.asks()
	if r.status != http.StatusBadRequest || r.failed == nil {
		c.t.Fatalf("status %d: %s", r.status, r.raw)
	}
	for _, want := range []string{"provider cohere", "application/pdf cannot be sent", "leave that out"} {
		if !strings.Contains(r.failed.message, want) {
			c.t.Errorf("the message lacks %q: %s", want, r.raw)
		}
	}
	param := map[string]string{"chat": "messages[1].content[1]", "responses": "input", "messages": "messages"}[c.d.name()]
	if !strings.Contains(compact(r.raw), `"param":"`+param+`"`) {
		c.t.Errorf("the param is not %s: %s", param, r.raw)
	}
}
