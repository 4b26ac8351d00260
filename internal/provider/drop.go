package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/obs"
)

// maxDropped bounds the parameters of one request that are left out.
const maxDropped = 16

// write writes the body that is sent. What the target cannot be asked for is left out where the request allows it, and the call
// is told; else the refusal says what to do. The request that was written is returned.
func (c *Client) write(call *obs.Call, dst []byte, req *llm.Request) ([]byte, *llm.Request, error) {
	at := len(dst)
	for range maxDropped {
		out, err := c.wire.AppendRequest(dst[:at], req)
		f, ok := errors.AsType[*fault.Error](err)
		switch {
		case !ok || f.Code != codeUnsupported || f.Kind != fault.Invalid:
			return out, req, err
		case !req.Drops || !c.drop(&req, f.Param):
			return out, req, c.advise(req, f)
		}
		if name := nameIn(req.Raw.Wire, f.Param); !slices.Contains(call.Dropped, name) {
			call.Dropped = append(slices.Clip(call.Dropped), name)
		}
	}
	return dst, req, fmt.Errorf("provider: more than %d parameters to drop", maxDropped)
}

// drop leaves a parameter out of *req, which becomes a request of its own. It reports false when that cannot be.
func (c *Client) drop(req **llm.Request, param string) bool {
	own := **req
	if own.Raw.Wire == c.wire.Name() {
		own.Without = append(slices.Clip(own.Without), param)
	} else if !own.Params.Drop(param) {
		return false
	}
	*req = &own
	return true
}

// advise adds to a refusal who refuses, and what to do.
func (c *Client) advise(req *llm.Request, f *fault.Error) error {
	own := *f
	own.Param = nameIn(req.Raw.Wire, f.Param)
	if !strings.Contains(own.Message, c.name) {
		own.Message = "provider " + c.name + ": " + own.Message
	}
	if !strings.Contains(own.Message, "leave it out") {
		own.Message += "; leave it out"
	}
	own.Message += ", or set unknown_params: drop for the model"
	return &own
}

// nameIn is the name that a wire's clients have for a parameter.
func nameIn(dialect, param string) string {
	switch dialect + " " + param {
	case "responses response_format":
		return "text.format"
	case "responses reasoning_effort":
		return "reasoning.effort"
	case "responses verbosity":
		return "text.verbosity"
	case "messages stop":
		return "stop_sequences"
	case "messages response_format":
		return "output_config.format"
	case "messages reasoning_effort":
		return "thinking"
	}
	return param
}
