package config

import (
	"slices"
	"strings"
)

// check looks at what single values cannot show: names that stand twice or nowhere, and keys that do not go together.
// Defaults that depend on other values are filled in here.
func (d *decoder) check(c *Config) {
	c.PublicURL = canonical(c.PublicURL)
	d.checkModels(c.Models)
	d.checkServers(c)
	d.checkToolsets(c)
	d.checkRules(c.Rules)
	d.checkKeys(c)
	d.checkOAuth(c)
	if c.Open() && !d.has("keys") && !d.has("oauth") && !IsLoopback(c.Listen) {
		d.wrong("listen", "serves other machines, so it needs keys: add keys, or listen on 127.0.0.1")
	} else if len(c.Keys) == 0 && d.has("keys") && !d.bad["keys"] {
		d.wrong("keys", "is empty; add a key, or leave keys out to serve this machine only without keys")
	}
	if d.has("limits.call_time") && c.Limits.CallTime > c.Limits.WallTime {
		d.wrong("limits.call_time", "must not be longer than limits.wall_time")
	}
	if d.has("limits.spill_bytes") && c.Limits.SpillBytes < c.Limits.ResultBytes {
		d.wrong("limits.spill_bytes", "must not be less than limits.result_bytes, which the model gets at once")
	}
}

func (d *decoder) checkModels(models []Model) {
	first := map[string]int{}
	for i := range models {
		m, path := &models[i], item("models", i)
		if j, twice := first[m.Name]; twice && m.Name != "" {
			d.wrong(path+".name", "the model %s stands in line %d already", d.quote(path+".name", m.Name), d.marks[item("models", j)+".name"].line)
		} else {
			first[m.Name] = i
		}
		d.checkPlaces(m, path)
	}
	d.checkFallbacks(models)
}

// checkPlaces looks at where a model runs: at its own keys, or in its deployments.
func (d *decoder) checkPlaces(m *Model, path string) {
	if d.has(path + ".deployments") {
		d.checkDeployments(m, path)
	} else {
		if d.has(path + ".strategy") {
			d.wrong(path+".strategy", "goes with deployments, and this model has none")
		}
		d.checkPlace(&m.Place, m, path)
	}
	if !d.has(path+".retries") && (m.Deployments != nil || d.has(path+".fallbacks")) {
		m.Retries = defaultRetries
	}
}

func (d *decoder) checkDeployments(m *Model, path string) {
	for _, f := range placeFields(new(Place)) {
		if d.has(path + "." + f.name) {
			d.wrong(path+"."+f.name, "goes into the deployments, which this model has")
		}
	}
	if len(m.Deployments) == 0 && !d.bad[path+".deployments"] {
		d.wrong(path+".deployments", "must not be empty; a model runs somewhere")
	}
	for i := range m.Deployments {
		d.checkPlace(&m.Deployments[i].Place, m, item(path+".deployments", i))
	}
}

// defaultRetries are those of a model whose requests are routed at all.
const defaultRetries = 2

func (d *decoder) checkPlace(p *Place, m *Model, path string) {
	if p.Provider == "" && !d.has(path+".provider") && !d.bad[path] {
		d.wrong(path+".provider", "is missing: a provider that the gateway knows, such as openai")
	}
	switch {
	case m.Takes() && d.has(path+".model"):
		d.wrong(path+".model", "does not go with a name that ends in *, which passes on the client's name; leave model out")
	case !m.Takes() && p.Model == "":
		p.Model = m.Name
	}
	d.checkProvider(p, path)
}

func (d *decoder) checkProvider(m *Place, path string) {
	if m.Provider == "" || d.o.KnownProvider == nil {
		return
	}
	known, needsKey, needsURL := d.o.KnownProvider(m.Provider)
	switch {
	case !known:
		hint := "known: " + strings.Join(d.o.ProviderNames, ", ")
		if near := nearest(m.Provider, d.o.ProviderNames); near != "" {
			hint = "did you mean " + near + "?"
		} else if len(d.o.ProviderNames) == 0 {
			hint = "check its name"
		}
		d.wrong(path+".provider", "there is no provider %s; %s", d.quote(path+".provider", m.Provider), hint)
		return
	case needsURL && !d.has(path+".base_url"):
		d.wrong(path+".base_url", "is missing; the provider %s has no address of its own", m.Provider)
	case needsKey && !d.has(path+".api_key") && !d.has(path+".base_url"):
		d.wrong(path+".api_key", "is missing; the provider %s needs one", m.Provider)
	}
	if m.Wire == "" || d.o.ProviderWires == nil {
		return
	}
	if wires := d.o.ProviderWires(m.Provider); !slices.Contains(wires, m.Wire) {
		d.wrong(path+".wire", "the provider %s does not speak %s; it speaks %s", m.Provider, m.Wire, strings.Join(wires, ", "))
	}
}

func (d *decoder) checkServers(c *Config) {
	first := map[string]string{}
	for i := range c.Servers {
		s := &c.Servers[i]
		path := join("mcp_servers", s.Name)
		d.checkWay(s, path)
		d.checkServerAuth(c, s, path)
		if other, twice := first[FoldServer(s.Name)]; twice {
			d.wrong(path, "the names %s and %s are the same in a header's name, where letter case and - or _ do not count", clip(other), clip(s.Name))
		}
		first[FoldServer(s.Name)] = s.Name
		for _, name := range s.Deny {
			if slices.Contains(s.Allow, name) {
				d.wrong(path+".tools.deny", "a tool is allowed and denied; it can be one of the two")
			}
		}
	}
}

// checkTransport holds a server's transport to the way in which it is reached.
func (d *decoder) checkTransport(s *Server, path string) {
	command, url := d.has(path+".command"), d.has(path+".url")
	switch {
	case command && (s.Transport == "http" || s.Transport == "sse"):
		d.wrong(path+".transport", "%s needs a url; a command is spoken to by stdio", s.Transport)
	case url && s.Transport == "stdio":
		d.wrong(path+".transport", "stdio needs a command; a url is spoken to by http or sse")
	}
}

func (d *decoder) checkKeys(c *Config) {
	names := map[string]int{}
	hashes := map[[32]byte]int{}
	models := d.modelNames(c.Models)
	for i := range c.Keys {
		k, path := &c.Keys[i], item("keys", i)
		if j, twice := names[k.Name]; twice && k.Name != "" {
			d.wrong(path+".name", "the key %s stands in line %d already", d.quote(path+".name", k.Name), d.marks[item("keys", j)+".name"].line)
		}
		names[k.Name] = i
		switch text, hash := d.has(path+".key"), d.has(path+".key_hash"); {
		case text && hash:
			d.wrong(path+".key_hash", "does not go with key; give one of the two")
		case !text && !hash && !d.bad[path]:
			d.wrong(path, "needs key or key_hash")
		}
		if j, twice := hashes[k.Hash]; twice && k.Hash != [32]byte{} {
			d.wrong(path, "has the same key as %s; every key needs a text of its own", item("keys", j))
		}
		hashes[k.Hash] = i
		d.checkAccess(c, models, k, path)
	}
}

// names are what a list of a key may hold.
type names struct {
	what  string
	all   []string
	shown []string // those that may stand in messages: no variable was expanded in them
}

func (d *decoder) modelNames(models []Model) names {
	n := names{what: "model"}
	for i, m := range models {
		n.all = append(n.all, m.Name)
		if d.raws[item("models", i)+".name"] == "" {
			n.shown = append(n.shown, m.Name)
		}
	}
	return n
}

func serverNames(servers []Server) names {
	n := names{what: "MCP server"}
	for _, s := range servers {
		n.all = append(n.all, s.Name)
	}
	n.shown = n.all
	return n
}

// checkAccess holds the lists of a key to what there is.
func (d *decoder) checkAccess(c *Config, models names, k *Key, path string) {
	servers, sets := serverNames(c.Servers), toolsetNames(c.Toolsets)
	for i, name := range k.Models {
		if name != "" && name != "*" && !covered(name, models.all) {
			d.known(item(path+".models", i), name, models)
		}
	}
	for i, name := range k.Servers {
		if name != "" && name != "*" {
			d.known(item(path+".mcp_servers", i), name, servers)
		}
	}
	for i, name := range k.Toolsets {
		if name != "" && d.known(item(path+".toolsets", i), name, sets) {
			k.Choices = append(k.Choices, c.Toolsets[slices.Index(sets.all, name)].Choices...)
		}
	}
	d.checkAttached(c, k, path)
}

// covered reports whether one of models is name, or one that ends in * takes it.
func covered(name string, models []string) bool {
	return slices.ContainsFunc(models, func(m string) bool {
		prefix, takes := strings.CutSuffix(m, "*")
		return m == name || takes && strings.HasPrefix(name, prefix)
	})
}

// known notes a mistake when name is not among names.
func (d *decoder) known(path, name string, in names) bool {
	if slices.Contains(in.all, name) {
		return true
	}
	hint := "there is none in this file"
	if near := nearest(name, in.shown); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(in.shown) > 0 {
		hint = "there are: " + clip(strings.Join(in.shown, ", "))
	}
	d.wrong(path, "there is no %s %s; %s", in.what, d.quote(path, name), hint)
	return false
}
