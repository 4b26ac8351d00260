package responses

import (
	"net/url"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/wire"
)

// echoed are the members of a request that its response shows again, each with what stands in its place when the request
// does not say. All of them must be there, by the Open Responses schema.
var echoed = []struct{ name, absent string }{
	{"background", "false"},
	{"frequency_penalty", "0"},
	{"instructions", "null"},
	{"max_output_tokens", "null"},
	{"max_tool_calls", "null"},
	{"metadata", "{}"},
	{"parallel_tool_calls", "true"},
	{"presence_penalty", "0"},
	{"previous_response_id", "null"},
	{"prompt_cache_key", "null"},
	{"safety_identifier", "null"},
	{"service_tier", `"default"`},
	{"temperature", "1"},
	{"tool_choice", `"auto"`},
	{"top_logprobs", "0"},
	{"top_p", "1"},
	{"truncation", `"disabled"`},
	{"user", "null"},
}

// appendEcho appends the members of a response that come from its request, each with a comma before it. They stand as the
// client wrote them, but for what nobody else is to see: credentials of MCP servers.
func appendEcho(dst, body []byte) []byte {
	said := make(map[string][]byte, 32)
	for key, v := range jsonedit.Members(body) {
		if _, twice := said[string(key)]; !twice && !jsonedit.IsNull(v) {
			said[string(key)] = v
		}
	}
	for _, m := range echoed {
		dst = append(append(append(dst, `,"`...), m.name...), `":`...)
		if v := said[m.name]; v != nil {
			dst = appendLine(dst, v)
		} else {
			dst = append(dst, m.absent...)
		}
	}
	dst = append(dst, `,"text":`...)
	dst = appendWith(dst, said["text"], "format", `{"type":"text"}`)
	dst = append(dst, `,"reasoning":`...)
	dst = appendWith(dst, said["reasoning"], "effort", "null", "summary", "null")
	dst = append(dst, `,"tools":[`...)
	n := 0
	for t := range jsonedit.Elements(said["tools"]) {
		dst = appendEchoedTool(comma(dst, n), t)
		n++
	}
	return append(dst, ']')
}

// appendWith appends an object with members that it must have; pairs are their names and what they are when absent.
func appendWith(dst, obj []byte, pairs ...string) []byte {
	dst = append(dst, '{')
	n := 0
	for key, v := range jsonedit.Members(obj) {
		dst = append(append(append(comma(dst, n), '"'), key...), `":`...)
		dst = appendLine(dst, v)
		n++
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if jsonedit.Get(obj, pairs[i]) == nil {
			dst = append(append(append(comma(dst, n), '"'), pairs[i]...), `":`...)
			dst = append(dst, pairs[i+1]...)
			n++
		}
	}
	return append(dst, '}')
}

func appendEchoedTool(dst, t []byte) []byte {
	switch kind, _ := jsonedit.Unquote(jsonedit.Get(t, "type")); kind {
	case "function":
		return appendWith(dst, t, "description", "null", "parameters", "null", "strict", "null")
	case "mcp":
		return appendEchoedServer(dst, t)
	}
	return appendLine(dst, t)
}

// appendEchoedServer appends an MCP entry without what may be a secret: authorization, headers, and of the address the user
// and the query.
func appendEchoedServer(dst, t []byte) []byte {
	public := []byte{'{'}
	n := 0
	for key, v := range jsonedit.Members(t) {
		if jsonedit.KeyIs(key, "authorization") || jsonedit.KeyIs(key, "headers") {
			continue
		}
		public = append(append(append(comma(public, n), '"'), key...), `":`...)
		if jsonedit.KeyIs(key, "server_url") && !jsonedit.IsNull(v) {
			address, _ := jsonedit.Unquote(v)
			v = jsonedit.AppendQuote(nil, publicURL(address))
		}
		public = append(public, v...)
		n++
	}
	public = append(public, '}')
	return appendWith(dst, public, "allowed_tools", "null", "headers", "null", "require_approval", `"always"`)
}

func publicURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		address, _, _ = strings.Cut(address, "?")
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			address = address[i+1:]
		}
		return address
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}

// response appends the response object as it is now.
func (w *writer) response(dst []byte) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), w.id)
	dst = appendInt(append(dst, `,"object":"response","created_at":`...), w.created)
	dst = jsonedit.AppendQuote(append(dst, `,"status":`...), w.status)
	dst = append(dst, `,"completed_at":`...)
	if w.status == statusCompleted {
		dst = appendInt(dst, w.completed)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"error":`...)
	if w.failure != nil && w.status == statusFailed {
		dst = appendResponseError(dst, w.failure)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	if w.status == statusIncomplete {
		dst = append(jsonedit.AppendQuote(append(dst, `{"reason":`...), w.reason), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = jsonedit.AppendQuote(append(dst, `,"model":`...), w.model)
	dst = w.items(append(dst, `,"output":`...))
	dst = appendBool(append(dst, `,"store":`...), w.stores)
	if w.over() {
		dst = w.usage.appendTo(append(dst, `,"usage":`...))
	} else {
		dst = append(dst, `,"usage":null`...)
	}
	return append(append(dst, w.echo...), '}')
}

// items appends the array of the items that are done.
func (w *writer) items(dst []byte) []byte {
	dst = append(dst, '[')
	n := 0
	for _, o := range w.out {
		if o.raw != nil {
			dst = append(comma(dst, n), o.raw...)
			n++
		}
	}
	return append(dst, ']')
}

// appendResponseError appends what a failed response has for its error.
func appendResponseError(dst []byte, e *fault.Error) []byte {
	code := e.Code
	if code == "" {
		code = wire.OpenAIErrorType(e)
	}
	dst = jsonedit.AppendQuote(append(dst, `{"code":`...), code)
	return append(jsonedit.AppendQuote(append(dst, `,"message":`...), e.Message), '}')
}
