package mcp

import "strings"

// Challenged is the challenge to a visitor whose address names what it may not use, if more scopes would change that.
func (c *Catalogue) Challenged(v *Visit) string {
	if v.Challenge == nil || v.Server == "" {
		return ""
	}
	for name := range strings.SplitSeq(v.Server, ",") {
		u := Use{Principal: v.Principal}
		for _, p := range c.pools() {
			if fold(p.server.Name) == fold(strings.TrimSpace(name)) {
				u.Server = p.server.Name
			}
		}
		if t := v.toolset(name); u.Server == "" && t != nil {
			u.Toolset = t.Name
		}
		if u.Server == "" && u.Toolset == "" {
			continue
		}
		if s := v.Challenge(u); s != "" {
			return s
		}
	}
	return ""
}

// ChallengedFor is the challenge to a visitor who has asked for a tool, a prompt or a resource of u, in its own words, that it is not
// shown. It is empty where it cannot be told from the name whose it is, where the visitor may use it, and where no scope
// would change that it may not. No server is asked for it.
func (c *Catalogue) ChallengedFor(v *Visit, u Use) string {
	if v.Challenge == nil {
		return ""
	}
	asked := u.Tool + u.Prompt + u.Resource
	found := Use{Principal: v.Principal}
	longest := -1
	for _, p := range c.pools() {
		s := &p.server
		sole := fold(v.Server) == fold(s.Name)
		begin := beginning(s, &u, sole)
		if len(begin) <= longest || !strings.HasPrefix(asked, begin) || v.Server != "" && !v.reaches(s.Name) {
			continue
		}
		own, ok := asked[len(begin):], true
		if u.Tool != "" && !sole {
			own, ok = p.ownName(asked, own)
			ok = ok || begin != "" // a name without a beginning may be anyone's
		}
		if ok {
			longest, found.Server = len(begin), s.Name
			found.Tool, found.Prompt, found.Resource = pickOf(u.Tool, own), pickOf(u.Prompt, own), pickOf(u.Resource, own)
		}
	}
	if longest < 0 {
		return ""
	}
	return v.Challenge(found)
}

// beginning is what stands before the names or URIs of a server at an address that shows it alone, or beside others.
func beginning(s *Server, u *Use, sole bool) string {
	switch {
	case sole || s.Prefix == "":
		return ""
	case u.Resource != "":
		return mark(s, false)
	}
	return clean(s.Prefix + "-")
}

// pickOf is own where something was asked for.
func pickOf(asked, own string) string {
	if asked == "" {
		return ""
	}
	return own
}

// reaches reports whether an address has a server in it, by its name or in a toolset.
func (v *Visit) reaches(server string) bool {
	for name := range strings.SplitSeq(v.Server, ",") {
		if fold(strings.TrimSpace(name)) == fold(server) {
			return true
		}
		if t := v.toolset(name); t != nil {
			if _, ok := t.Tools[server]; ok {
				return true
			}
		}
	}
	return false
}

func (v *Visit) toolset(name string) *Toolset {
	for i := range v.Selection.Toolsets {
		if t := &v.Selection.Toolsets[i]; fold(t.Name) == fold(strings.TrimSpace(name)) {
			return t
		}
	}
	return nil
}

// ownName returns the own name of a tool that a server, which all callers share, is known to offer by a name; else guess, and false.
func (p *pool) ownName(offered, guess string) (string, bool) {
	p.mu.Lock()
	s := p.slots[""]
	p.mu.Unlock()
	if s == nil {
		return guess, false
	}
	if l := s.known(); l != nil {
		for i := range l.tools {
			if l.tools[i].offered == offered {
				return l.tools[i].Name, true
			}
		}
	}
	return guess, false
}
