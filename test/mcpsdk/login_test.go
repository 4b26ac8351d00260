package mcpsdk

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// TestLoginOfSDK: the official client has its user log in to a server that wants it, by the address that it is asked to show, and
// its call is answered after that: in the stateless era by itself, in the older one when it calls again.
func TestLoginOfSDK(t *testing.T) {
	for _, revision := range []string{modern, "2025-11-25"} {
		t.Run(revision, func(t *testing.T) {
			tools := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "mark", Func: func(context.Context, *mcptest.Call) ([]byte, error) {
				return mcptest.Text("marked"), nil
			}}}})
			t.Cleanup(tools.Close)
			l := scripted.NewLocked(t, tools.HTTP())
			g := gateway.Start(t, gateway.Config("http://127.0.0.1:1", "docs: {url: "+l.URL+"/mcp, auth: {type: oauth}}"))
			logins := 0
			client := mcp.NewClient(&mcp.Implementation{Name: "logins", Version: "1"}, &mcp.ClientOptions{
				Capabilities: &mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}},
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					logins++
					if r.Params.Mode != "url" || !strings.HasPrefix(r.Params.URL, g.URL+"/oauth/login/") {
						t.Errorf("asked for %+v", r.Params)
					}
					scripted.LogIn(t, r.Params.URL)
					return &mcp.ElicitResult{Action: "accept"}, nil
				},
			})
			transport := &mcp.StreamableClientTransport{Endpoint: g.URL + "/mcp", HTTPClient: &http.Client{Transport: withKey{}}}
			s, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			call := func() (*mcp.CallToolResult, error) {
				return s.CallTool(t.Context(), &mcp.CallToolParams{Name: "docs-mark", Arguments: map[string]any{}})
			}
			r, err := call()
			if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && revision != modern {
				if wire.Code != mcp.CodeURLElicitationRequired || scripted.Link([]byte(wire.Message)) == "" {
					t.Fatalf("%+v", wire)
				}
				scripted.LogIn(t, scripted.Link([]byte(wire.Message)))
				r, err = call()
			}
			if err != nil || r.IsError || r.Content[0].(*mcp.TextContent).Text != "marked" || revision == modern && logins != 1 {
				t.Fatalf("%+v %v, after %d logins", r, err, logins)
			}
			list, err := s.ListTools(t.Context(), nil)
			if err != nil || len(list.Tools) != 1 {
				t.Errorf("%+v %v", list, err)
			}
		})
	}
}
