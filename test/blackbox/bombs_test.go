package blackbox

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/provider/providertest"
	"github.com/fairlead/fairlead/test/gateway"
)

// rawHouse is a gateway in front of raw servers, without a lockfile. The model says what it is offered.
func rawHouse(t *testing.T, servers map[string]*rawServer) *pinHouse {
	t.Helper()
	h := &pinHouse{t: t}
	var lines []string
	for _, name := range []string{"a", "b"} {
		s := servers[name]
		if s == nil {
			continue
		}
		s.count = map[string]int{}
		if s.results == nil {
			s.results = map[string]string{}
		}
		s.results["initialize"] = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}`
		s.results["tools/call"] = `{"content":[{"type":"text","text":"done"}]}`
		ts := httptest.NewServer(s)
		t.Cleanup(ts.Close)
		lines = append(lines, fmt.Sprintf(`%s: {url: "%s/mcp", protocol: "2025-11-25"}`, name, ts.URL))
	}
	model := providertest.NewRule(t, func(r *providertest.Request) providertest.Step {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.offered = r.ToolNames()
		return providertest.Text("ok")
	})
	h.g = gateway.Start(t, gateway.Config(model.URL(), lines...))
	return h
}

// memory is the most memory that the gateway's process has had resident, in MiB.
func (h *pinHouse) memory() int {
	h.t.Helper()
	text, err := os.ReadFile("/proc/" + itoa(h.g.PID()) + "/status")
	if err != nil {
		h.t.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return kib >> 10
}

// TestAttack18SchemaBombs: schemas that are too large are left out with their reason in the log, and a list that is too deep to
// be read is none; what is only wicked
// to those who follow references or run patterns passes as it is, since nobody here does. The other tools are served.
func TestAttack18SchemaBombs(t *testing.T) {
	t.Parallel()
	cycle := `{"type":"object","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"properties":{"x":{"$ref":"#/$defs/a"},"y":{"$ref":"http://169.254.169.254/schema"}}}`
	pattern := `{"type":"object","properties":{"x":{"type":"string","pattern":"^(a+)+$"},"y":{"patternProperties":{"((a*)*)*b":{}}}}}`
	bombs := map[string]string{
		"large": `{"type":"object","description":"` + strings.Repeat("x", 10<<20) + `"}`,
		"enum":  `{"properties":{"a":{"enum":[` + strings.Repeat(`"e",`, 1_000_000) + `"e"]}}}`,
	}
	deep := `{"tools":[{"name":"deep","inputSchema":` + strings.Repeat(`{"properties":{"a":`, 10_000) + `{}` + strings.Repeat(`}}`, 10_000) + `}]}`
	list := `{"tools":[{"name":"good","inputSchema":{"type":"object"}},{"name":"cycle","inputSchema":` + cycle + `},{"name":"pattern","inputSchema":` + pattern + `}`
	for name, schema := range bombs {
		list += `,{"name":"` + name + `","inputSchema":` + schema + `}`
	}
	h := rawHouse(t, map[string]*rawServer{"a": {results: map[string]string{"tools/list": list + `]}`}}, "b": {results: map[string]string{"tools/list": deep}}})
	got := h.mcp("/mcp", "tools/list", "", "")
	for _, part := range []string{`"a-good"`, cycle, pattern, `"fairlead/errors":[{"server":"b","error":"the server sent what is not a JSON-RPC message"}]`} {
		if !strings.Contains(got, part) {
			t.Errorf("the list has no %s: %.500s", part, got)
		}
	}
	for name := range bombs {
		if strings.Contains(got, `"a-`+name+`"`) {
			t.Errorf("the tool %s is listed", name)
		}
	}
	for _, reason := range []string{`"tool":"large","reason":"it is larger than 256 KiB"`, `"tool":"enum","reason":"it is larger than 256 KiB"`} {
		must(t, "the log has "+reason, func() bool { return strings.Contains(h.g.Log(), reason) })
	}
	if got := h.mcp("/mcp", "tools/call", `"name":"a-pattern","arguments":{"x":"`+strings.Repeat("a", 10_000)+`!"}`, "a-pattern"); !strings.Contains(got, "done") {
		t.Errorf("the call is answered %s", got)
	}
	h.send("POST", "/v1/chat/completions", chat(`"tools":[{"type":"mcp","server_url":"fairlead","require_approval":"never"}]`))
	if want := "a-good a-cycle a-pattern"; strings.Join(h.offered, " ") != want {
		t.Errorf("the model is offered %v", h.offered)
	}
	if mib := h.memory(); mib > 200 {
		t.Errorf("%d MiB were used for a list of 15 MB", mib)
	}
}

// TestAttack20Pages: pages that do not end are not followed for ever. What came is shown, marked as not whole, and logged; no
// cursor goes where it does not come from.
func TestAttack20Pages(t *testing.T) {
	t.Parallel()
	foreign := 0
	page := func(n int, next string) string {
		return fmt.Sprintf(`{"tools":[{"name":"t%d","inputSchema":{"type":"object"}}],"nextCursor":%q}`, n, next)
	}
	asked := 0
	endless := func(params []byte) string {
		cursor, _ := jsonedit.Unquote(jsonedit.Get(params, "cursor"))
		if cursor != "" && !strings.HasPrefix(cursor, "a") {
			foreign++
		}
		asked++
		n, _ := strconv.Atoi(strings.TrimPrefix(cursor, "a"))
		return page(n, "a"+itoa(n+1))
	}
	again := func(params []byte) string {
		cursor, _ := jsonedit.Unquote(jsonedit.Get(params, "cursor"))
		if cursor != "" && cursor != "b" {
			foreign++
		}
		return page(len(cursor), "b")
	}
	h := rawHouse(t, map[string]*rawServer{
		"a": {answer: map[string]func([]byte) string{"tools/list": endless}},
		"b": {answer: map[string]func([]byte) string{"tools/list": again}},
	})
	got := h.mcp("/mcp", "tools/list", "", "")
	for _, part := range []string{
		`"a-t0"`, `"a-t99"`, `"b-t0"`, `"b-t1"`, `"ttlMs":0`,
		`"fairlead/errors":[{"server":"a","error":"the list of tools has more than 100 pages"},{"server":"b","error":"the server sent the same page of its list of tools again"}]`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the list has no %s: %.2000s", part, got)
		}
	}
	if strings.Contains(got, `"a-t100"`) || asked != 100 {
		t.Errorf("%d pages were asked for", asked)
	}
	must(t, "the log tells of the two lists", func() bool { return strings.Count(h.g.Log(), "the list of an MCP server's tools is not whole") == 2 })
	if got := h.mcp("/mcp", "tools/call", `"name":"b-t1","arguments":{}`, "b-t1"); !strings.Contains(got, "done") {
		t.Errorf("a tool of a list that is not whole: %s", got)
	}
	for _, path := range []string{"/mcp", "/mcp/a", "/mcp/b"} {
		if got := h.mcp(path, "tools/list", `"cursor":"a7"`, ""); !strings.Contains(got, `"error"`) {
			t.Errorf("%s takes a cursor of a server's: %s", path, got)
		}
	}
	if foreign > 0 {
		t.Errorf("a server got a cursor that is not its own")
	}
	if got := h.send("GET", "/v1/mcp/servers", ""); strings.Count(got, `"status":"unhealthy"`) != 2 {
		t.Errorf("the servers stand so: %s", got)
	}
	h.send("POST", "/v1/chat/completions", chat(`"tools":[{"type":"mcp","server_url":"fairlead","require_approval":"never"}]`))
	if len(h.offered) != 102 {
		t.Errorf("the model is offered %d tools", len(h.offered))
	}
}
