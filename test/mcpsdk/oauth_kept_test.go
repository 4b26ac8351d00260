package mcpsdk

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/test/gateway"
	"github.com/fairlead/fairlead/test/scripted"
)

// TestAttack05KeptForAToken: a kept reply, and a call that waits for an approval, are their user's, who may come with a newer token; to
// another user of the same issuer they look like what never was.
func TestAttack05KeptForAToken(t *testing.T) {
	s := bearertest.New(t)
	server, _ := serveHTTP(t)
	model := scripted.Start(t, map[string][]scripted.Turn{"fast": {{Calls: []scripted.Call{{Name: "sum-sum", Arguments: `{"a":2,"b":3}`}}}, {Text: "it is {result}"}}})
	public, _ := gateway.Publish(t, `
public_url: PUBLIC
models: [{name: fast, provider: openai, base_url: "`+model.URL()+`", api_key: upstream-key}]
mcp_servers: {sum: {url: "`+server+`"}}
oauth:
  issuers:
    - {name: staff, issuer: "`+s.URL+`", api: true, grants: [{mcp_servers: [sum], models: [fast]}]}
`)
	as := func(claims map[string]any) string {
		return "Authorization: Bearer " + s.Token(s.Claims(public, claims), nil)
	}
	alice, later, bob := as(nil), as(map[string]any{"scope": "more"}), as(map[string]any{"sub": "bob"})
	const tools = `"tools":[{"type":"mcp","server_label":"sum","server_url":"fairlead/mcp/sum","require_approval":"always"}]`
	status, body := send(t, public+"/v1/responses", `{"model":"fast","input":"add",`+tools+`}`, alice)
	var reply struct {
		ID     string `json:"id"`
		Output []struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"output"`
	}
	if err := json.Unmarshal([]byte(body), &reply); status != 200 || err != nil {
		t.Fatalf("%d %s", status, body)
	}
	approval := ""
	for _, item := range reply.Output {
		if item.Type == "mcp_approval_request" {
			approval = item.ID
		}
	}
	if approval == "" {
		t.Fatal(body)
	}
	get := func(id, who string) (int, string) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, public+"/v1/responses/"+id, http.NoBody)
		req.Header.Set("Authorization", strings.TrimPrefix(who, "Authorization: "))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, strings.ReplaceAll(string(raw), id, "ID")
	}
	const never = "resp_00000000000000000000000000000000"
	wantStatus, wantBody := get(never, bob)
	if got, body := get(reply.ID, bob); got != wantStatus || body != wantBody || got == 200 {
		t.Errorf("bob: %d %s, want %d %s", got, body, wantStatus, wantBody)
	}
	for _, who := range []string{alice, later} {
		if got, body := get(reply.ID, who); got != 200 {
			t.Errorf("alice: %d %s", got, body)
		}
	}
	approve := func(previous, id, who string) (int, string) {
		status, body := send(t, public+"/v1/responses", `{"model":"fast","previous_response_id":"`+previous+`","input":[{"type":"mcp_approval_response","approval_request_id":"`+id+`","approve":true}],`+tools+`}`, who)
		return status, strings.NewReplacer(previous, "PREVIOUS", id, "ID").Replace(body)
	}
	wantStatus, wantBody = approve(never, "mcpr_00000000000000000000000000000000", bob)
	if got, body := approve(reply.ID, approval, bob); got != wantStatus || body != wantBody || got == 200 {
		t.Errorf("bob approves: %d %s, want %d %s", got, body, wantStatus, wantBody)
	}
	if got, body := approve(reply.ID, approval, later); got != 200 || !strings.Contains(body, "it is") {
		t.Errorf("alice approves: %d %s", got, body)
	}
}
