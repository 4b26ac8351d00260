package app

import (
	"fmt"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/meter"
)

// prices are those that are built in, with the config's before them.
func prices(cfg *config.Config) (*meter.Table, error) {
	own := make(map[string]*meter.Price, len(cfg.Prices))
	for _, c := range cfg.Prices {
		p, err := meter.NewPrice(meter.Words(c.Rates))
		if err == nil && c.Over > 0 {
			p.Over = int64(c.Over)
			p.Long, err = meter.NewPrice(meter.Words(c.Long))
		}
		if err != nil {
			return nil, fmt.Errorf("prices: %s: %w", c.Name, err)
		}
		own[c.Name] = p
	}
	return meter.NewTable(own), nil
}
