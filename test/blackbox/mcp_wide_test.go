package blackbox

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/test/gateway"
)

// sdkServer serves a server of the official SDK, in the stateless era or the one before.
func sdkServer(t *testing.T, stateless bool, s *mcp.Server) string {
	t.Helper()
	h := http.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: stateless}))
	if !stateless {
		inner := h
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mcp-Protocol-Version") == "2026-07-28" {
				http.Error(w, "not here", http.StatusBadRequest)
				return
			}
			inner.ServeHTTP(w, r)
		})
	}
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// shelf is a server with a prompt, a resource, a template and a tool that links to the resource.
func shelf(name string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: name, Version: "1"}, &mcp.ServerOptions{
		CompletionHandler: func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{name}}}, nil
		},
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	read := func(_ context.Context, r *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: r.Params.URI, Text: name + " reads " + r.Params.URI}}}, nil
	}
	s.AddResource(&mcp.Resource{URI: "file:///book", Name: "book"}, read)
	s.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "file:///pages/{n}", Name: "page"}, read)
	s.AddPrompt(&mcp.Prompt{Name: "greet", Arguments: []*mcp.PromptArgument{{Name: "who"}}}, func(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: name + " greets " + r.Params.Arguments["who"]}}}}, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "link"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ResourceLink{URI: "file:///book", Name: "book"}}}, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "print"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		_ = s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: "file:///book"})
		return &mcp.CallToolResult{}, nil, nil
	})
	return s
}

// TestMCPResources: prompts, resources, templates, completion and links of two servers of different eras that have the same
// names and URIs, for clients of both eras.
func TestMCPResources(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1",
		fmt.Sprintf("old: {url: %q}", sdkServer(t, false, shelf("old"))), fmt.Sprintf("new: {url: %q}", sdkServer(t, true, shelf("new")))))
	each(t, func(t *testing.T, revision string) {
		s := sdkGateway(t, g.URL+"/mcp", revision, nil)
		for _, server := range []string{"old", "new"} {
			uri := server + "+file:///book"
			read := func(uri string) {
				t.Helper()
				res, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
				if err != nil || res.Contents[0].URI != uri || res.Contents[0].Text != server+" reads "+strings.TrimPrefix(uri, server+"+") {
					t.Errorf("%s: %+v, %v", uri, res, err)
				}
			}
			var listed bool
			for r, err := range s.Resources(t.Context(), nil) {
				listed = listed || err == nil && r.URI == uri
			}
			if !listed {
				t.Errorf("%s is not listed", uri)
			}
			read(uri)
			read(server + "+file:///pages/7")
			p, err := s.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: server + "-greet", Arguments: map[string]string{"who": "you"}})
			if err != nil || p.Messages[0].Content.(*mcp.TextContent).Text != server+" greets you" {
				t.Errorf("%+v, %v", p, err)
			}
			c, err := s.Complete(t.Context(), &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: server + "-greet"}, Argument: mcp.CompleteParamsArgument{Name: "who", Value: "y"}})
			if err != nil || c.Completion.Values[0] != server {
				t.Errorf("%+v, %v", c, err)
			}
			res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: server + "-link"})
			if err != nil || res.Content[0].(*mcp.ResourceLink).URI != uri {
				t.Errorf("%+v, %v", res, err)
			}
		}
		if _, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "file:///book"}); err == nil {
			t.Error("a URI of no server is read")
		}
		one := sdkGateway(t, g.URL+"/mcp/new", revision, nil)
		if res, err := one.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "file:///book"}); err != nil || res.Contents[0].URI != "file:///book" {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// TestMCPSubscribe: a client that subscribes hears of changes, from servers of both eras.
func TestMCPSubscribe(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t, gateway.Config("http://127.0.0.1:1/v1",
		fmt.Sprintf("old: {url: %q}", sdkServer(t, false, shelf("old"))), gateway.Scripted("none", mcptestNothing)))
	var mu sync.Mutex
	told := map[string]int{}
	s := sdkGateway(t, g.URL+"/mcp", "2025-11-25", &mcp.ClientOptions{ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
		mu.Lock()
		defer mu.Unlock()
		told[r.Params.URI]++
	}})
	if err := s.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "old+file:///book"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "none+file:///book"}); err == nil {
		t.Error("what is not there can be subscribed to")
	}
	heard := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return told["old+file:///book"] > 0
	}
	for end := time.Now().Add(patience); !heard(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the client does not hear of the change")
		}
		if _, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "old-print"}); err != nil {
			t.Fatal(err)
		}
	}
}
