package provider

import (
	"errors"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// codeUnsupported is the code of the fault of a parameter that the target has no word for. Param names it.
const codeUnsupported = "unsupported_parameter"

func unsupported(param, message string) error {
	return &fault.Error{Kind: fault.Invalid, Op: "provider.AppendRequest", Code: codeUnsupported, Param: param, Message: message}
}

// advise adds to the refusal of a request who cannot be asked it, and what to do; the client's own name for the member is told.
// Of a parameter that is going to be left out instead (llm.Request.Drops), nothing is said.
func (c *Client) advise(req *llm.Request, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Invalid || f.Code == codeUnsupported && req.Drops {
		return err
	}
	own := *f
	if !strings.Contains(own.Message, c.name) {
		own.Message = "provider " + c.name + ": " + own.Message
	}
	if f.Code != codeUnsupported {
		if own.Param = placeIn(req.Raw.Wire, f.Param); strings.Contains(f.Param, "].content[") {
			own.Message += "; leave that out, or ask a model that takes it"
		}
		return &own
	}
	own.Param = nameIn(req.Raw.Wire, f.Param)
	if !strings.Contains(own.Message, "leave") {
		own.Message += "; leave it out"
	}
	own.Message += ", or set unknown_params: drop for the model"
	return &own
}

// placeIn is where a wire's clients have what stands at a place of the conversation. Only chat completions have the messages that
// the conversation consists of; elsewhere several make one, and one may stand beside them.
func placeIn(dialect, param string) string {
	if strings.HasPrefix(param, "messages[") {
		switch dialect {
		case "responses":
			return "input"
		case "messages":
			return "messages"
		}
	}
	return param
}

// nameIn is the name that a wire's clients have for a parameter of OpenAI's chat completions.
func nameIn(dialect, param string) string {
	switch dialect + " " + param {
	case "responses logprobs":
		return "top_logprobs"
	case "responses response_format":
		return "text.format"
	case "responses reasoning_effort":
		return "reasoning.effort"
	case "messages stop":
		return "stop_sequences"
	case "messages response_format":
		return "output_config.format"
	case "messages reasoning_effort":
		return "thinking"
	}
	return param
}
