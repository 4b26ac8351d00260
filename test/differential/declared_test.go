package differential

import (
	"strings"

	"github.com/fairlead/fairlead/internal/jsonedit"
)

// change is a difference that is meant.
type change struct {
	what string // and why
	ways way    // in which; what is empty is any
	step string // of which: the beginning of its name
	make func(line string) string
}

func (d *change) in(w way) bool {
	return (d.ways.client == "" || d.ways.client == w.client) && (d.ways.server == "" || d.ways.server == w.server) &&
		(d.ways.path == "" || d.ways.path == w.path)
}

// What the gateway says of itself.
const (
	self  = `{"name":"fairlead","title":"Fairlead","version":"dev"}`
	can   = `{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"completions":{},"logging":{}}`
	whole = `"ttlMs":60000,"cacheScope":"public","resultType":"complete"`
)

// declared are all differences between a server and the gateway in front of it.
var declared = []change{
	{
		"the handshake is the gateway's: its name, and what it can do itself",
		way{client: older},
		"initialize",
		message(`{"jsonrpc":"2.0","id":"first","result":{"protocolVersion":"2025-11-25","capabilities":` + can + `,"instructions":"Read me.","serverInfo":` + self + `}}`),
	},
	{
		"so is what is discovered; a client of the stateless era needs to know of no other",
		way{client: modern},
		"discover",
		message(`{"jsonrpc":"2.0","id":"first","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":` + can + `,"instructions":"Read me.","ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":` + self + `}}}`),
	},
	{
		"where all servers are shown, none speaks for them: a handshake",
		way{path: "/mcp", client: older},
		"initialize",
		replace(`"instructions":"Read me.",`, ""),
	},
	{
		"where all servers are shown, none speaks for them: what is discovered",
		way{path: "/mcp", client: modern},
		"discover",
		replace(`"instructions":"Read me.",`, ""),
	},
	{
		"the gateway keeps lists, without the spaces between their tokens",
		way{},
		"list",
		compact,
	},
	{
		"a list is the gateway's, and what one key sees is no other's: it says for how long it is good, for whom, and who lists",
		way{client: modern},
		"list",
		replace(whole, `"resultType":"complete","ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":`+self+`}`),
	},
	{
		"what one key may read is no other's",
		way{client: modern, server: modern},
		"read",
		replace(`"cacheScope":"public"`, `"cacheScope":"private"`),
	},
	{
		"a server of the older era does not say for how long what it has is good",
		way{client: modern, server: older},
		"read",
		replace(whole, `"resultType":"complete","ttlMs":0,"cacheScope":"private"`),
	},
	{
		"an error is its code, its message, which is written anew, and its data",
		way{},
		"refuses",
		replace(`no \u00e9`, "no é", `,"vendor/e":1.0`, ""),
	},
	{
		"what is not listed is not asked for, and looks like what the key may not use",
		way{},
		"unknown",
		replace("there is no nothing", "Unknown SUBJECT: nothing"),
	},
	{
		"methods that the gateway does not know are not passed on",
		way{},
		"unknown method",
		replace("Method not found", `there is no method \"METHOD\"`),
	},
	{
		"nor those of the other era",
		way{},
		"no method of its era",
		replace("Method not found", `there is no method \"METHOD\"`),
	},
	{
		"the end of a session has nothing to say",
		way{client: older},
		"delete",
		replace("200", "204"),
	},
	{
		"sessions are the gateway's own",
		way{client: older},
		"after the end",
		replace(`{"code":-32001,"message":"Session not found"}`, `{"code":-32600,"message":"there is no such session: begin anew with initialize"}`),
	},
	{
		"results keep what the stateless era puts into them, which readers of the older one pass over",
		way{client: older, server: modern},
		"",
		resultType,
	},
	{
		"and so do resources",
		way{client: older, server: modern},
		"read",
		replace(`,"resultType"`, `,"ttlMs":60000,"cacheScope":"public","resultType"`),
	},
	{
		"what a server wants back is sealed, so that it comes back where it belongs",
		way{client: modern, server: modern},
		"asks",
		replace(`"requestState":"state \u00e9"`, `"requestState":"SEALED"`),
	},
	{
		"a server of the older era asks one thing after the other; its call waits",
		way{client: modern, server: older},
		"asks",
		message(`{"jsonrpc":"2.0","id":11,"result":{"resultType":"input_required","inputRequests":{"input-1":` + questions[0] + `},"requestState":"SEALED"}}`),
	},
}

// message makes every message another one.
func message(m string) func(string) string {
	return func(line string) string {
		if strings.HasPrefix(line, "{") {
			return m
		}
		return line
	}
}

func compact(line string) string {
	if !strings.HasPrefix(line, "{") {
		return line
	}
	return string(jsonedit.Compact(nil, []byte(line)))
}

func replace(oldnew ...string) func(string) string { return strings.NewReplacer(oldnew...).Replace }

// resultType adds to the result of a call what it lacks in the older era. Lists, and what the gateway answers itself, are the
// gateway's.
func resultType(line string) string {
	before, result, ok := strings.Cut(line, `,"result":`)
	if !ok || result == "{}}" || strings.HasPrefix(result, `{"protocolVersion"`) {
		return line
	}
	for _, list := range []string{"tools", "prompts", "resources", "resourceTemplates"} {
		if strings.HasPrefix(result, `{"`+list+`":[`) {
			return line
		}
	}
	return before + `,"result":` + strings.TrimSuffix(result, "}}") + `,"resultType":"complete"}}`
}

// declare applies the changes to what a server has said.
func declare(w way, s step, used map[string]bool) []string {
	_, method, _ := strings.Cut(s.name, `"method":"`)
	method, _, _ = strings.Cut(method, `"`)
	subject := map[string]string{"tools/call": "tool", "prompts/get": "prompt"}[method]
	fill := strings.NewReplacer("METHOD", method, "SUBJECT", subject)
	var out []string
	for _, line := range s.lines {
		for i := range declared {
			d := &declared[i]
			if !d.in(w) || !strings.HasPrefix(s.name, d.step) {
				continue
			}
			if changed := fill.Replace(d.make(line)); changed != line {
				used[d.what] = true
				line = changed
			}
		}
		out = append(out, line)
	}
	return out
}
