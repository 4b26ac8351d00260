package app

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
	mcpall "github.com/fairlead/fairlead/internal/mcp/all"
	"github.com/fairlead/fairlead/internal/oauth"
	"github.com/fairlead/fairlead/internal/seal"
)

// ringOf makes the ring of the first config's secrets.
func ringOf(cfg *config.Config) (*seal.Ring, error) {
	var secrets [][]byte
	for _, s := range cfg.Secrets {
		secrets = append(secrets, []byte(s.Reveal()))
	}
	ring, err := seal.New(secrets...)
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	return ring, nil
}

// keepLogins makes what shows servers who asks, in front of the catalogue that opens sessions with them.
func (a *App) keepLogins(ring *seal.Ring, o Options) {
	a.logins = mcpall.NewLogins(mcpall.LoginOptions{Store: a.kept, Seal: ring, Base: a.base, Log: o.Log})
	a.pins.log = o.Log
	a.servers = mcp.New(mcpall.Dialer(mcpall.Options{Log: o.Log, Version: o.Version}), mcp.Options{Log: o.Log, Results: a.kept, Authorize: mcpall.Authorize(a.logins), Vet: a.pins.vet, Suspect: a.pins.suspect, ListTime: o.listTime})
	a.logins.Serve(a.servers)
}

// base is the gateway's own address as browsers reach it, or "".
func (a *App) base() string {
	s := a.now.Load()
	if s == nil {
		return ""
	}
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	listen := s.cfg.Listen
	if at := a.listening.Load(); at != nil {
		listen = *at
	}
	host, _, err := net.SplitHostPort(listen)
	if ip, perr := netip.ParseAddr(host); err != nil || !strings.EqualFold(host, "localhost") && (perr != nil || !ip.IsLoopback()) {
		return ""
	}
	return "http://" + listen
}

// checkPrivateKeys refuses a private key that could sign nothing.
func checkPrivateKeys(cfg *config.Config) error {
	for i := range cfg.Servers {
		if k := cfg.Servers[i].Auth.PrivateKey; !k.Empty() {
			if _, err := oauth.ReadKey(k.Reveal()); err != nil {
				return fmt.Errorf("mcp_servers: %s: auth.private_key: %w", cfg.Servers[i].Name, err)
			}
		}
	}
	return nil
}

// serverAuth is how a server of the config is shown who asks.
func serverAuth(a *config.ServerAuth) *mcp.Auth {
	if a.Type == "" {
		return nil
	}
	return &mcp.Auth{
		Type: a.Type, ClientID: a.ClientID, ClientSecret: a.ClientSecret, PrivateKey: a.PrivateKey, Scopes: a.Scopes,
		Issuer: a.Issuer, TokenURL: a.TokenURL, Audience: a.Audience,
		Region: a.Region, Service: a.Service, AccessKey: a.AccessKey, SecretKey: a.SecretKey, SessionToken: a.SessionToken,
	}
}
