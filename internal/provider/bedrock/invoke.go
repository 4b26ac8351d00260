package bedrock

import (
	"bytes"
	"encoding/base64"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// invoke is Anthropic's wire as Bedrock speaks it, by InvokeModel and InvokeModelWithResponseStream: the model and whether
// the reply is streamed stand in the path, the version and the betas in the body, and a stream's events are base64 in frames.
// A size is asked for by CountTokens.
//
// Betas that Bedrock does not know are left out, since it refuses every request that names one; a member that needs one it
// refuses by itself. Members that only advise and that Bedrock does not take are left out, too: service_tier, speed,
// diagnostics and user_profile_id.
//
// Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html and
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.
type invoke struct {
	wire.Upstream
	model string // the provider's id for it; empty: the request's
}

// version is the version of Anthropic's API that Bedrock speaks.
const version = `"bedrock-2023-05-31"`

// betas are those that Bedrock knows.
var betas = []string{
	"computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24", "token-efficient-tools-2025-02-19",
	"interleaved-thinking-2025-05-14", "output-128k-2025-02-19", "dev-full-thinking-2025-05-14", "context-1m-2025-08-07",
	"fine-grained-tool-streaming-2025-05-14", "context-management-2025-06-27", "effort-2025-11-24", "tool-search-tool-2025-10-19",
	"tool-examples-2025-10-29", "compact-2026-01-12",
}

var (
	leftOut = []string{"model", "stream", "service_tier", "speed", "diagnostics", "user_profile_id"}
	members = jsonedit.NewKeys(append([]string{"anthropic_version", "anthropic_beta", "max_tokens"}, leftOut...)...)
)

// Path is what all paths begin with.
func (invoke) Path() string { return "/model" }

// PathFor says what is done with the model.
func (v invoke) PathFor(req *llm.Request) string {
	action := "/invoke"
	switch {
	case req.Op != "":
		action = "/count-tokens"
	case req.Stream:
		action = "/invoke-with-response-stream"
	}
	return v.Path() + "/" + wire.Segment(modelOf(v.model, req)) + action
}

// AppendRequest appends the body of Anthropic's wire, with what Bedrock has elsewhere moved.
func (v invoke) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	own := *req
	own.Model = claudeOf(modelOf(v.model, req)) // what is known of it, is known by this name
	inner, err := v.Upstream.AppendRequest(dst, &own)
	if err != nil {
		return dst, err
	}
	body := inner[len(dst):]
	obj, err := jsonedit.Scan(body, members)
	if err != nil {
		return dst, wire.ScanFault("bedrock.AppendRequest", err)
	}
	edits := obj.Set(nil, body, "anthropic_version", []byte(version))
	for _, name := range leftOut {
		if obj.Value(name).Found() {
			edits = obj.Delete(edits, body, name)
		}
	}
	if list := betaList(req.Headers, obj.Value("anthropic_beta").Of(body)); list != nil {
		edits = obj.Set(edits, body, "anthropic_beta", list)
	}
	if req.Op != "" && !obj.Value("max_tokens").Found() {
		edits = obj.Set(edits, body, "max_tokens", []byte("1")) // demanded, and not counted
	}
	out := jsonedit.Apply(inner, body, edits)
	moved := out[len(inner):]
	if req.Op != "" {
		dst = append(dst, `{"input":{"invokeModel":{"body":"`...)
		return append(base64.StdEncoding.AppendEncode(dst, bytes.Clone(moved)), `"}}}`...), nil
	}
	return out[:len(dst)+copy(out[len(dst):], moved)], nil
}

// betaList is the list of the betas that are asked for and that Bedrock knows, or nil.
func betaList(headers []llm.Header, own []byte) []byte {
	var names []string
	add := func(name string) {
		if name = strings.TrimSpace(name); slices.Contains(betas, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for el := range jsonedit.Elements(own) {
		s, _ := jsonedit.Unquote(el)
		add(s)
	}
	for _, h := range headers {
		if strings.EqualFold(h.Name, "Anthropic-Beta") {
			for name := range strings.SplitSeq(h.Value, ",") {
				add(name)
			}
		}
	}
	if names == nil && own == nil {
		return nil
	}
	list := []byte{'['}
	for i, name := range names {
		if i > 0 {
			list = append(list, ',')
		}
		list = jsonedit.AppendQuote(list, name)
	}
	return append(list, ']')
}

// maxCount bounds the answer to a question for a size.
const maxCount = 64 << 10

// ReadReply reads a reply of Anthropic's wire out of Bedrock's frames.
func (v invoke) ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	switch {
	case req.Op != "":
		return v.readCount(req, contentType, body)
	case isFramed(contentType):
		contentType, body = "text/event-stream", newChunks(body)
	}
	return v.Upstream.ReadReply(req, contentType, body)
}

// readCount puts the answer of CountTokens into Anthropic's words.
func (v invoke) readCount(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		answer, err := io.ReadAll(io.LimitReader(body, maxCount))
		n := jsonedit.Get(answer, "inputTokens")
		if _, ok := jsonedit.Int(n); !ok && err == nil {
			err = wire.Broken("bedrock.ReadReply", "the provider has not said how many tokens there are")
		}
		if err != nil {
			yield(llm.Event{}, err)
			return
		}
		answer = append(append([]byte(`{"input_tokens":`), n...), '}')
		for ev, err := range v.Upstream.ReadReply(req, contentType, bytes.NewReader(answer)) {
			if !yield(ev, err) {
				return
			}
		}
	}
}

func isFramed(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(t), "application/vnd.amazon.eventstream")
}
