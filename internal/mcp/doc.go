// Package mcp is the gateway's side towards MCP servers: which servers there are, which tools each caller is offered under
// which names, and who runs a call. Sessions themselves are opened by mcp/upstream.
//
// A Catalogue holds the servers of the config, their sessions and their lists of tools:
//
//	c := mcp.New(upstream.Dial, mcp.Options{Log: log})
//	defer c.Close()
//	c.Apply(servers) // again after a reload: what has not changed stays open
//	c.Warm()
//
// For a request, Open turns the entries that name servers into a Toolbox, whose tools and names are frozen:
//
//	box, err := c.Open(ctx, mcp.Selection{
//		Entries:  req.MCP,       // and Attach(...) for servers named by a header or by the key
//		Access:   mcp.Only(key.Servers),
//		Header:   r.Header,      // credentials, x-mcp-servers
//		Key:      keyText,       // never sent to a server
//		Hosts:    []string{r.Host},
//		External: cfg.ExternalMCP.Allow,
//		Own:      req.Tools,     // their names are taken
//	})
//	box.Tools(), box.Errors(), box.Call(ctx, call)
//
// Errors are *fault.Error with the codes that clients read. Nothing that this package says to a client or to a model shows
// the address of a server.
package mcp
