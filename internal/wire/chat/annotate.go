package chat

import (
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// annotateStart tells of a call that begins, in annotated mode.
func (s *stream) annotateStart(n *llm.Notice) {
	if s.req.Show != llm.ShowAnnotated || n.Started == nil || !s.begun {
		return
	}
	b := appendWhere(s.annotation("tool_call.started", n.Started.ID, n.Started.Name), n.Server, n.Tool, n.Round)
	b = jsonedit.AppendQuote(append(b, `,"arguments":`...), n.Started.Arguments)
	s.send(append(b, `}}`...))
}

func (s *stream) annotateResult(r *llm.Result) {
	if s.req.Show != llm.ShowAnnotated {
		return
	}
	event := "tool_call.completed"
	if r.IsError {
		event = "tool_call.failed"
	}
	b := appendWhere(s.annotation(event, r.CallID, r.Name), r.Server, r.Tool, r.Round)
	b = jsonedit.AppendQuote(append(b, `,"result":`...), r.Text)
	b = appendInt(append(b, `,"duration_ms":`...), r.Duration)
	s.send(append(b, `}}`...))
}

func (s *stream) annotation(event, id, name string) []byte {
	b := append(append(s.buf[:0], s.prefix...), `,"choices":[],"mcp":{"event":`...)
	b = jsonedit.AppendQuote(b, event)
	b = jsonedit.AppendQuote(append(b, `,"id":`...), id)
	return jsonedit.AppendQuote(append(b, `,"name":`...), name)
}

func appendWhere(b []byte, server, tool string, round int) []byte {
	b = jsonedit.AppendQuote(append(b, `,"server":`...), server)
	b = jsonedit.AppendQuote(append(b, `,"tool":`...), tool)
	return appendInt(append(b, `,"round":`...), int64(round))
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }
