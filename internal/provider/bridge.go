package provider

import (
	"context"
	"iter"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Bridge is a model that is asked over OpenAI's chat completions, but over its responses where its rules say that chat does
// not take a request: a client that speaks chat can then use all of the model. Clients that speak responses are passed on to
// those.
type Bridge struct {
	Chat, Responses llm.Model
	Model           string // the name that the vendor knows it by; empty: whatever the request says
	Rules           func(model string) *wire.Rules
}

var _ llm.Model = (*Bridge)(nil)

// Generate asks over the wire that WireFor names.
func (b *Bridge) Generate(ctx context.Context, req *llm.Request) iter.Seq2[llm.Event, error] {
	if b.WireFor(req, len(req.AddedTools)+len(req.Tools) > 0) == "responses" {
		return b.Responses.Generate(ctx, req)
	}
	return b.Chat.Generate(ctx, req)
}

// WireFor is the wire that a request goes over. tools says that it offers tools beside those that its body has.
func (b *Bridge) WireFor(req *llm.Request, tools bool) string {
	const chat, responses = "chat", "responses"
	name := b.Model
	if name == "" {
		name = req.Model
	}
	r := b.Rules(name)
	switch {
	case r == nil || r.Bridge == "" || req.Errand != nil:
		return chat
	case req.Raw.Wire == responses:
		return responses
	case !tools && !hasTools(req.Raw.Bytes):
		return chat
	}
	effort := effortOf(req)
	if r.Bridge == wire.BridgeTools && effort != "none" || effort != "none" && effort != "" {
		return responses
	}
	return chat
}

// hasTools reports whether a body of chat or messages offers tools.
func hasTools(body []byte) bool {
	for _, name := range []string{"tools", "functions"} {
		for range jsonedit.Elements(jsonedit.Get(body, name)) {
			return true
		}
	}
	return false
}

// effortOf is the reasoning that a request asks for, whether it has been decoded or not: "none" for none, "" when it does not
// say.
func effortOf(req *llm.Request) string {
	switch {
	case req.Params.Effort != "":
		return req.Params.Effort
	case req.Params.ThinkTokens > 0:
		return "some"
	}
	text := func(path ...string) string {
		s, _ := jsonedit.Unquote(jsonedit.Get(req.Raw.Bytes, path...))
		return s
	}
	switch req.Raw.Wire {
	case "chat":
		return text("reasoning_effort")
	case "messages":
		if kind := text("thinking", "type"); kind == "disabled" {
			return "none"
		} else if kind != "" {
			return "some"
		}
		return text("output_config", "effort")
	}
	return ""
}
