package blackbox

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/test/gateway"
)

// curious is a server of the older era whose tool asks its client for all that there is.
func curious() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "curious", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		e, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "who?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}}})
		if err != nil {
			return nil, nil, err
		}
		m, err := r.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 5, Messages: []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: "hm?"}}}})
		if err != nil {
			return nil, nil, err
		}
		roots, err := r.Session.ListRoots(ctx, nil)
		if err != nil {
			return nil, nil, err
		}
		text := fmt.Sprint(e.Content["name"], " ", m.Content.(*mcp.TextContent).Text, " ", roots.Roots[0].URI)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	})
	return s
}

// TestMCPAsk: a server of the older era asks the client whose call it runs, and no other.
func TestMCPAsk(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", fmt.Sprintf("old: {url: %q}", sdkServer(t, false, curious()))))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			name := fmt.Sprint("client", i)
			c := mcp.NewClient(&mcp.Implementation{Name: name, Version: "1"}, &mcp.ClientOptions{
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": name}}, nil
				},
				CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
					return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "says"}}, nil
				},
			})
			c.AddRoots(&mcp.Root{URI: "file:///" + name})
			s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: g.URL + "/mcp", HTTPClient: keyed(gateway.Key)}, &mcp.ClientSessionOptions{ProtocolVersion: revisions[1+i%2]})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for range 3 {
				res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "old-ask"})
				if want := name + " says file:///" + name; err != nil || textOf(res) != want {
					t.Errorf("%q, %v, want %s", textOf(res), err, want)
				}
			}
		})
	}
	all.Wait()
	s := sdkGateway(t, g.URL+"/mcp", "2025-11-25", nil)
	if res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "old-ask"}); err != nil || !res.IsError || strings.Contains(textOf(res), "client") && strings.Contains(textOf(res), "says") {
		t.Errorf("a client that offers nothing: %v, %v", res, err)
	}
}

// TestMCPAskApart: a server of the older era may ask on its session's own stream, from the first call on.
func TestMCPAskApart(t *testing.T) {
	t.Parallel()
	server := mcp.NewServer(&mcp.Implementation{Name: "apart", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		apart, stop := context.WithCancel(context.Background()) // nothing of the call, whose stream it would choose
		defer context.AfterFunc(ctx, stop)()
		roots, err := r.Session.ListRoots(apart, nil)
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: roots.Roots[0].URI}}}, nil, nil
	})
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1", fmt.Sprintf("old: {url: %q}", sdkServer(t, false, server))))
	for _, revision := range revisions[1:] {
		c := mcp.NewClient(&mcp.Implementation{Name: "apart", Version: "1"}, nil)
		c.AddRoots(&mcp.Root{URI: "file:///" + revision})
		ctx, cancel := context.WithTimeout(t.Context(), patience/3)
		defer cancel()
		s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: g.URL + "/mcp", HTTPClient: keyed(gateway.Key)}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "old-ask"}); err != nil || textOf(res) != "file:///"+revision {
			t.Errorf("%s: %q, %v", revision, textOf(res), err)
		}
	}
}
