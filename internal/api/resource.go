package api

import (
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
)

// wellKnown is where clients look for who issues tokens for a resource, whose path follows. RFC 9728 §3.1.
const wellKnown = "/.well-known/oauth-protected-resource"

// resourceRoutes tell of the gateway and its MCP endpoints what a client must know to get a token for them.
func (a *API) resourceRoutes() []route {
	var list []route
	for _, path := range []string{"", "/mcp", "/mcp/{server}", "/sse", "/sse/{server}"} {
		list = append(list, route{method: http.MethodGet, path: wellKnown + path, open: true, door: a.Doors[0], serve: a.resource})
	}
	return list
}

// resource answers anyone, web pages too: a client asks before it has a token.
func (a *API) resource(w http.ResponseWriter, r *http.Request, _ *caller) error {
	doc := a.Keys.Resource(strings.TrimPrefix(r.URL.Path, wellKnown))
	if doc == nil {
		return &fault.Error{Kind: fault.NotFound, Code: "not_found", Message: "this gateway takes no access tokens"}
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cache-Control", "max-age=60")
	return writeJSON(w, doc)
}
