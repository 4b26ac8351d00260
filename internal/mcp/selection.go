package mcp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/secret"
)

// Selection is what a request asks for and brings along.
type Selection struct {
	Entries   []llm.MCPEntry // in the caller's order
	Attached  bool           // the entries come from the caller's key: that they come to nothing is no error
	Doubtful  bool           // servers that a server_url of its own names are of no trust
	Judged    bool           // Access looks at arguments, or at what was read before
	Access    Access
	Whole     func(server string) bool      // reports that Access refuses no tool of a server, so that it is not asked about each; nil: it is
	Principal string                        // whose request it is
	Who       string                        // what people call the principal
	Token     secret.String                 // what the client came with, where an authorization server has issued it
	Toolsets  []Toolset                     // that entries may name as they name servers
	Header    http.Header                   // the client's: credentials, forwarded headers, x-mcp-servers
	Key       string                        // the gateway's key as the client sent it, without "Bearer "; it is never sent to a server
	Forward   func(name, value string) bool // whether a header that the config forwards may be sent; nil: any but the key
	Hosts     []string                      // names of this gateway, with or without port: a server_url with one of them is ours
	External  []string                      // hosts that a server_url of its own may name: "host", "host:port", "*.domain", "*"
	Own       []llm.Tool                    // the caller's own tools
	Search    bool                          // the tools are found by a search, in place of being offered
	Spill     int                           // how many bytes of a result that is too long are kept; 0: it is cut
	Invalid   error                         // what is wrong with the request beside its entries; nil: nothing is
}

// pick is a server that a selection comes to.
type pick struct {
	pool    *pool
	wishes  []wish      // of the entries that name it, in the caller's order
	session http.Header // credentials
	caller  Caller
	call    http.Header // what goes with calls only
}

// picker finds the servers of a selection.
type picker struct {
	c       *Catalogue
	sel     *Selection
	config  []*pool // all of the config, in order
	picks   []*pick // of the config in the config's order, then external ones as they come
	missing []string
	param   string // of the first entry with a missing server
}

// pick resolves a selection. Servers that the caller may not use and servers that do not exist are one error.
func (c *Catalogue) pick(sel *Selection) (*picker, error) {
	if sel.Invalid != nil {
		return nil, sel.Invalid
	}
	if c.o.Results == nil {
		sel.Spill = 0
	}
	p := &picker{c: c, sel: sel, config: c.pools()}
	for _, q := range p.config {
		p.picks = append(p.picks, &pick{pool: q})
	}
	for i := range sel.Entries {
		if err := p.entry(&sel.Entries[i]); err != nil {
			return nil, err
		}
	}
	p.only(narrowing(sel.Header), "x-mcp-servers", nil)
	if p.missing != nil {
		return nil, unavailable(p.param, p.missing)
	}
	p.picks = slices.DeleteFunc(p.picks, func(k *pick) bool { return len(k.wishes) == 0 })
	p.credentials()
	return p, nil
}

func narrowing(h http.Header) []string {
	return narrow(strings.Join(h.Values("X-Mcp-Servers"), ","))
}

// entry adds an entry to the servers that it names.
func (p *picker) entry(e *llm.MCPEntry) error {
	sc, err := readScope(e, p.sel.Hosts)
	if err != nil {
		return err
	}
	if err := checkHeaders(e); err != nil {
		return err
	}
	if sc.external != nil {
		return p.externalEntry(e, sc)
	}
	if sc.bare {
		if e.Label != "" && p.named(e.Label) != nil {
			sc.names = []string{e.Label}
		}
	}
	if sc.names == nil {
		for _, k := range p.picks {
			if p.may(k) {
				k.wishes = append(k.wishes, wish{MCPEntry: e})
			}
		}
	}
	for _, name := range sc.names {
		wants := p.named(name)
		if wants == nil {
			p.miss(field(e), name)
		}
		for _, w := range wants {
			w.add(e)
		}
	}
	for name, v := range e.Headers {
		if strings.EqualFold(name, "x-mcp-servers") {
			p.only(narrow(v), e.Param+".headers", e)
		}
	}
	return nil
}

// externalEntry adds an entry that names a server by its own address.
func (p *picker) externalEntry(e *llm.MCPEntry, sc scope) error {
	s, err := externalServer(e, sc.external, p.sel.External)
	s.Untrusted = p.sel.Doubtful
	if err != nil {
		return err
	}
	for _, k := range p.picks {
		if k.pool.server.External && k.pool.server.URL == s.URL {
			k.wishes = append(k.wishes, wish{MCPEntry: e})
			return nil
		}
	}
	taken := names{}
	for _, k := range p.picks {
		taken[fold(k.pool.server.Name)] = true
	}
	for base := s.Name; taken[fold(s.Name)]; {
		s.Name = base + "_external"
		base = s.Name
	}
	s.Prefix = s.Name
	q, err := p.c.externalPool(s)
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Op: "mcp.Open", Code: "overloaded", Message: SafeMessage(err), Err: err}
	}
	k := &pick{pool: q, wishes: []wish{{MCPEntry: e}}}
	if !p.may(k) {
		p.miss(field(e), s.Name)
		return nil
	}
	p.picks = append(p.picks, k)
	return nil
}

// only keeps an entry, or every entry when e is nil, on the servers and toolsets named. No names: everything stays.
func (p *picker) only(list []string, param string, e *llm.MCPEntry) {
	if len(list) == 0 {
		return
	}
	keep := map[*pick][]*Toolset{}
	for _, name := range list {
		wants := p.named(name)
		if wants == nil {
			p.miss(param, name)
		}
		for _, w := range wants {
			keep[w.k] = append(keep[w.k], w.set)
		}
	}
	for _, k := range p.picks {
		k.wishes = k.narrowed(e, keep[k])
	}
}

// find returns the server with this name, if the caller may use it.
func (p *picker) find(name string) *pick {
	for _, k := range p.picks {
		if fold(k.pool.server.Name) == fold(name) {
			if p.may(k) {
				return k
			}
			return nil
		}
	}
	return nil
}

// shows reports whether the principal may see a tool.
func (sel *Selection) shows(s *Server, t *listed) bool {
	return shows(sel.Access, s, Use{Principal: sel.Principal, Tool: t.Name, Hints: t.Hints})
}

func (p *picker) may(k *pick) bool {
	return shows(p.sel.Access, &k.pool.server, Use{Principal: p.sel.Principal})
}

func (p *picker) miss(param, name string) {
	if p.missing == nil {
		p.param = param
	}
	if !slices.Contains(p.missing, name) {
		p.missing = append(p.missing, name)
	}
}

// credentials gives each server what the request brings for it.
func (p *picker) credentials() {
	var servers []string
	for _, q := range p.config {
		servers = append(servers, q.server.Name)
	}
	for _, k := range p.picks {
		if k.pool.server.External {
			servers = append(servers, k.pool.server.Name)
		}
	}
	cr := newCredentials(p.sel, servers)
	for _, k := range p.picks {
		k.caller = Caller{Principal: p.sel.Principal, Who: p.sel.Who, Token: p.sel.Token}
		k.session, k.call = cr.forServer(&k.pool.server, k.wishes)
	}
}
