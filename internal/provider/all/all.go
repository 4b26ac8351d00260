// Package all lists the providers' drivers.
package all

import (
	"slices"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/provider/anthropic"
	"github.com/fairlead/fairlead/internal/provider/azure"
	"github.com/fairlead/fairlead/internal/provider/bedrock"
	"github.com/fairlead/fairlead/internal/provider/cohere"
	"github.com/fairlead/fairlead/internal/provider/compat"
	"github.com/fairlead/fairlead/internal/provider/gemini"
	"github.com/fairlead/fairlead/internal/provider/vertex"
	"github.com/fairlead/fairlead/internal/secret"
)

// Drivers are all drivers. A provider that is no row of the compatible table is one more line here.
func Drivers() []provider.Driver {
	return slices.Concat(
		compat.Drivers(),
		[]provider.Driver{anthropic.Driver(), azure.Driver(), bedrock.Driver(), cohere.Driver(), gemini.Driver(), vertex.Driver()},
	)
}

// Lookup returns the driver of that name.
func Lookup(name string) (provider.Driver, bool) {
	for _, d := range Drivers() {
		if d.Name == name {
			return d, true
		}
	}
	return provider.Driver{}, false
}

// Found is a provider that the environment holds a key for.
type Found struct {
	Driver provider.Driver
	Target provider.Target // without a model: the request names it
	KeyEnv string          // the variable that held the key
}

// FromEnv returns the providers that the environment holds keys for, in the table's order. getenv is os.Getenv.
func FromEnv(getenv func(string) string) []Found {
	var found []Found
	for _, d := range Drivers() {
		base := ""
		if d.BaseEnv != "" {
			base = getenv(d.BaseEnv)
		}
		if base == "" && d.BaseURL == "" {
			continue
		}
		for _, name := range d.KeyEnv {
			if key := getenv(name); key != "" {
				found = append(found, Found{d, provider.Target{BaseURL: base, Key: secret.New(key)}, name})
				break
			}
		}
	}
	return found
}
