package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Toolset is a named choice of tools.
type Toolset struct {
	Name    string
	Choices []ToolChoice // one for each of its servers, in the order of the file
}

// ToolChoice is what a Toolset takes of one server.
type ToolChoice struct {
	Server string
	Tools  []string // the server's own names; "*" alone is the whole server
}

// Whole reports whether the choice is the whole server, and not some of its tools.
func (c ToolChoice) Whole() bool { return slices.Contains(c.Tools, "*") }

// toolsetName holds a toolset to what a server's name is held to: the two stand in the same places.
func toolsetName(s string) string {
	return strings.ReplaceAll(serverName(s), "server", "toolset")
}

// toolsets is a mapping of names to mappings of servers to lists of tools, kept in the order of the file.
type toolsets struct{ to *[]Toolset }

func (t toolsets) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	for k, v := range d.members(path, n) {
		set := Toolset{Name: resolve(k).Value}
		if w := toolsetName(set.Name); w != "" {
			d.add(mark{k.Line, k.Column}, join(path, set.Name), "%s", w)
		}
		d.value(join(path, set.Name), v, toolChoices{&set.Choices})
		*t.to = append(*t.to, set)
	}
}

func (t toolsets) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": toolChoices{}.schema()}
}

// toolChoices is one toolset.
type toolChoices struct{ to *[]ToolChoice }

func (t toolChoices) read(d *decoder, path string, n *yaml.Node) {
	if !d.isMapping(path, n) {
		return
	}
	for k, v := range d.members(path, n) {
		c := ToolChoice{Server: resolve(k).Value}
		d.value(join(path, c.Server), v, chosenTools(&c.Tools))
		*t.to = append(*t.to, c)
	}
	if len(*t.to) == 0 {
		d.wrong(path, "must not be empty; name a server and its tools")
	}
}

func (t toolChoices) schema() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": chosenTools(new([]string)).schema()}
}

func chosenTools(to *[]string) texts { return texts{to: to, each: oneTool, least: 1, once: true} }

// checkToolsets holds toolsets to names of their own, and to servers and tools that there are.
func (d *decoder) checkToolsets(c *Config) {
	taken := map[string]string{}
	servers := map[string]*Server{}
	for i := range c.Servers {
		s := &c.Servers[i]
		taken[FoldServer(s.Name)], servers[s.Name] = "the MCP server "+s.Name, s
	}
	known := serverNames(c.Servers)
	for i := range c.Toolsets {
		t := &c.Toolsets[i]
		path := join("toolsets", t.Name)
		if other := taken[FoldServer(t.Name)]; other != "" {
			d.wrong(path, "%s has this name already, and both are asked for by it (letter case and - or _ do not count)", clip(other))
		}
		taken[FoldServer(t.Name)] = "the toolset " + t.Name
		for _, choice := range t.Choices {
			if p := join(path, choice.Server); d.known(p, choice.Server, known) {
				d.checkChoice(servers[choice.Server], choice, p)
			}
		}
	}
}

// checkChoice refuses tools that could never be offered.
func (d *decoder) checkChoice(s *Server, c ToolChoice, path string) {
	for i, name := range c.Tools {
		switch p := item(path, i); {
		case name == "*" && len(c.Tools) > 1:
			d.wrong(p, "stands for all of the server's tools, so that it stands alone")
		case name == "" || name == "*":
		case s.Allow != nil && !slices.Contains(s.Allow, name), slices.Contains(s.Deny, name):
			d.wrong(p, "the server's own tools.allow or tools.deny leaves this tool out")
		}
	}
}

func toolsetNames(sets []Toolset) names {
	n := names{what: "toolset"}
	for _, t := range sets {
		n.all = append(n.all, t.Name)
	}
	n.shown = n.all
	return n
}

// checkAttached holds what is attached to a key to what the key may use: a server of its own, or a toolset that is its own or
// whose servers all are.
func (d *decoder) checkAttached(c *Config, k *Key, path string) {
	servers := serverNames(c.Servers)
	both := names{what: "MCP server or toolset", all: slices.Concat(servers.all, toolsetNames(c.Toolsets).all)}
	both.shown = both.all
	if len(c.Toolsets) == 0 {
		both.what = servers.what
	}
	has := func(server string) bool { return slices.Contains(k.Servers, "*") || slices.Contains(k.Servers, server) }
	for i, name := range k.Attach {
		p := item(path+".attach", i)
		set := slices.IndexFunc(c.Toolsets, func(t Toolset) bool { return t.Name == name })
		switch {
		case name == "":
		case name == "*":
			d.wrong(p, "servers are attached one by one, by their names")
		case !d.known(p, name, both):
		case set >= 0:
			others := slices.ContainsFunc(c.Toolsets[set].Choices, func(ch ToolChoice) bool { return !has(ch.Server) })
			if others && !slices.Contains(k.Toolsets, name) {
				d.wrong(p, "this toolset is not in the key's toolsets; add it there")
			}
		case !has(name):
			d.wrong(p, "this server is not in the key's mcp_servers; add it there")
		}
	}
}
