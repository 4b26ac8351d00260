package vertex

import (
	"cmp"
	"net/url"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// claude is Anthropic's wire as Vertex AI speaks it: the model stands in the path, the version of the API in the body.
type claude struct {
	wire.Upstream
	model string // the provider's name for it; empty: the request's
}

var _ wire.Pather = claude{}

// version is the version of Anthropic's API that Vertex AI speaks.
const version = `"vertex-2023-10-16"`

var members = jsonedit.NewKeys("model", "anthropic_version")

// PathFor is the method of the model that is asked. A count is asked of a model of its own, which is told the other's name.
func (c claude) PathFor(req *llm.Request) string {
	switch {
	case req.Op != "":
		return "/models/count-tokens:rawPredict"
	case req.Stream:
		return "/models/" + url.PathEscape(cmp.Or(c.model, req.Model)) + ":streamRawPredict"
	}
	return "/models/" + url.PathEscape(cmp.Or(c.model, req.Model)) + ":rawPredict"
}

// AppendRequest appends the body that the wire writes, in the form that it has here.
func (c claude) AppendRequest(dst []byte, req *llm.Request) ([]byte, error) {
	body, err := c.Upstream.AppendRequest(nil, req)
	if err != nil {
		return dst, err
	}
	obj, err := jsonedit.Scan(body, members)
	if err != nil {
		return dst, wire.ScanFault("vertex.AppendRequest", err)
	}
	var edits []jsonedit.Edit
	if req.Op == "" {
		edits = obj.Delete(edits, body, "model")
	}
	edits = obj.Set(edits, body, "anthropic_version", []byte(version))
	return jsonedit.Apply(dst, body, edits), nil
}
