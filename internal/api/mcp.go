package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// MCP serves MCP clients.
type MCP interface {
	// Serve answers a request whose key has been looked at.
	Serve(w http.ResponseWriter, r *http.Request, v *mcp.Visit)
	// ServeSSE does at an address of HTTP+SSE.
	ServeSSE(w http.ResponseWriter, r *http.Request, v *mcp.Visit)
	// Tools and Call answer the endpoints of LiteLLM.
	Tools(w http.ResponseWriter, r *http.Request, v *mcp.Visit)
	Call(w http.ResponseWriter, r *http.Request, v *mcp.Visit)
	// WriteError answers one that was not let in.
	WriteError(w http.ResponseWriter, err error)
}

func (a *API) mcpRoutes() []route {
	var list []route
	for _, path := range []string{"/mcp", "/mcp/{$}", "/mcp/{server}"} {
		list = append(list, route{path: path, door: a.Doors[0], mcp: a.MCP, serve: a.visit(a.MCP.Serve)})
	}
	for _, path := range []string{"/sse", "/sse/{$}", "/sse/{server}"} {
		list = append(list, route{path: path, door: a.Doors[0], mcp: a.MCP, serve: a.visit(a.MCP.ServeSSE)})
	}
	return append(list,
		route{method: http.MethodGet, path: "/mcp-rest/tools/list", door: a.Doors[0], serve: a.visit(a.MCP.Tools)},
		route{method: http.MethodPost, path: "/mcp-rest/tools/call", door: a.Doors[0], serve: a.visit(a.MCP.Call)},
		route{method: http.MethodGet, path: "/v1/mcp/servers", door: a.Doors[0], serve: a.servers},
	)
}

// servers tells how the servers stand that the key may use.
func (a *API) servers(w http.ResponseWriter, _ *http.Request, c *caller) error {
	b := []byte(`{"servers":[`)
	for _, s := range a.Planner.Servers.Status() {
		if !c.id.AllowsServer(s.Name) {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		status := "healthy"
		switch {
		case s.Error != "":
			status = "unhealthy"
		case s.Listed.IsZero():
			status = "unknown" // nobody has asked it without credentials of its own
		}
		b = jsonedit.AppendQuote(append(b, `{"name":`...), s.Name)
		b = append(append(append(b, `,"status":"`...), status...), '"')
		b = strconv.AppendInt(append(b, `,"tools":`...), int64(s.Tools), 10)
		if !s.Listed.IsZero() {
			b = append(s.Listed.UTC().AppendFormat(append(b, `,"listed_at":"`...), time.RFC3339), '"')
		}
		if s.Error != "" {
			b = jsonedit.AppendQuote(append(b, `,"error":`...), s.Error)
		}
		b = appendRemarks(b, s.Remarks)
		b = append(b, '}')
	}
	return writeJSON(w, append(b, `]}`...))
}

// appendRemarks appends what is withheld of what a server shows, and what of the rest reads like orders to a model, as members
// with a comma before each. There is no member for nothing.
func appendRemarks(b []byte, all []mcp.Remark) []byte {
	for _, list := range []struct {
		member   string
		withheld bool
	}{{`,"withheld":[`, true}, {`,"flagged":[`, false}} {
		first := true
		for _, r := range all {
			if r.Withheld != list.withheld {
				continue
			}
			if first {
				b, first = append(b, list.member...), false
			} else {
				b = append(b, ',')
			}
			b = jsonedit.AppendQuote(append(b, `{"kind":`...), r.Kind)
			b = jsonedit.AppendQuote(append(b, `,"name":`...), r.Name)
			b = append(jsonedit.AppendQuote(append(b, `,"reason":`...), r.Text), '}')
		}
		if !first {
			b = append(b, ']')
		}
	}
	return b
}

// visit has a request answered as an MCP client's.
func (a *API) visit(serve func(http.ResponseWriter, *http.Request, *mcp.Visit)) func(http.ResponseWriter, *http.Request, *caller) error {
	return func(w http.ResponseWriter, r *http.Request, c *caller) error {
		v := a.Planner.Visit(a.planCaller(r, c), strings.TrimSuffix(r.URL.Path, "/"), r.PathValue("server"))
		if r.Method == http.MethodPost {
			body, release, err := a.readBody(w, r)
			if err != nil {
				return err
			}
			defer release()
			v.Body = body
		}
		serve(w, r, v)
		return nil
	}
}
