package provider

import (
	"net/http"

	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
)

// Target is one model at one vendor, as the config has it.
type Target struct {
	Model   string // the name that the vendor knows it by; empty: whatever the request says
	BaseURL string // empty: the vendor's own
	Key     secret.String
	Headers map[string]string
}

// Env is what all clients share.
type Env struct {
	Transport http.RoundTripper
	Timeouts  Timeouts
	MaxReply  int64
	UserAgent string
	// Wire makes the codec of the wire with that name, for a provider with these quirks.
	Wire func(name string, q wire.Quirks) (wire.Upstream, error)
}

// Driver makes the clients of one vendor.
type Driver struct {
	Name     string   // as the config's provider
	Title    string   // for people: "Mistral AI"
	KeyEnv   []string // the variables that may hold the key, the first that does counts
	BaseURL  string   // empty: the config must say it
	BaseEnv  string   // the variable that may hold it; empty for none
	NeedsKey bool     // its own address answers nobody without a key
	Open     func(Target, Env) (*Client, error)
}
