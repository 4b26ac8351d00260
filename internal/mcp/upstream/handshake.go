package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// errOtherEra says that a server did not answer the first request of the stateless era as one that speaks it.
var errOtherEra error = &mcp.Unavailable{Message: "the server does not speak the protocol revision " + revModern}

// discover asks whether the server speaks the stateless era. A timeout of 0 leaves it to ctx. errOtherEra is the answer
// no, for whatever reason; other errors leave it open.
func (s *session) discover(ctx context.Context, timeout time.Duration) error {
	s.rev = revModern
	wait := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	res, err := s.do(wait, request{method: "server/discover"})
	if rpcCode(err) == codeUnsupported && supports(err) { // it wants to be asked for what it was asked for
		res, err = s.do(wait, request{method: "server/discover"})
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && wait.Err() != nil:
		return fmt.Errorf("%w: no answer within %v", errOtherEra, timeout)
	case err != nil:
		return s.otherEra(err)
	}
	if !holds(jsonedit.Get(res, "supportedVersions"), revModern) {
		return errOtherEra
	}
	s.capabilities(res)
	return nil
}

// supports reports whether an error about the revision names ours among those that the server supports.
func supports(err error) bool {
	e, ok := errors.AsType[*mcp.RPCError](err)
	return ok && holds(jsonedit.Get(e.Data, "supported"), revModern)
}

// holds reports whether a list of strings has a member.
func holds(list []byte, member string) bool {
	for v := range jsonedit.Elements(list) {
		if s, _ := jsonedit.Unquote(v); s == member {
			return true
		}
	}
	return false
}

// otherEra classes the error of a probe.
func (s *session) otherEra(err error) error {
	if unauthorized(err) {
		return err
	}
	if e, ok := errors.AsType[*httpError](err); ok {
		switch {
		case e.status == 401 || e.status == 403 || e.status == 429 || e.status >= 501 || e.status/100 == 3:
			return err // nothing to do with eras
		default:
			return errors.Join(errOtherEra, err)
		}
	}
	if e, ok := errors.AsType[*mcp.LostError](err); ok && (e.Unsent || !s.http) {
		return err
	}
	return errors.Join(errOtherEra, err)
}

// capabilities reads what a server says of itself in its first result.
func (s *session) capabilities(res []byte) {
	s.caps = bytes.Clone(jsonedit.Get(res, "capabilities"))
	if s.says, _ = jsonedit.Unquote(jsonedit.Get(res, "instructions")); len(s.says) > maxInstructions {
		s.log.Warn("the instructions of an MCP server are left out: they are too long", "bytes", len(s.says))
		s.says = ""
	}
}

// maxInstructions bounds what a server tells models about itself, in bytes.
const maxInstructions = 64 << 10

// Instructions is what the server tells models about itself.
func (s *session) Instructions() string { return s.says }

// initialize opens the session of a server of the older era. want is the revision to ask for.
func (s *session) initialize(ctx context.Context, want string) error {
	s.rev = want
	params := jsonedit.AppendQuote([]byte(`"protocolVersion":`), want)
	params = append(params, `,"capabilities":`...)
	if s.client == nil {
		params = append(params, "{}"...)
	}
	params = s.o.appendInfo(append(append(params, s.client...), `,"clientInfo":`...))
	res, err := s.do(ctx, request{method: "initialize", params: append(params, ',')})
	if err != nil {
		return err
	}
	rev, _ := jsonedit.Unquote(jsonedit.Get(res, "protocolVersion"))
	if len(rev) != len(revFirst) || rev < revFirst || rev >= revModern {
		return &mcp.Unavailable{Message: fmt.Sprintf("the server chose the protocol revision %.20q, which is not known here", rev)}
	}
	s.rev = rev
	s.capabilities(res)
	if h, ok := s.t.(interface{ settle(rev string) }); ok {
		h.settle(rev)
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Brief)
	defer cancel()
	if err := s.t.send(ctx, jsonrpc.AppendNotification(nil, "notifications/initialized", nil)); err != nil {
		s.log.Debug("an MCP server refused a notification", "error", err)
	}
	return nil
}

// legacyRevision is the revision that initialize asks for.
func (t target) legacyRevision() string {
	if p := t.pinned(); p != "" {
		return p
	}
	return revLegacy
}

// modernAfterAll reports whether a server refused initialize because it speaks the stateless era only.
func modernAfterAll(err error) bool {
	code := rpcCode(err)
	return code == codeUnsupported || code == jsonrpc.CodeMethodNotFound
}
