package upstream

import (
	"errors"

	"github.com/fairlead/fairlead/internal/mcp"
)

// unauthorized reports whether a session was not opened for want of a credential, which another way to open it would want too.
func unauthorized(err error) bool {
	_, ok := errors.AsType[*mcp.AuthError](err)
	return ok || mcp.Login(err) != nil
}
