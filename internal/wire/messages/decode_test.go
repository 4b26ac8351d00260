package messages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// TestDoorConversations reads the requests of testdata/decode, and compares what they come to with what the transcripts have.
func TestDoorConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil || len(a.Files) < 1 {
				t.Fatal(err)
			}
			req := taken(t, string(a.Files[0].Data), "")
			if err := testDoor().DecodeAll(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for i := range req.Messages {
				line, err := json.Marshal(&req.Messages[i])
				if err != nil {
					t.Fatal(err)
				}
				b.Write(append(line, '\n'))
			}
			for i := range req.Tools {
				b.WriteString("tool " + req.Tools[i].Name + "\n")
			}
			for _, name := range req.Params.Left {
				b.WriteString("left " + name + "\n")
			}
			if *updateDoor {
				a.Files = append(a.Files[:1], txtar.File{Name: "messages", Data: []byte(b.String())})
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(a.Files[1].Data), b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDoorParams(t *testing.T) {
	yes := true
	base := func(change func(p *llm.Params)) llm.Params {
		p := llm.Params{MaxCalls: -1, MaxOutput: 10}
		change(&p)
		return p
	}
	for _, tt := range []struct {
		members string
		want    llm.Params
	}{
		{`"stream":true`, base(func(*llm.Params) {})},
		{`"temperature":0.70,"top_p":1e-1,"top_k":5,"stop_sequences":["a","b"]`, base(func(p *llm.Params) {
			p.Temperature, p.TopP, p.TopK, p.Stop = []byte("0.70"), []byte("1e-1"), []byte("5"), []string{"a", "b"}
		})},
		{`"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, base(func(p *llm.Params) { p.OneByOne, p.Choice.Mode = true, "auto" })},
		{`"tool_choice":{"type":"any"}`, base(func(p *llm.Params) { p.ForcedTool, p.Choice.Mode = true, "required" })},
		{`"tool_choice":{"type":"tool","name":"f"}`, base(func(p *llm.Params) { p.ForcedTool, p.Choice = true, llm.ToolChoice{Mode: "tool", Name: "f"} })},
		{`"tool_choice":{"type":"none"}`, base(func(p *llm.Params) { p.Choice.Mode = "none" })},
		{`"thinking":{"type":"enabled","budget_tokens":2048}`, base(func(p *llm.Params) { p.ThinkTokens = 2048 })},
		{`"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"high","task_budget":{}}`, base(func(p *llm.Params) { p.Effort = "high" })},
		{`"output_format":{"type":"json_schema","schema":{"type":"object"}}`, base(func(p *llm.Params) {
			p.JSON, p.Format = true, &llm.Format{Name: "answer", Schema: []byte(`{"type":"object"}`), Strict: &yes}
		})},
		{`"output_config":{"format":{"type":"json_schema","schema":{}}}`, base(func(p *llm.Params) {
			p.JSON, p.Format = true, &llm.Format{Name: "answer", Schema: []byte(`{}`), Strict: &yes}
		})},
		{`"metadata":{"user_id":"u"},"service_tier":"standard_only"`, base(func(p *llm.Params) { p.User, p.ServiceTier = "u", "default" })},
		{`"service_tier":"auto","container":null,"context_management":{"edits":[]},"cache_control":{},"betas":["x"],"speed":"fast"`, base(func(*llm.Params) {})},
		{`"container":"c","inference_geo":"us","something":1,"output_config":{"new":1}`, base(func(p *llm.Params) {
			p.Left = []string{"container", "inference_geo", "something", "output_config.new"}
		})},
		{`"tools":[{"type":"web_search_20250305","name":"web_search"},{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"},{"name":"f","input_schema":{},"allowed_callers":["code_execution_20250825"]}]`, base(func(p *llm.Params) {
			p.Left = []string{"tools[0] (web_search_20250305)", "tools[2].allowed_callers"}
		})},
	} {
		req := taken(t, withMembers(tt.members), "")
		if err := testDoor().DecodeAll(t.Context(), req); err != nil {
			t.Errorf("%s: %v", tt.members, err)
			continue
		}
		if d := cmp.Diff(tt.want, req.Params); d != "" {
			t.Errorf("%s:\n%s", tt.members, d)
		}
	}
}

func TestDoorTools(t *testing.T) {
	yes := true
	body := withMembers(`"tools":[{"type":"custom","name":"f","description":"does","input_schema":{"type":"object","x":1.0},"strict":true,"defer_loading":true,"cache_control":{"type":"ephemeral"}},{"name":"g","input_schema":{},"allowed_callers":["direct","code_execution_20250825"]}]`)
	want := []llm.Tool{{Name: "f", Description: "does", Schema: []byte(`{"type":"object","x":1.0}`), Strict: &yes}, {Name: "g", Schema: []byte(`{}`)}}
	req := taken(t, body, "")
	if err := testDoor().DecodeAll(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, req.Tools, cmp.AllowUnexported(llm.Forms{})); d != "" {
		t.Error(d)
	}
	if err := testDoor().Decode(t.Context(), req); err != nil || len(req.Tools) != 2 || req.Tools[1].Name != "g" {
		t.Errorf("%v, %v", err, req.Tools)
	}
}

// TestDoorPastCalls: the client's calls are known, and those beside which it sends the gateway's back.
func TestDoorPastCalls(t *testing.T) {
	req := taken(t, `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"z","name":"f","input":{}}]},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"n": 1.0}},{"type":"mcp_tool_use","id":"mcptoolu_fl_b","name":"g","server_name":"s","input":{}}]},{"role":"user","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]}]}`, "")
	if err := testDoor().Decode(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]llm.Call{{ID: "z", Name: "f", Arguments: `{}`}, {ID: "a", Name: "f", Arguments: `{"n": 1.0}`}}, req.Params.PastCalls); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a"}, req.Params.SentBack); d != "" {
		t.Error(d)
	}
}

func TestDoorBadConversations(t *testing.T) {
	say := func(messages string) string { return `{"model":"m","max_tokens":10,"messages":` + messages + `}` }
	for _, tt := range []struct{ body, param string }{
		{`{"model":"m","max_tokens":10}`, "messages"},
		{`{"model":"m","messages":[]}`, "max_tokens"},
		{`{"model":"m","max_tokens":0,"messages":[]}`, "max_tokens"},
		{withMembers(`"temperature":"1"`), "temperature"},
		{withMembers(`"tool_choice":"auto"`), "tool_choice"},
		{withMembers(`"tool_choice":{"type":"must"}`), "tool_choice.type"},
		{withMembers(`"tool_choice":{"type":"tool"}`), "tool_choice.name"},
		{withMembers(`"thinking":{"type":"enabled"}`), "thinking.budget_tokens"},
		{withMembers(`"thinking":{"type":"on"}`), "thinking.type"},
		{withMembers(`"stop_sequences":"x"`), "stop_sequences"},
		{withMembers(`"output_config":{"format":{"type":"json"}}`), "output_config.format"},
		{withMembers(`"system":[{"type":"image","source":{"type":"url","url":"x"}}]`), "system"},
		{withMembers(`"tools":[{"name":"f"}]`), "tools[0].input_schema"},
		{withMembers(`"tools":[{"input_schema":{}}]`), "tools[0].name"},
		{withMembers(`"tools":["f"]`), "tools[0]"},
		{say(`[1]`), "messages[0].content"},
		{say(`[{"role":"tool","content":"x"}]`), "messages[0].role"},
		{say(`[{"role":"user","content":[{"text":"x"}]}]`), "messages[0].content[0].type"},
		{say(`[{"role":"user","content":[{"type":"text"}]}]`), "messages[0].content[0].text"},
		{say(`[{"role":"user","content":[{"type":"image"}]}]`), "messages[0].content[0].source.type"},
		{say(`[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"x"}}]}]`), "messages[0].content[0].source.media_type"},
		{say(`[{"role":"user","content":[{"type":"tool_result"}]}]`), "messages[0].content[0].tool_use_id"},
		{say(`[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":1}]}]`), "messages[0].content[0].content"},
		{say(`[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"{}"}]}]`), "messages[0].content[0]"},
		{say(`[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f"},{"type":"tool_use","id":"a","name":"f"}]}]`), "messages[0].content[1].id"},
		{say(`[{"role":"assistant","content":[{"type":"mcp_tool_result","tool_use_id":"a"}]}]`), "messages[0].content[0].tool_use_id"},
	} {
		req := taken(t, tt.body, "")
		err := testDoor().DecodeAll(t.Context(), req)
		if err == nil {
			t.Errorf("%s: taken", tt.body)
			continue
		}
		if e := fault.From(err); e.HTTPStatus() != 400 || e.Param != tt.param || !strings.Contains(e.Message, tt.param) {
			t.Errorf("%s: %d %q %s", tt.body, e.HTTPStatus(), e.Param, e.Message)
		}
	}
}

func TestDoorCount(t *testing.T) {
	req := taken(t, `{"model":"m","system":"`+strings.Repeat("x", 400)+`","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","source":{"type":"url","url":"u"}}]}],"tools":[{"name":"f","input_schema":{}}]}`, "")
	_, req.Op = testDoor().CountRoute()
	if err := testDoor().DecodeAll(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got, want := string(testDoor().AppendCount([]byte("dst"), req)), `dst{"input_tokens":1714}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzDoor reads what strangers send: nothing panics, and errors are faults that say what is wrong.
func FuzzDoor(f *testing.F) {
	for _, dir := range []string{"testdata/door/*.txtar", "testdata/decode/*.txtar"} {
		files, _ := filepath.Glob(dir)
		for _, file := range files {
			if a, err := txtar.ParseFile(file); err == nil && len(a.Files) > 0 {
				f.Add([]byte(strings.TrimSpace(string(a.Files[0].Data))), listingBeta)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, beta string) {
		req, err := testDoor().ReadRequest(map[string][]string{betaHeader: {beta}}, body)
		if err == nil {
			err = testDoor().DecodeAll(t.Context(), req)
		}
		if err != nil {
			if e := fault.From(err); e.HTTPStatus() != 400 || e.Code == "" || e.Message == "" {
				t.Errorf("%d %q %q", e.HTTPStatus(), e.Code, e.Message)
			}
			return
		}
		_ = testDoor().AppendCount(nil, req)
	})
}
