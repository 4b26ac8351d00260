package route

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// foreign reports whether a deployment has refused what another one has sealed: encrypted reasoning, which OpenAI binds to an
// organization, or a signature.
func (w *walk) foreign() bool {
	f := fault.From(w.err)
	return len(w.req.AddedMessages) > w.seat.opened && f.Kind == fault.Refused && f.Status == http.StatusBadRequest &&
		says(f, []string{"invalid_encrypted_content", "signature_invalid"}, []string{"encrypted content", "signature"})
}

// retell asks a deployment once more, without what the earlier rounds of this loop have sealed; texts, calls and results stay.
// The rounds to come leave that out, too.
func (w *walk) retell(ctx context.Context, m *Model, d *Deployment) {
	p, ok := d.Health.enter(time.Now(), pressed)
	if !ok {
		return
	}
	w.seat.opened = len(w.req.AddedMessages)
	w.req = opened(w.req, w.seat.opened)
	w.try(ctx, m, d, p)
}

// opened is req with the first n messages of its loop without what only their own wire can read.
func opened(req *llm.Request, n int) *llm.Request {
	if n == 0 {
		return req
	}
	own := *req
	own.AddedMessages = slices.Clone(req.AddedMessages)
	for i := range own.AddedMessages[:min(n, len(own.AddedMessages))] {
		msg := &own.AddedMessages[i]
		msg.Extra, msg.Wire = nil, ""
		msg.Calls = slices.Clone(msg.Calls)
		for k := range msg.Calls {
			msg.Calls[k].Extra = nil
		}
	}
	return &own
}
