package responses

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// Door is the half of the responses wire that faces clients.
type Door struct {
	// KeepAlive is the longest silence of a stream that has begun; then a comment is sent. 0: 15 s.
	KeepAlive time.Duration
	Log       *slog.Logger // told of replies that could not be kept; nil: nobody is

	id  func() string    // nil: obs.NewID
	now func() time.Time // nil: time.Now
}

var _ wire.Archive = Door{}

// Name is the wire's name.
func (Door) Name() string { return Name }

// Routes are the paths of responses.
func (Door) Routes() []wire.Route {
	return []wire.Route{
		{Method: http.MethodPost, Path: "/v1/responses"},
		{Method: http.MethodPost, Path: "/responses"},
	}
}

// ReadRequest reads the envelope: model, stream, background, mocks, the tool entries that name MCP servers, and whether the
// request refers to what the gateway keeps.
func (Door) ReadRequest(_ http.Header, body []byte) (*llm.Request, error) {
	env, err := scan(body)
	if err != nil {
		return nil, err
	}
	req := &llm.Request{Raw: llm.Frame{Wire: Name, Bytes: body, Index: env}}
	req.Params.MaxCalls = -1
	if err := readEnvelope(env, body, req); err != nil {
		return nil, err
	}
	var others bool
	if req.MCP, others, err = readEntries(env.value(body, "tools")); err != nil {
		return nil, err
	}
	req.Local = req.Detached || refersToOwn(env, body, others)
	req.Mock, err = readMock(env, body)
	return req, err
}

// WriteError answers with err in the wire's form, `{"error":{"message","type","param","code"}}`.
func (Door) WriteError(w http.ResponseWriter, err error) { wire.WriteOpenAIError(w, err) }
