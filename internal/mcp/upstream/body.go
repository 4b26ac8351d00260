package upstream

import (
	"errors"
	"io"
	"net/http"
)

// readAll reads a body of up to limit bytes; a longer one is an errBody.
func readAll(resp *http.Response, limit int) ([]byte, error) {
	room := int64(512)
	if n := resp.ContentLength; n >= 0 && n < largeBody {
		room = n + 1 // one more, so that the end is seen
	}
	b := make([]byte, 0, room)
	for {
		n, err := resp.Body.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return nil, errBody
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		}
		if len(b) < cap(b) {
			continue
		}
		size := 2 * cap(b)
		if size > largeBody {
			size = limit + 1
		}
		b = append(make([]byte, 0, size), b...)
	}
}

// largeBody is from where on memory for a body is taken at once up to its limit; what is not used of that costs nothing.
const largeBody = 1 << 20

var errBody = errors.New("body too large")
