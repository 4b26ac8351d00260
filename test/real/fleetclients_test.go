//go:build real

package real

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// look is one address of the gateway, what to call there, and what a client has seen of it.
type look struct {
	Path     string      `json:"path"`
	Calls    []visitCall `json:"calls"`
	Revision string      `json:"revision"`
	Tools    []string    `json:"tools"`
	Answers  []struct {
		Tool   string `json:"tool"`
		Text   string `json:"text"`
		Failed bool   `json:"failed"`
	} `json:"answers"`
	Error string `json:"error"`
}

// looks are all addresses: each member's own, with its own names, and /mcp with the names that it gives them.
func looks(members []member) []look {
	var all look
	var each []look
	all.Path = "/mcp"
	for _, m := range members {
		each = append(each, look{Path: "/mcp/" + m.name, Calls: m.calls})
		for _, c := range m.calls {
			c.Tool = m.name + "-" + c.Tool
			all.Calls = append(all.Calls, c)
		}
	}
	return append(each, all)
}

// check compares what a client has seen with what the members have.
func check(t *testing.T, members []member, seen []look, revision string) {
	t.Helper()
	want := looks(members)
	if len(seen) != len(want) {
		t.Fatalf("%d addresses were visited, want %d", len(seen), len(want))
	}
	sum := 0
	for i, v := range seen {
		tools := sum
		if i < len(members) {
			tools = members[i].tools
			sum += tools
		}
		if v.Error != "" {
			t.Errorf("%s: %s", v.Path, v.Error)
			continue
		}
		if len(v.Tools) != tools || v.Revision != revision {
			t.Errorf("%s: %d tools in %s, want %d in %s", v.Path, len(v.Tools), v.Revision, tools, revision)
		}
		for j, c := range want[i].Calls {
			if j >= len(v.Answers) {
				t.Errorf("%s: %s was not called", v.Path, c.Tool)
				continue
			}
			if a := v.Answers[j]; a.Failed != c.fails || !strings.Contains(strings.ToLower(a.Text), strings.ToLower(c.want)) {
				t.Errorf("%s: %s answers %q (an error: %v), want %q in it (an error: %v)", v.Path, c.Tool, a.Text, a.Failed, c.want, c.fails)
			}
		}
	}
}

// TestRealServers has the official clients and MCP Inspector list every real server and call tools of it, at its own address
// and at that of all servers, while one server of the config is down. Then a model calls tools of many in one turn.
func TestRealServers(t *testing.T) {
	members := fleet(t)
	model := scripted.Start(t, map[string][]scripted.Turn{"fleet": fleetScript(members)})
	g := before(t, model.URL(), members)
	for _, revision := range []string{"2026-07-28", "2025-11-25"} {
		t.Run("go "+revision, func(t *testing.T) { check(t, members, goVisits(t, g, members, revision), revision) })
	}
	t.Run("typescript 1", func(t *testing.T) { check(t, members, nodeVisits(t, g, members, "mcp-sdk1.mjs"), "2025-11-25") })
	t.Run("typescript 2 legacy", func(t *testing.T) {
		check(t, members, nodeVisits(t, g, members, "mcp-sdk2.mjs", "legacy"), "2025-11-25")
	})
	t.Run("typescript 2 auto", func(t *testing.T) {
		check(t, members, nodeVisits(t, g, members, "mcp-sdk2.mjs", "auto"), "2026-07-28")
	})
	t.Run("inspector", func(t *testing.T) {
		brief := slices.Clone(members) // it starts anew for everything
		for i := range brief {
			brief[i].calls = brief[i].calls[:1]
		}
		check(t, brief, inspectorVisits(t, g, brief), "")
	})
	t.Run("loop", func(t *testing.T) { fleetLoop(t, g, members) })
	t.Run("nothing is left", func(t *testing.T) { nothingLeft(t, g) })
}

// goVisits is the official Go client.
func goVisits(t *testing.T, g *gateway.Gateway, members []member, revision string) []look {
	t.Helper()
	all := looks(members)
	for i := range all {
		if err := all[i].goVisit(t.Context(), g.URL, revision); err != nil {
			all[i].Error = err.Error()
		}
	}
	return all
}

func (v *look) goVisit(ctx context.Context, url, revision string) error {
	c := mcp.NewClient(&mcp.Implementation{Name: "fairlead-test", Version: "1"}, nil)
	s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url + v.Path, HTTPClient: &http.Client{Transport: keyed{}}}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		return err
	}
	defer s.Close()
	v.Revision = s.InitializeResult().ProtocolVersion
	for tool, err := range s.Tools(ctx, nil) {
		if err != nil {
			return err
		}
		v.Tools = append(v.Tools, tool.Name)
	}
	for _, c := range v.Calls {
		res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: c.Tool, Arguments: c.Arguments})
		text, failed := fmt.Sprint(err), true
		if err == nil {
			raw, _ := json.Marshal(res.Content)
			text, failed = contentText(raw), res.IsError
		}
		v.answer(c.Tool, text, failed)
	}
	return nil
}

func (v *look) answer(tool, text string, failed bool) {
	v.Answers = append(v.Answers, struct {
		Tool   string `json:"tool"`
		Text   string `json:"text"`
		Failed bool   `json:"failed"`
	}{tool, text, failed})
}

// contentText is the text of a result's content.
func contentText(raw []byte) string {
	var blocks []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &blocks) // blocks without a text have none
	var all []string
	for _, b := range blocks {
		all = append(all, b.Text)
	}
	return strings.Join(all, "\n")
}

// keyed sends the gateway's key.
type keyed struct{}

func (keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+gateway.Key)
	return http.DefaultTransport.RoundTrip(r)
}

// nodeVisits runs one of clients/ that visits all addresses.
func nodeVisits(t *testing.T, g *gateway.Gateway, members []member, script string, args ...string) []look {
	t.Helper()
	plan, err := json.Marshal(looks(members))
	if err != nil {
		t.Fatal(err)
	}
	beside(t, "clients", "")
	out := runNode(t, []string{"BASE_URL=" + g.URL, "VISITS=" + string(plan)}, append([]string{installed("clients", script)}, args...)...)
	var seen []look
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return seen
}

// runNode runs a script to its end and returns what it prints.
func runNode(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	out, stderr, err := tryNode(t, env, args...)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr)
	}
	return out
}

func tryNode(t *testing.T, env []string, args ...string) (out, stderr []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), installed("node", "node"), append([]string{"--require", here("loopback.cjs")}, args...)...)
	cmd.Env = append(append(os.Environ(), "API_KEY="+gateway.Key, "NO_PROXY=127.0.0.1,localhost"), env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err = cmd.Output()
	return out, said.Bytes(), err
}

// inspectorVisits is MCP Inspector's command line, which does one thing a run: it lists each member in the older era, and all
// of them in the stateless one, and calls every tool at either.
func inspectorVisits(t *testing.T, g *gateway.Gateway, members []member) []look {
	t.Helper()
	all := looks(members)
	var done sync.WaitGroup
	two := make(chan struct{}, 2) // at a time
	home := t.TempDir()
	for i := range all {
		era := "legacy"
		if all[i].Path == "/mcp" {
			era = "modern"
		}
		in := &inspector{t: t, home: home, url: g.URL + all[i].Path, era: era}
		done.Go(func() {
			two <- struct{}{}
			defer func() { <-two }()
			if err := all[i].inspect(in); err != nil {
				all[i].Error = err.Error()
			}
		})
	}
	done.Wait()
	return all
}

type inspector struct {
	t              *testing.T
	home, url, era string
}

// run returns what one run prints, or how it failed.
func (in *inspector) run(args ...string) (out []byte, failure string) {
	args = append([]string{
		npm("@modelcontextprotocol/inspector", "clients/launcher/build/index.js"), "--cli", in.url, "--transport", "http",
		"--protocol-era", in.era, "--format", "json", "--quiet", "--header", "Authorization: Bearer " + gateway.Key, "--method",
	}, args...)
	out, stderr, err := tryNode(in.t, []string{"HOME=" + in.home}, args...)
	if err != nil {
		return out, string(stderr) + err.Error()
	}
	return out, ""
}

func (v *look) inspect(in *inspector) error {
	var list struct {
		Result struct {
			Tools []struct {
				Name string `json:"name"`
			} `json:"tools"`
		} `json:"result"`
	}
	out, failure := in.run("tools/list")
	if failure != "" {
		return fmt.Errorf("tools/list: %s", failure)
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, tool := range list.Result.Tools {
		v.Tools = append(v.Tools, tool.Name)
	}
	for _, c := range v.Calls {
		out, failure := in.run("tools/call", "--tool-name", c.Tool, "--tool-args-json", string(c.Arguments))
		v.answer(c.Tool, string(out)+failure, failure != "")
	}
	return nil
}

// fleetScript calls one tool of every member in one turn, and then says what the last one has told.
func fleetScript(members []member) []scripted.Turn {
	var calls []scripted.Call
	for _, m := range members {
		calls = append(calls, scripted.Call{Name: m.name + "-" + m.calls[0].Tool, Arguments: string(m.calls[0].Arguments)})
	}
	return []scripted.Turn{{Text: "All of you.", Calls: calls}, {Text: "Told: {result}"}}
}

// fleetLoop sends one request whose model calls a tool of every member. The server that is down is told of, and costs
// nothing else.
func fleetLoop(t *testing.T, g *gateway.Gateway, members []member) {
	t.Helper()
	forms(t, func(t *testing.T, stream bool) {
		names := []string{"down"}
		for _, m := range members {
			names = append(names, m.name)
		}
		c := chat(t, g, ask("fleet", strings.Join(names, ",")), stream)
		if c.Finish != "stop" || !strings.HasPrefix(c.Text, "All of you.\n\nTold: ") {
			t.Errorf("finish %q, text %q", c.Finish, c.Text)
		}
		if e := c.Fields.Errors; len(e) != 1 || e[0].Server != "down" {
			t.Errorf("mcp_errors: %+v, want the server that is down", e)
		}
		if len(c.Fields.Results) != len(members) {
			t.Fatalf("%d results, want %d", len(c.Fields.Results), len(members))
		}
		for i, m := range members {
			r, want := c.Fields.Results[i], m.calls[0]
			if r.Server != m.name || r.Display != want.Tool || r.IsError != want.fails || !strings.Contains(strings.ToLower(r.Result), strings.ToLower(want.want)) {
				t.Errorf("result %d: %+v, want that of %s/%s with %q (an error: %v)", i, r, m.name, want.Tool, want.want, want.fails)
			}
		}
	})
}
