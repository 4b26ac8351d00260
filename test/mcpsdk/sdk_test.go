package mcpsdk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/test/gateway"
)

// sdkURL serves a server of the official SDK in one era.
func sdkURL(t *testing.T, stateless bool) string {
	t.Helper()
	s := curious()
	h := http.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: stateless}))
	if !stateless {
		inner := h
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Protocol-Version") >= modern {
				http.Error(w, "not here", http.StatusBadRequest)
				return
			}
			inner.ServeHTTP(w, r)
		})
	}
	ts := httptest.NewServer(h)
	t.Cleanup(func() {
		ts.CloseClientConnections()
		ts.Close()
	})
	return ts.URL
}

// curious has a tool, a prompt and a resource that ask their client, in whichever way their era has; a plain prompt and resource;
// and a tool that says that the resource has changed.
func curious() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "curious", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler: func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{"you"}}}, nil
		},
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	// The SDK asks a client of the older era itself for what is to be asked.
	who := mcp.InputRequestMap{"who": &mcp.ElicitParams{Message: "who?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}}}}
	name := func(in mcp.InputResponseMap) string {
		if r, ok := in["who"].(*mcp.ElicitResult); ok {
			return fmt.Sprint(r.Content["name"])
		}
		return ""
	}
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		if n := name(r.Params.InputResponses); n != "" {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: n}}}, nil, nil
		}
		return &mcp.CallToolResult{InputRequests: who}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "touch"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{}, nil, s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: "file:///book"})
	})
	greet := func(text string) *mcp.GetPromptResult {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: text}}}}
	}
	s.AddPrompt(&mcp.Prompt{Name: "greet"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) { return greet("hello"), nil })
	s.AddPrompt(&mcp.Prompt{Name: "ask"}, func(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		if n := name(r.Params.InputResponses); n != "" {
			return greet(n), nil
		}
		return &mcp.GetPromptResult{InputRequests: who}, nil
	})
	s.AddResource(&mcp.Resource{Name: "book", URI: "file:///book"}, func(_ context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.Params.URI, Text: "book"}}}, nil
	})
	return s
}

// withKey sends the gateway's key.
type withKey struct{}

func (withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	return http.DefaultTransport.RoundTrip(r)
}

// transports are the ways of the SDK's client to the gateway.
var transports = map[string]struct {
	path, revision string
	sse            bool
}{
	"stateless":  {"/mcp", modern, false},
	"2025-11-25": {"/mcp", "2025-11-25", false},
	"2025-06-18": {"/mcp", "2025-06-18", false},
	"HTTP+SSE":   {"/sse", "2025-11-25", true},
}

// TestSDKBridge: the official client of each era is asked, and answers, through servers of each era and over each transport.
func TestSDKBridge(t *testing.T) {
	b := newBridge(t)
	for name, way := range transports {
		t.Run(name, func(t *testing.T) {
			client := mcp.NewClient(&mcp.Implementation{Name: name, Version: "1"}, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": name}}, nil
				},
				CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
					return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: name}}, nil
				},
			})
			client.AddRoots(&mcp.Root{URI: "file:///" + name})
			var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: b.URL + way.path, HTTPClient: &http.Client{Transport: withKey{}}}
			if way.sse {
				transport = &mcp.SSEClientTransport{Endpoint: b.URL + way.path, HTTPClient: &http.Client{Transport: withKey{}}}
			}
			s, err := client.Connect(t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: way.revision})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			for _, tool := range []string{"sdk-old-ask", "sdk-new-ask", "old-form", "old-sample", "old-roots", "old-rounds", "new-form", "new-sample", "sse-roots", "child-form", "child-rounds"} {
				res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool})
				if err != nil || res.IsError || len(res.Content) == 0 || !contains(res.Content[0], name) {
					t.Errorf("%s: %+v, %v", tool, res, err)
				}
			}
			for _, server := range []string{"sdk-old", "sdk-new"} {
				p, err := s.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: server + "-ask"})
				if err != nil || !contains(p.Messages[0].Content, name) {
					t.Errorf("%s: %+v, %v", server, p, err)
				}
				r, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: server + "+file:///book"})
				if err != nil || r.Contents[0].Text != "book" {
					t.Errorf("%s: %+v, %v", server, r, err)
				}
			}
		})
	}
}

func contains(c mcp.Content, part string) bool {
	text, ok := c.(*mcp.TextContent)
	return ok && strings.Contains(text.Text, part)
}
