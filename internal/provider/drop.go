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

// advise adds to the refusal of a parameter who cannot be asked for it, and what to do; the client's own name for it is told.
// Where it is going to be left out instead (llm.Request.Drops), and of any other error, nothing is said.
func (c *Client) advise(req *llm.Request, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != codeUnsupported || f.Kind != fault.Invalid || req.Drops {
		return err
	}
	own := *f
	own.Param = nameIn(req.Raw.Wire, f.Param)
	if !strings.Contains(own.Message, c.name) {
		own.Message = "provider " + c.name + ": " + own.Message
	}
	if !strings.Contains(own.Message, "leave") {
		own.Message += "; leave it out"
	}
	own.Message += ", or set unknown_params: drop for the model"
	return &own
}

// nameIn is the name that a wire's clients have for a parameter of OpenAI's chat completions.
func nameIn(dialect, param string) string {
	switch dialect + " " + param {
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
