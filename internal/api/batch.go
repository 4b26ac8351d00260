package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/plan"
	"github.com/fairlead/fairlead/internal/wire"
)

// checkBatch reads the file of a batch and refuses one that asks for a model which the key may not use: the provider would run
// whatever its account has. The file does not change afterwards.
func (t things) checkBatch(r *http.Request, c *caller, batch *llm.Request, id string) error {
	if !plainID(id) {
		return unknownThing("file", id, "input_file_id")
	}
	if t.a.Planner.AllowsVendors(c.id, batch.Model, plan.AnyVendors) {
		return nil
	}
	req := &llm.Request{Model: batch.Model, Errand: &llm.Errand{
		Method: http.MethodGet, Path: "files/" + id + "/content", Place: batch.Errand.Place, Stays: true,
		Headers: []llm.Header{{Name: "Accept", Value: "*/*"}},
	}}
	model, err := t.a.errand(r, c, req)
	if err != nil {
		return err
	}
	lines := batchLines{most: t.a.Body, allowed: func(vendors string) bool { return t.a.Planner.AllowsVendors(c.id, batch.Model, vendors) }}
	for ev, err := range model.Generate(r.Context(), req) {
		if err == nil {
			err = lines.take(ev.Raw)
		}
		if err != nil {
			return err
		}
	}
	return lines.line(lines.rest)
}

// batchLines reads a batch's file, one request a line (https://platform.openai.com/docs/api-reference/batch/request-input).
type batchLines struct {
	most    int64
	allowed func(model string) bool
	rest    []byte // a line that has not ended
	n       int
}

var (
	lineKeys  = jsonedit.NewKeys("body")
	bodyKeys  = jsonedit.NewKeys("model")
	lineBreak = []byte{'\n'}
)

// take takes in the next piece of the file.
func (b *batchLines) take(piece []byte) error {
	for len(piece) > 0 {
		line, rest, whole := bytes.Cut(piece, lineBreak)
		if int64(len(b.rest)+len(line)) > b.most {
			return b.refuse("is larger than %d bytes (limits.body_bytes)", b.most)
		}
		b.rest, piece = append(b.rest, line...), rest
		if !whole {
			return nil
		}
		if err := b.line(b.rest); err != nil {
			return err
		}
		b.rest = b.rest[:0]
	}
	return nil
}

func (b *batchLines) line(text []byte) error {
	b.n++
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	line, err := jsonedit.Scan(text, lineKeys)
	if err != nil {
		return b.refuse("%s", wire.ScanFault("api.batch", err).Message)
	}
	inner := line.Value("body").Of(text)
	obj, err := jsonedit.Scan(inner, bodyKeys)
	if err != nil {
		return b.refuse("%s", wire.ScanFault("api.batch", err).Message)
	}
	model, ok := jsonedit.Unquote(obj.Value("model").Of(inner))
	if !ok {
		return b.refuse("names no model in its body")
	}
	if !b.allowed(model) {
		return b.refuse("asks for the model %s, which does not exist or this key may not use; a batch's file has the provider's own names of models", strconv.Quote(model))
	}
	return nil
}

func (b *batchLines) refuse(format string, args ...any) error {
	return fault.Invalidf("input_file_id", "line %d of the batch's file %s", b.n, fmt.Sprintf(format, args...))
}
