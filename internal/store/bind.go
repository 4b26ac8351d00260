package store

import (
	"context"

	"github.com/fairlead/fairlead/internal/llm"
)

// ApprovalsOf are the questions to one principal.
func ApprovalsOf(s Approvals, principal string) llm.Approvals { return approvals{s, principal} }

type approvals struct {
	s         Approvals
	principal string
}

func (a approvals) Ask(ctx context.Context, p llm.Pending) error { return a.s.Ask(ctx, a.principal, p) }

func (a approvals) Pending(ctx context.Context, id string) (llm.Pending, bool, error) {
	return a.s.Pending(ctx, a.principal, id)
}

func (a approvals) Claim(ctx context.Context, id string) (bool, error) {
	return a.s.Claim(ctx, a.principal, id)
}

// RepliesOf are the kept replies of one principal.
func RepliesOf(s Replies, principal string) llm.Replies { return replies{s, principal} }

type replies struct {
	s         Replies
	principal string
}

func (r replies) Save(ctx context.Context, reply llm.Reply) error {
	return r.s.Save(ctx, r.principal, reply)
}

func (r replies) Reply(ctx context.Context, id string) (llm.Reply, bool, error) {
	return r.s.Reply(ctx, r.principal, id)
}

func (r replies) Chain(ctx context.Context, id string) ([]llm.Reply, bool, error) {
	return r.s.Chain(ctx, r.principal, id)
}

func (r replies) Item(ctx context.Context, id string) ([]byte, bool, error) {
	return r.s.Item(ctx, r.principal, id)
}
