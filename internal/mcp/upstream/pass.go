package upstream

import (
	"context"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/mcp"
)

// Pass implements [mcp.Session].
func (s *session) Pass(ctx context.Context, r mcp.Request) ([]byte, error) {
	if r.LogLevel != "" {
		s.openLog(ctx)
	}
	res, err := s.pass(ctx, &r)
	if rpcCode(err) != codeHeaderMismatch || r.Method != "tools/call" || !s.http || !s.modern() {
		return res, err
	}
	if _, lerr := s.ListTools(ctx); lerr != nil { // as in CallTool
		return nil, err
	}
	return s.pass(ctx, &r)
}

func (s *session) pass(ctx context.Context, r *mcp.Request) ([]byte, error) {
	q := request{method: r.Method, name: r.Name, header: r.Headers, pass: r}
	params := oneLine(r.Params)
	for key, v := range jsonedit.Members(params) {
		if string(key) == "_meta" {
			continue
		}
		q.params = append(append(append(q.params, '"'), key...), `":`...)
		q.params = append(append(q.params, v...), ',')
	}
	if r.Method == "tools/call" {
		q.mirror, q.args = s.paramsOf(r.Name), jsonedit.Get(params, "arguments")
	}
	return s.do(ctx, q)
}

// openLog asks a server of the older era for all of its log, once: its level is the session's, while each client has its own.
func (s *session) openLog(ctx context.Context) {
	if s.modern() || !s.Offers("logging") {
		return
	}
	s.logging.Do(func() {
		if _, err := s.do(ctx, request{method: "logging/setLevel", params: []byte(`"level":"debug",`)}); err != nil {
			s.log.Debug("an MCP server did not take the level of its log", "error", err)
		}
	})
}
