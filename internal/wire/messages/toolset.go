package messages

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
	"github.com/fairlead/fairlead/internal/wire"
)

// The connector has no word for the question whether a call may run: tools of its forms run without asking. A server's
// description cannot be pinned either: the tools that a toolset lists itself bound what is offered, and are not shown again.

var (
	serverKeys  = jsonedit.NewKeys("type", "url", "name", "authorization_token", "tool_configuration")
	toolsetKeys = jsonedit.NewKeys("type", "mcp_server_name", "default_config", "configs", "cache_control", "tools")
	configKeys  = jsonedit.NewKeys("enabled", "defer_loading")
	oldKeys     = jsonedit.NewKeys("enabled", "allowed_tools")
)

// servers reads what names MCP servers: mcp_servers, the toolsets of tools, and entries of type mcp.
type servers struct {
	entries []llm.MCPEntry
	old     []bool // by entry: tool_configuration was given
	off     []bool // by entry: it is switched off as a whole
	toolset []string
	pinned  map[string]bool
}

// readServers returns the servers that the request names. form is the newest form of the connector that its headers name.
// Without one the shape decides: toolsets are the newer forms, none is the first.
func readServers(env *envelope, body []byte, form string) ([]llm.MCPEntry, error) {
	tools := env.value(body, "tools")
	var s servers
	if err := s.readList(env.value(body, "mcp_servers")); err != nil {
		return nil, err
	}
	if err := s.readToolsets(tools); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.toolset, notEmpty) || form > connectorForms[0] {
		for i, at := range s.toolset {
			if at == "" {
				param := s.entries[i].Param
				return nil, fault.Invalidf(param, "%s: no toolset of tools refers to this server; add {\"type\":\"mcp_toolset\",\"mcp_server_name\":…}", param)
			}
		}
	}
	env.pinned = s.pinned
	var out []llm.MCPEntry
	for i := range s.entries {
		if !s.off[i] {
			out = append(out, s.entries[i])
		}
	}
	more, err := wire.MCPEntries(tools, nil)
	return append(out, more...), err
}

func notEmpty(s string) bool { return s != "" }

// readList reads mcp_servers.
func (s *servers) readList(list []byte) error {
	if jsonedit.IsNull(list) {
		return nil
	}
	if jsonedit.Kind(list) != '[' {
		return fault.Invalidf("mcp_servers", "mcp_servers must be a list")
	}
	for v := range jsonedit.Elements(list) {
		if err := s.readServer(v, at("mcp_servers", len(s.entries))); err != nil {
			return err
		}
	}
	return nil
}

func (s *servers) readServer(v []byte, param string) error {
	obj, err := object(v, param, serverKeys)
	if err != nil {
		return err
	}
	e := llm.MCPEntry{Param: param, Member: "url", Approval: llm.Approval{Never: true}}
	if kind, err := needText(obj.Value("type").Of(v), param+".type"); err != nil || kind != "url" {
		return fault.Invalidf(param+".type", `%s.type must be "url"`, param)
	}
	if e.URL, err = needText(obj.Value("url").Of(v), param+".url"); err != nil {
		return err
	}
	if e.Label, err = needText(obj.Value("name").Of(v), param+".name"); err != nil {
		return err
	}
	if slices.ContainsFunc(s.entries, func(o llm.MCPEntry) bool { return o.Label == e.Label }) {
		return fault.Invalidf(param+".name", "%s.name is that of another server of the list", param)
	}
	if token := obj.Value("authorization_token").Of(v); !jsonedit.IsNull(token) {
		text, err := needText(token, param+".authorization_token")
		if err != nil {
			return err
		}
		e.Headers = map[string]string{"Authorization": "Bearer " + text}
	}
	old := obj.Value("tool_configuration").Of(v)
	off, err := readOld(old, param+".tool_configuration", &e)
	s.entries, s.toolset = append(s.entries, e), append(s.toolset, "")
	s.old, s.off = append(s.old, !jsonedit.IsNull(old)), append(s.off, off)
	return err
}

// readOld reads the tool_configuration of the connector's first form. It reports whether the server is switched off.
func readOld(v []byte, param string, e *llm.MCPEntry) (off bool, err error) {
	if jsonedit.IsNull(v) {
		return false, nil
	}
	obj, err := object(v, param, oldKeys)
	if err != nil {
		return false, err
	}
	if lit := obj.Value("enabled").Of(v); !jsonedit.IsNull(lit) {
		on, err := boolean(lit, param+".enabled")
		if err != nil {
			return false, err
		}
		off = !on
	}
	if lit := obj.Value("allowed_tools").Of(v); !jsonedit.IsNull(lit) {
		e.Filtered = true
		e.Allowed, err = texts(lit, param+".allowed_tools")
	}
	return off, err
}

// readToolsets reads the toolsets of tools, and puts what they say to their servers.
func (s *servers) readToolsets(tools []byte) error {
	if !jsonedit.IsNull(tools) && jsonedit.Kind(tools) != '[' {
		return fault.Invalidf("tools", "tools must be a list")
	}
	if !bytes.Contains(tools, []byte(toolsetType)) && bytes.IndexByte(tools, '\\') < 0 {
		return nil
	}
	i := -1
	for t := range jsonedit.Elements(tools) {
		i++
		kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type"))
		if kind != toolsetType {
			if _, err := jsonedit.Scan(t, toolsetKeys); bytes.Contains(t, []byte(`"`+toolsetType+`"`)) && isAmbiguous(err) {
				return ambiguous(at("tools", i))
			}
			continue
		}
		if err := s.readToolset(t, at("tools", i)); err != nil {
			return err
		}
	}
	return nil
}

const toolsetType = "mcp_toolset"

func (s *servers) readToolset(t []byte, param string) error {
	obj, err := object(t, param, toolsetKeys)
	if err != nil {
		return err
	}
	name, err := needText(obj.Value("mcp_server_name").Of(t), param+".mcp_server_name")
	if err != nil {
		return err
	}
	n := slices.IndexFunc(s.entries, func(e llm.MCPEntry) bool { return e.Label == name })
	switch {
	case n < 0:
		return fault.Invalidf(param+".mcp_server_name", "%s.mcp_server_name names no server of mcp_servers", param)
	case s.toolset[n] != "":
		return fault.Invalidf(param+".mcp_server_name", "%s.mcp_server_name: %s refers to this server already", param, s.toolset[n])
	case s.old[n]:
		return fault.Invalidf(s.entries[n].Param+".tool_configuration", "%s.tool_configuration is of the connector's first form, and %s of a later one: say it in the toolset", s.entries[n].Param, param)
	}
	s.toolset[n] = param
	e := &s.entries[n]
	on, err := readConfig(obj.Value("default_config").Of(t), param+".default_config", true)
	if err != nil {
		return err
	}
	if e.Filtered = !on; e.Filtered {
		e.Allowed = []string{}
	}
	if err := readConfigs(obj.Value("configs").Of(t), param+".configs", on, e); err != nil {
		return err
	}
	return s.pin(obj.Value("tools").Of(t), param+".tools", e)
}

// readConfig reads what is said of one tool, or of all that nothing is said of. It reports whether they are switched on.
func readConfig(v []byte, param string, on bool) (bool, error) {
	if jsonedit.IsNull(v) {
		return on, nil
	}
	obj, err := object(v, param, configKeys)
	if err != nil {
		return on, err
	}
	later, err := boolean(obj.Value("defer_loading").Of(v), param+".defer_loading")
	if err != nil {
		return on, err
	}
	if later {
		return on, fault.Invalidf(param+".defer_loading", "%s.defer_loading: this gateway offers the tools of a server at once; leave it out or set it to false", param)
	}
	if lit := obj.Value("enabled").Of(v); !jsonedit.IsNull(lit) {
		return boolean(lit, param+".enabled")
	}
	return on, nil
}

func readConfigs(v []byte, param string, on bool, e *llm.MCPEntry) error {
	if jsonedit.IsNull(v) {
		return nil
	}
	if jsonedit.Kind(v) != '{' {
		return fault.Invalidf(param, "%s must be an object with a member for each tool", param)
	}
	told := map[string]bool{}
	for key, c := range jsonedit.Members(v) {
		name, ok := jsonedit.Unquote([]byte(`"` + string(key) + `"`))
		if !ok || told[name] {
			return ambiguous(param + "." + name)
		}
		told[name] = true
		enabled, err := readConfig(c, param+"."+name, on)
		switch {
		case err != nil:
			return err
		case enabled && !on:
			e.Allowed = append(e.Allowed, name)
		case !enabled:
			e.Denied = append(e.Denied, name)
		}
	}
	return nil
}

// pin reads the tools that a toolset lists itself: no others are offered.
func (s *servers) pin(v []byte, param string, e *llm.MCPEntry) error {
	if jsonedit.IsNull(v) {
		return nil
	}
	if jsonedit.Kind(v) != '[' {
		return fault.Invalidf(param, "%s must be a list of tools with name, description and input_schema", param)
	}
	listed := []string{}
	for t := range jsonedit.Elements(v) {
		name, err := needText(jsonedit.Get(t, "name"), at(param, len(listed))+".name")
		if err != nil {
			return err
		}
		listed = append(listed, name)
	}
	if e.Filtered {
		listed = slices.DeleteFunc(listed, func(n string) bool { return !slices.Contains(e.Allowed, n) })
	}
	e.Allowed, e.Filtered = listed, true
	if s.pinned == nil {
		s.pinned = map[string]bool{}
	}
	s.pinned[e.Label] = true
	return nil
}

// object reads an object that the gateway obeys: it has members of keys only, each once.
func object(v []byte, param string, known *jsonedit.Keys) (jsonedit.Object, error) {
	if jsonedit.Kind(v) != '{' {
		return jsonedit.Object{}, fault.Invalidf(param, "%s must be an object", param)
	}
	obj, err := jsonedit.Scan(v, known)
	if a, ok := errors.AsType[*jsonedit.AmbiguousError](err); ok {
		return obj, ambiguous(param + "." + a.Key)
	}
	if err != nil {
		return obj, wire.ScanFault("messages.object", err)
	}
	for key := range jsonedit.Members(v) {
		if !obj.Value(string(key)).Found() {
			name, _ := jsonedit.Unquote([]byte(`"` + string(key) + `"`))
			return obj, fault.Invalidf(param+"."+name, "%s.%s is not known here", param, name)
		}
	}
	return obj, nil
}

func isAmbiguous(err error) bool {
	_, ok := errors.AsType[*jsonedit.AmbiguousError](err)
	return ok
}

func ambiguous(param string) error {
	return &fault.Error{Kind: fault.Invalid, Op: "messages.ReadRequest", Code: "ambiguous_json", Param: param, Message: param + " can be read in two ways: it stands there twice, or in a disguise"}
}

// needText reads a string that is not empty.
func needText(v []byte, param string) (string, error) {
	s, ok := jsonedit.Unquote(v)
	if !ok || s == "" {
		return "", fault.Invalidf(param, "%s must be a string that is not empty", param)
	}
	return s, nil
}

func texts(v []byte, param string) ([]string, error) {
	if jsonedit.Kind(v) != '[' {
		return nil, fault.Invalidf(param, "%s must be a list of strings", param)
	}
	out := []string{}
	for el := range jsonedit.Elements(v) {
		s, ok := jsonedit.Unquote(el)
		if !ok {
			return nil, fault.Invalidf(at(param, len(out)), "%s must be a string", at(param, len(out)))
		}
		out = append(out, s)
	}
	return out, nil
}

// at names an element of a list.
func at(param string, i int) string { return param + "[" + strconv.Itoa(i) + "]" }
