package provider

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/secret"
	"github.com/fairlead/fairlead/internal/wire"
)

// Target is one model at one vendor, as the config has it.
type Target struct {
	Model   string // the name that the vendor knows it by; empty: whatever the request says
	BaseURL string // empty: the vendor's own
	Region  string // of a vendor that has several; empty: what its environment says
	Project string // of a vendor whose customers have several; empty: what its environment says
	// Credentials are those of a vendor that takes more than a key; empty: those that its own libraries find.
	Credentials secret.String
	Key         secret.String
	Headers     map[string]string
	Wire        string // of the driver's Wires; empty: the first of them
	// APIVersion is the version of the vendor's API that is asked, for drivers with Versions; empty: the one that needs no name.
	APIVersion string
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
	Regions  bool     // has several addresses, and Target.Region says which
	Projects bool     // its customers have projects, and credentials: Target.Project and Target.Credentials
	Versions bool     // has several versions of its API, and Target.APIVersion says which
	Wires    []string // the wires that it can be spoken to in, the one that it is unasked first
	Open     func(Target, Env) (*Client, error)
}

// PickWire returns the wire that a target of the provider is spoken to in: asked, or the first of wires where none is asked
// for. The error is a *Mistake.
func PickWire(provider, asked string, wires []string) (string, error) {
	switch {
	case asked == "":
		return wires[0], nil
	case !slices.Contains(wires, asked):
		return "", &Mistake{"wire", "the provider " + provider + " does not speak " + asked + "; it speaks " + strings.Join(wires, ", ")}
	}
	return asked, nil
}
