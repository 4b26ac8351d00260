package llm

import "io"

// Errand is a request for another endpoint of a provider than the one that generates: embeddings, speech, files. It goes there
// as it came, and its reply comes back as it is: Opaque events, the first with a Head that has Status and Headers, and one End.
type Errand struct {
	Method  string
	Path    string // below the root of the provider's API, in OpenAI's words: "embeddings", "files/file-1/content"
	Query   string // without "?"
	Headers []Header
	Body    Body // nil for none
	// Place is the only deployment that may be asked, by its name; empty: any.
	Place string
	// Stays says that what comes of it is good at the deployment that was asked only: no other model is asked instead.
	Stays bool
}

// Body is what goes along with an Errand.
type Body interface {
	// Open returns the body for a provider that knows the model by this name; Data of it may be dst, continued. Its errors go to
	// the client.
	Open(dst []byte, model string) (Load, error)
	// Spent reports whether it cannot be opened again, or must not be sent twice.
	Spent() bool
}

// Load is a body that was opened.
type Load struct {
	Data        []byte
	Stream      io.ReadCloser // instead of Data, when it is longer than should be held; closed by who opened it
	ContentType string
}

// Spent reports whether the request may not be sent again.
func (r *Request) Spent() bool {
	return r.Errand != nil && r.Errand.Body != nil && r.Errand.Body.Spent()
}
