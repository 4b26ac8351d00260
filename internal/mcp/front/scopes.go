package front

import (
	"net/http"

	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// lacks is the answer to a request that takes a scope which the client's token does not have.
func lacks(challenge string) *failure {
	f := refusal(http.StatusForbidden, jsonrpc.CodeInvalidRequest, "the token does not have the scope that this takes")
	f.challenge = challenge
	return f
}

// decline refuses a request that is not begun, with the challenge if there is one.
func (x *exchange) decline(f *failure) {
	if f.challenge != "" {
		x.w.Header().Set("WWW-Authenticate", f.challenge)
	}
	x.refuse(f.status, f.Error)
}

// unseen is the answer about something that the client is not shown: f, which says that it is not there, unless a scope would
// change that.
func (x *exchange) unseen(u mcp.Use, f *failure) answer {
	if c := x.d.servers.ChallengedFor(x.v, u); c != "" {
		f = lacks(c)
	}
	return answer{failure: f}
}
