package fairlead_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead/fairlead"
	"github.com/fairlead/fairlead/internal/demo"
	"github.com/fairlead/fairlead/internal/provider/providertest"
)

// TestMain lets the test binary be the MCP server of the examples.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve-tools" {
		if err := demo.ServeTools(os.Stdin, os.Stdout, os.Args[2]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// exampleConfig is a gateway in front of a scripted model and of a small MCP server, which is this test binary.
func exampleConfig(modelURL string) *fairlead.Config {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := fairlead.ParseConfig("example.yaml", fmt.Appendf(nil, `
models:
  - {name: fast, provider: openai, base_url: %q, api_key: key-of-the-provider}
mcp_servers:
  office: {command: [%q, serve-tools, notes.txt]}
`, modelURL, self))
	if err != nil {
		log.Fatal(err)
	}
	return cfg
}

// A streaming caller ranges over the events of a reply as they are made.
func ExampleGateway_Generate() {
	model, err := providertest.Listen("127.0.0.1:0", twoRounds())
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	gw, err := fairlead.Open(context.Background(), exampleConfig(model.URL()))
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()

	for ev, err := range gw.Generate(context.Background(), fairlead.NewRequest("fast", "What is 12 * 34?", "office")) {
		if err != nil {
			log.Fatal(err)
		}
		switch ev.Kind {
		case fairlead.Text:
			fmt.Print(ev.Text)
		case fairlead.ToolResult:
			fmt.Printf("[%s says %s]\n", ev.Result.Tool, ev.Result.Text)
		case fairlead.End:
			fmt.Printf("\nstopped: %s\n", ev.Stop)
		}
	}
	// Output:
	// [calculate says 408]
	// It is 408.
	// stopped: stop
}

// A blocking caller collects the text.
func ExampleGateway_Generate_blocking() {
	model, err := providertest.Listen("127.0.0.1:0", twoRounds())
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	gw, err := fairlead.Open(context.Background(), exampleConfig(model.URL()))
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()

	req := fairlead.NewRequest("fast", "What is 12 * 34?", "office")
	req.Stream = false
	text, err := fairlead.Collect(gw.Generate(context.Background(), req))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: It is 408.
}

// The same gateway serves HTTP below any server of the caller's.
func ExampleGateway_Handler() {
	model, err := providertest.Listen("127.0.0.1:0", twoRounds())
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	gw, err := fairlead.Open(context.Background(), exampleConfig(model.URL()))
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()

	srv := httptest.NewServer(gw.Handler())
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/health")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// twoRounds is a model that calls a tool, and then answers with its result.
func twoRounds() providertest.Rule {
	return func(r *providertest.Request) providertest.Step {
		if r.Last().Role == "tool" {
			return providertest.Text("It is ", r.Last().Text, ".")
		}
		return providertest.Call("call_1", "office-calculate", `{"expression":`, `"12 * 34"}`)
	}
}

// TestRequestsAreReadAsTheirWire checks ChatRequest: a body of the HTTP API, answered in process.
func TestRequestsAreReadAsTheirWire(t *testing.T) {
	model := providertest.NewRule(t, twoRounds())
	gw, err := fairlead.Open(t.Context(), exampleConfig(model.URL()))
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Close()
	req, err := gw.ChatRequest([]byte(`{"model":"fast","messages":[{"role":"user","content":"12 * 34?"}],"tools":[{"type":"mcp","server_url":"fairlead/mcp/office","require_approval":"never"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := fairlead.Collect(gw.Generate(t.Context(), req))
	if err != nil || text != "It is 408." {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := gw.ChatRequest([]byte(`{"model":"fast"`)); err == nil || !strings.Contains(err.Error(), "JSON") {
		t.Errorf("a broken body: %v", err)
	}
}

// TestNothingIsLeftBehind checks that Close ends the children of a gateway.
func TestNothingIsLeftBehind(t *testing.T) {
	model := providertest.NewRule(t, twoRounds())
	gw, err := fairlead.Open(t.Context(), exampleConfig(model.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fairlead.Collect(gw.Generate(t.Context(), fairlead.NewRequest("fast", "12 * 34?", "office"))); err != nil {
		t.Fatal(err)
	}
	gw.Close()
	out, err := exec.Command("ps", "-o", "args=", "--ppid", fmt.Sprint(os.Getpid())).Output()
	if err == nil && strings.Contains(string(out), "serve-tools") {
		t.Errorf("a server still runs:\n%s", out)
	}
}
