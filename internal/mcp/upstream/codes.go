package upstream

// The error codes of the stateless era.
const (
	codeHeaderMismatch = -32020
	codeUnsupported    = -32022
)
