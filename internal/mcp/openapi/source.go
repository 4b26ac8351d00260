package openapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/mcp"
)

// source is a document and what it comes to.
type source struct {
	mu   sync.Mutex // one reads at a time
	at   time.Time  // when it was read
	sum  [sha256.Size]byte
	read *api
}

// maxSources bounds what is remembered of documents that are not configured any more.
const maxSources = 1024

// source returns the place of a server's document. Another config of the server has another one.
func (d *Dialer) source(server *mcp.Server) *source {
	key := strings.Join([]string{
		server.Name, server.Document, server.Stamp, server.URL, strings.Join(server.Allow, "\x01"), fmt.Sprint(server.Allow == nil), strings.Join(server.Deny, "\x01"),
	}, "\x00")
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.docs[key]
	if s == nil {
		if len(d.docs) >= maxSources {
			clear(d.docs)
		}
		s = &source{}
		d.docs[key] = s
	}
	return s
}

// defaultTTL is how long a document is good when the config does not say how long a list is.
const defaultTTL = 5 * time.Minute

// load returns what a server's document comes to. One that was read within half of the time for which a list is good is not
// read again, so that many sessions of a server read it once.
func (d *Dialer) load(ctx context.Context, server *mcp.Server) (*api, error) {
	s := d.source(server)
	s.mu.Lock()
	defer s.mu.Unlock()
	ttl := server.ListTTL
	if ttl <= 0 {
		ttl = defaultTTL
	}
	if s.read != nil && time.Since(s.at) < ttl/2 {
		return s.read, nil
	}
	at, err := placeOf(server)
	if err != nil {
		return nil, err
	}
	data, err := d.fetch(ctx, server, at)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if s.read != nil && sum == s.sum {
		s.at = time.Now()
		return s.read, nil
	}
	next, err := read(data, at)
	if err != nil {
		return nil, &mcp.Unavailable{Message: "the OpenAPI document cannot be used: " + err.Error()}
	}
	s.read, s.sum, s.at = next, sum, time.Now()
	d.tell(server, next)
	return next, nil
}

// fetch reads the bytes of a document.
func (d *Dialer) fetch(ctx context.Context, server *mcp.Server, at place) ([]byte, error) {
	if at.source != nil {
		return d.get(ctx, server, at)
	}
	f, err := os.Open(server.Document)
	if err != nil {
		return nil, &mcp.Unavailable{Message: "the OpenAPI document cannot be read", Err: err}
	}
	defer func() { _ = f.Close() }()
	return bounded(f)
}

func bounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
		return nil, &mcp.Unavailable{Message: "the OpenAPI document cannot be read", Err: err}
	case len(data) > maxDocument:
		return nil, &mcp.Unavailable{Message: fmt.Sprintf("the OpenAPI document is larger than the limit of %d MiB", maxDocument>>20)}
	}
	return data, nil
}

// get fetches a document. The config's headers go with it only where the API's own requests go.
func (d *Dialer) get(ctx context.Context, server *mcp.Server, at place) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Document, nil)
	if err != nil {
		return nil, &mcp.Unavailable{Message: "the URL of the OpenAPI document is not valid"}
	}
	if at.base == nil || at.base.Scheme == at.source.Scheme && strings.EqualFold(at.base.Host, at.source.Host) {
		req.Header = joined(server.Headers, nil)
	}
	req.Header.Set("Accept", "application/json, application/yaml, */*;q=0.8")
	req.Header.Set("User-Agent", d.o.Name+"/"+d.o.Version)
	resp, err := d.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &mcp.Unavailable{Message: "the OpenAPI document cannot be fetched", Err: withoutURL(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, &mcp.Unavailable{Message: fmt.Sprintf("the OpenAPI document cannot be fetched: HTTP %s", status(resp))}
	}
	return bounded(resp.Body)
}

// maxTold bounds the records about one document.
const maxTold = 20

// tell says in the log what of a document is not offered, and why.
func (d *Dialer) tell(server *mcp.Server, a *api) {
	log := d.o.Log.With("mcp_server", server.Name)
	for i, l := range a.left {
		if i == maxTold {
			log.Warn("more of an OpenAPI document is left out", "count", len(a.left)-maxTold+a.mute)
			break
		}
		log.Warn("a part of an OpenAPI document is left out", "part", clip(l.what), "reason", l.why)
	}
	if a.more > 0 {
		log.Warn("an OpenAPI document has too many operations: choose with tools.allow or tools.deny which are offered",
			"offered", len(a.tools), "left_out", a.more)
	}
	log.Debug("an OpenAPI document was read", "tools", len(a.tools))
}
