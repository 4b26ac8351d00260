package api

import (
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/mcp"
)

// MCP serves MCP clients.
type MCP interface {
	// Serve answers a request whose key has been looked at.
	Serve(w http.ResponseWriter, r *http.Request, v *mcp.Visit)
	// WriteError answers one that was not let in.
	WriteError(w http.ResponseWriter, err error)
}

func (a *API) mcpRoutes() []route {
	var list []route
	for _, path := range []string{"/mcp", "/mcp/{$}", "/mcp/{server}"} {
		list = append(list, route{path: path, door: a.Doors[0], mcp: a.MCP, serve: a.serveMCP})
	}
	return list
}

// serveMCP hands a request to the door for MCP clients.
func (a *API) serveMCP(w http.ResponseWriter, r *http.Request, c *caller) error {
	v := a.Planner.Visit(a.planCaller(r, c), strings.TrimSuffix(r.URL.Path, "/"), r.PathValue("server"))
	if r.Method == http.MethodPost {
		body, release, err := a.readBody(w, r)
		if err != nil {
			return err
		}
		defer release()
		v.Body = body
	}
	a.MCP.Serve(w, r, v)
	return nil
}
