package providertest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// predictVersion is the version of the Messages API on Vertex AI
// (https://docs.anthropic.com/en/api/claude-on-vertex-ai).
const predictVersion = "vertex-2023-10-16"

// readPredict reads a request of Claude on Vertex AI: the model stands in the path, the version in the body, and a token says
// who asks.
func readPredict(s *Server, r *Request) *refusal {
	m := &messagesRequest{Request: r, s: s}
	model, method, _ := geminiPath(r.Path)
	if err := json.Unmarshal(r.Raw, &r.Members); err != nil {
		return refusef("", "The request body is not valid JSON: %v", err)
	}
	if err := json.Unmarshal(r.Raw, &m.b); err != nil {
		return refusef("", "Input should be a valid value: %v", err)
	}
	count := model == "count-tokens"
	known := append([]string{"anthropic_version"}, messagesMembers...)
	if !count {
		known = slices.DeleteFunc(known, func(name string) bool { return name == "model" })
		m.b.Model = model
	}
	r.Model, r.Stream, r.ToolChoice = m.b.Model, m.b.Stream, string(m.b.ToolChoice)
	checks := []func() *refusal{m.readSystem, m.readTools, m.readTurns, func() *refusal { return m.checkPredict(method) }, func() *refusal { return m.checkMembers(known) }}
	if !count {
		checks = append(checks, m.checkMax, m.checkThinking)
	}
	for _, f := range append(checks, m.checkChoice, m.checkTurns) {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (m *messagesRequest) checkPredict(method string) *refusal {
	switch {
	case !strings.HasPrefix(m.Header.Get("Authorization"), "Bearer "):
		return &refusal{message: "Request is missing required authentication credential. Expected OAuth 2 access token.", status: http.StatusUnauthorized}
	case m.Members["anthropic_version"] != predictVersion:
		return refusef("anthropic_version", "anthropic_version: Field required, %q", predictVersion)
	case m.Stream != (method == "streamRawPredict"):
		return refusef("stream", "stream: does not fit the method %s", method)
	}
	return nil
}
