package messages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestUsageBuckets: what the API counts is put into buckets that do not overlap, and adds up.
func TestUsageBuckets(t *testing.T) {
	got := *readUsage([]byte(`{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":18,"ephemeral_1h_input_tokens":12},` +
		`"output_tokens":40,"output_tokens_details":{"thinking_tokens":25},"server_tool_use":{"web_search_requests":3,"web_fetch_requests":1},"service_tier":"standard"}`))
	if got.Inputs() != 60 || got.Outputs() != 40 {
		t.Errorf("%d in, %d out", got.Inputs(), got.Outputs())
	}
	got.Raw = llm.Frame{}
	want := llm.Usage{Known: true, Input: 10, CacheRead: 20, CacheWrite: 18, CacheWriteLong: 12, Output: 15, Reasoning: 25, ToolUses: 3}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(llm.Cost{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if s := string(appendUsage(nil, &got)); !strings.Contains(s, `"cache_creation_input_tokens":30`) || !strings.Contains(s, `"output_tokens":40`) {
		t.Errorf("told as %s", s)
	}
}
