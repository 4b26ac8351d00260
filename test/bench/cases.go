package main

import (
	"cmp"
	"fmt"
	"strings"
)

// testCase is one kind of request. The bodies are the same for all targets; the path says to the model how to answer, and
// through the gateway the model's name does.
type testCase struct {
	name        string
	what        string
	path        string // the model's: /<path>/v1/chat/completions
	body        func(model string) string
	mcp         bool   // goes to the MCP server
	door        string // the gateway's endpoint; empty: chat completions
	likeWire    string // the case that relays the same over one wire: what this one costs is told as its multiple
	gatewayOnly bool   // no relay can do it
	relayOnly   bool   // no meaning for the gateway
	want        string // in the reply
	floor       float64
	against     string // the target that the floor is a multiple of; empty: nginx
	headers     string // beside those of every request; empty: those of an MCP client of the older era

	gatewayHeaders string                    // through the gateway
	gatewayBody    func(model string) string // nil: the same as body
}

const (
	clientKey = "sk-bench-0123456789abcdef"
	modelKey  = "sk-upstream-0123456789"
	done      = "data: [DONE]"
	answer    = "that was all"
)

// tools are what a tool round is made of, in the order of its hops.
var hops = []string{"hop model 1", "hop MCP", "hop model 2"}

func cases() []testCase {
	return []testCase{
		{name: "1KB", what: "request 1 KB, reply 1 KB", path: "plain", body: chat(1<<10, false), want: `"usage"`, floor: 3.3},
		{name: "64KB", what: "request 64 KB, reply 1 KB", path: "plain", body: chat(64<<10, false), want: `"usage"`, floor: 3.0},
		{name: "stream", what: "request 1 KB, reply of 100 chunks", path: "stream", body: chat(1<<10, true), want: done, floor: 2.0},
		{name: "tools", what: "one tool round in a streamed chat, 10 tools", path: "tools", body: toolChat, want: answer, gatewayOnly: true, floor: 12},
		{name: hops[0], path: "tools", body: firstCall, want: done, relayOnly: true},
		{name: hops[1], mcp: true, body: func(string) string { return mcpCall }, want: "echo", relayOnly: true},
		{name: hops[2], path: "tools", body: secondCall, want: answer, relayOnly: true},
		{
			name: "mcp call", what: "tools/call of an echo through /mcp, with key, headers and admission", mcp: true, path: "/mcp", door: "/mcp", against: proxyName,
			headers: callHeaders("echo_0"), gatewayHeaders: callHeaders("echo-echo_0"), body: statelessCall("echo_0"), gatewayBody: statelessCall("echo-echo_0"), want: "echo: hello", floor: 1.3,
		},
		{
			name: "mcp list", what: "tools/list of 500 tools", mcp: true, path: "/many", door: "/mcp/many", against: proxyName,
			headers: listHeaders, gatewayHeaders: listHeaders, body: statelessList, gatewayBody: statelessList, want: manyLast, floor: 1.2,
		},
		{name: "responses 1KB", what: "responses → chat, request 1 KB, reply 1 KB", path: "plain", door: responsesDoor, body: responses(false), want: `"usage"`, gatewayOnly: true, likeWire: "1KB"},
		{name: "responses stream", what: "responses → chat, reply of 100 chunks", path: "stream", door: responsesDoor, body: responses(true), want: done, gatewayOnly: true, likeWire: "stream"},
		{name: "responses tools", what: "one tool round in a responses stream", path: "tools", door: responsesDoor, body: toolResponses, want: answer, gatewayOnly: true, likeWire: "tools"},
		{name: "messages 1KB", what: "messages → chat, request 1 KB, reply 1 KB", path: "plain", door: messagesDoor, body: messages(false), want: `"usage"`, gatewayOnly: true, likeWire: "1KB"},
		{name: "messages stream", what: "messages → chat, reply of 100 chunks", path: "stream", door: messagesDoor, body: messages(true), want: "message_stop", gatewayOnly: true, likeWire: "stream"},
		{name: "messages tools", what: "one tool round in a messages stream", path: "tools", door: messagesDoor, body: toolMessages, want: answer, gatewayOnly: true, likeWire: "tools"},
	}
}

// The endpoints of the other dialects.
const (
	responsesDoor = "/v1/responses"
	messagesDoor  = "/v1/messages"
)

// concerns reports whether the case is measured against a target.
func (c testCase) concerns(t target) bool {
	return (!c.gatewayOnly || t.full) && (!c.relayOnly || !t.full) && (!t.only || c.against == t.name)
}

// request is a whole request, head and body.
func (c testCase) request(addr string, gateway bool) []byte {
	path, key, headers, makeBody := "/"+c.path+"/v1/chat/completions", modelKey, c.headers, c.body
	if c.mcp {
		path = cmp.Or(c.path, "/mcp")
	}
	if gateway {
		path, key, headers = cmp.Or(c.door, "/v1/chat/completions"), clientKey, c.gatewayHeaders
		if c.gatewayBody != nil {
			makeBody = c.gatewayBody
		}
	}
	headers = cmp.Or(headers, "MCP-Protocol-Version: 2025-11-25\r\n")
	body := makeBody(c.path)
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
		"User-Agent: bench\r\n%sContent-Length: %d\r\n\r\n%s", path, addr, key, headers, len(body), body)
}

// prose is a line as people write them: a quotation now and then, and a line break at its end.
const prose = `The quick brown fox said \"good day\" to the lazy dog, who had seen 12 foxes that week and was not impressed by them,\n` +
	`nor by anything else that runs about in a field where others sleep; it went on for a line or two in this manner.\n`

// chat is a plain request of about size bytes.
func chat(size int, stream bool) func(string) string {
	return func(model string) string {
		head := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"system","content":"You are helpful."}`, model, stream)
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < size-200 || i == 0; i++ {
			role := [...]string{"user", "assistant"}[i%2]
			text := strings.Repeat(prose, min(10, max(1, (size-b.Len()-100)/len(prose))))
			fmt.Fprintf(&b, `,{"role":%q,"content":"%s"}`, role, text)
		}
		b.WriteString(`],"temperature":0.7,"max_tokens":256,"user":"bench"`)
		if stream {
			b.WriteString(`,"stream_options":{"include_usage":true}`)
		}
		b.WriteString("}")
		return b.String()
	}
}

// turns are about 1 KB of conversation.
var turns = func() string {
	var all []string
	for _, role := range []string{"user", "assistant", "user"} {
		all = append(all, fmt.Sprintf(`{"role":%q,"content":"%s"}`, role, prose))
	}
	return strings.Join(all, ",")
}()

func responses(stream bool) func(string) string {
	return func(model string) string {
		return fmt.Sprintf(`{"model":%q,"stream":%v,"store":false,"instructions":"You are helpful.","input":[%s],"temperature":0.7,"max_output_tokens":256}`, model, stream, turns)
	}
}

func messages(stream bool) func(string) string {
	return func(model string) string {
		return fmt.Sprintf(`{"model":%q,"stream":%v,"system":"You are helpful.","messages":[%s],"temperature":0.7,"max_tokens":256}`, model, stream, turns)
	}
}

func toolResponses(model string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"store":false,"input":"Say it again.",`+
		`"tools":[{"type":"mcp","server_label":"bench","server_url":"fairlead/mcp/bench","require_approval":"never"}]}`, model)
}

func toolMessages(model string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"max_tokens":256,"messages":[{"role":"user","content":"Say it again."}],`+
		`"tools":[{"type":"mcp","server_label":"bench","server_url":"fairlead/mcp/bench","require_approval":"never"}]}`, model)
}

func toolChat(model string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"Say it again."}],`+
		`"tools":[{"type":"mcp","server_label":"bench","server_url":"fairlead/mcp/bench","require_approval":"never"}]}`, model)
}

// toolBlock is what a model is told of the ten tools.
var toolBlock = func() string {
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf(`{"type":"function","function":{"name":"bench-%s","description":%q,"parameters":%s}}`, toolName(i), toolText, toolSchema))
	}
	return "[" + strings.Join(all, ",") + "]"
}()

const (
	toolText   = "Repeats a text, as often as it is asked to, in the case that it is asked for."
	toolSchema = `{"type":"object","properties":{"text":{"type":"string","description":"what to repeat"},"times":{"type":"integer","minimum":1},"upper":{"type":"boolean"}},"required":["text"]}`
	callArgs   = `{"text":"hello","times":1}`
	callID     = "call_0123456789"
	mcpCall    = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo_0","arguments":` + callArgs + `}}`
)

// What requests of the stateless era of MCP say of themselves.
const (
	statelessMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
	listHeaders   = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"
)

func callHeaders(tool string) string {
	return "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: " + tool + "\r\n"
}

func statelessCall(tool string) func(string) string {
	return func(string) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + callArgs + `,` + statelessMeta + `}}`
	}
}

func statelessList(string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{` + statelessMeta + `}}`
}

// manyTools are how many tools the long list has, and manyLast is its last one.
const (
	manyTools = 500
	manyLast  = "echo_499"
)

func toolName(i int) string { return fmt.Sprintf("echo_%d", i) }

func firstCall(model string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"Say it again."}],"tools":%s}`, model, toolBlock)
}

func secondCall(model string) string {
	return fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"Say it again."},`+
		`{"role":"assistant","content":null,"tool_calls":[{"id":%q,"type":"function","function":{"name":"bench-echo_0","arguments":%q}}]},`+
		`{"role":"tool","tool_call_id":%q,"content":"echo: hello"}],"tools":%s}`, model, callID, callArgs, callID, toolBlock)
}
