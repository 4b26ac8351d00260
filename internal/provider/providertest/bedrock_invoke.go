package providertest

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
)

// invokeVersion is the version of Anthropic's API in requests of InvokeModel
// (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html).
const invokeVersion = "bedrock-2023-05-31"

var invokeMembers = append([]string{"anthropic_version", "anthropic_beta"}, slices.DeleteFunc(slices.Clone(messagesMembers), func(name string) bool {
	return slices.Contains([]string{"model", "stream", "service_tier", "speed", "diagnostics", "user_profile_id", "inference_geo", "container"}, name)
})...)

// readInvoke reads a request of Claude by InvokeModel: the model and whether the reply is streamed stand in the path, the
// version and the betas in the body.
func readInvoke(s *Server, r *Request) *refusal {
	model, action := bedrockPath(r.Path)
	r.Model, r.Stream = model, action == "invoke-with-response-stream"
	return (&messagesRequest{Request: r, s: s}).readInvoked()
}

func (m *messagesRequest) readInvoked() *refusal {
	stream := m.Stream
	if err := json.Unmarshal(m.Raw, &m.Members); err != nil {
		return refusef("", "Malformed input request, please reformat your input and try again.")
	}
	if err := json.Unmarshal(m.Raw, &m.b); err != nil {
		return refusef("", "Malformed input request: %v", err)
	}
	m.b.Model, m.ToolChoice, m.Stream = m.Model, string(m.b.ToolChoice), stream
	for _, f := range []func() *refusal{
		m.checkSigned, m.checkInvoked, m.readSystem, m.readTools, m.readTurns,
		func() *refusal { return m.checkMembers(invokeMembers) }, m.checkMax, m.checkThinking, m.checkChoice, m.checkTurns,
	} {
		if bad := f(); bad != nil {
			return bad
		}
	}
	return nil
}

func (m *messagesRequest) checkInvoked() *refusal {
	if m.Members["anthropic_version"] != invokeVersion {
		return refusef("anthropic_version", "anthropic_version: Field required")
	}
	betas, _ := m.Members["anthropic_beta"].([]any)
	for _, b := range betas {
		if b != "interleaved-thinking-2025-05-14" && b != "context-1m-2025-08-07" {
			return refusef("anthropic_beta", "invalid beta flag")
		}
	}
	for name := range m.Header {
		if len(name) > 10 && name[:10] == "Anthropic-" {
			return refusef("", "the header %s has no meaning here", name)
		}
	}
	return nil
}

// readCounted reads a request for the size of one of InvokeModel
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html).
func readCounted(s *Server, r *Request) *refusal {
	var b struct {
		Input struct {
			Invoke struct {
				Body []byte `json:"body"`
			} `json:"invokeModel"`
		} `json:"input"`
	}
	if err := json.Unmarshal(r.Raw, &b, json.RejectUnknownMembers(true)); err != nil {
		return refusef("input", "Malformed input request: %v", err)
	}
	if bad := r.checkSigned(); bad != nil {
		return bad
	}
	inner := *r
	inner.Raw = b.Input.Invoke.Body
	inner.Header = r.Header.Clone()
	inner.Header.Set("Authorization", "Bearer checked")
	inner.Model, _ = bedrockPath(r.Path)
	bad := (&messagesRequest{Request: &inner, s: s}).readInvoked()
	r.Model, r.Members, r.Messages, r.Tools = inner.Model, inner.Members, inner.Messages, inner.Tools
	return bad
}

// invokedCount is the answer to a count: a token is four bytes of the request.
func invokedCount(r *Request) []byte {
	return []byte(`{"inputTokens":` + strconv.Itoa(len(r.Raw)/4) + `}`)
}
