package front

import (
	"context"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// What requests of the stateless era say of themselves in _meta.
const (
	metaPrefix       = "io.modelcontextprotocol/"
	metaRevision     = metaPrefix + "protocolVersion"
	metaCapabilities = metaPrefix + "clientCapabilities"
	metaLogLevel     = metaPrefix + "logLevel"
	metaServer       = metaPrefix + "serverInfo"
	metaSubscription = metaPrefix + "subscriptionId"
)

// failure is an error with the HTTP status that goes with it.
type failure struct {
	*jsonrpc.Error
	status    int
	challenge string // the WWW-Authenticate of the answer
}

func refusal(status, code int, message string) *failure {
	return &failure{Error: fail(code, message), status: status}
}

// checkModern holds a request of the stateless era to what it says of itself, in its headers and its body. The headers are
// compared before anything is renamed.
func (x *exchange) checkModern() *failure {
	if f := x.checkRevision(); f != nil {
		return f
	}
	if got := header(x.r, "Mcp-Method"); !x.v.Local && got != x.m.Method {
		return refusal(http.StatusBadRequest, codeHeaders, "the header Mcp-Method is "+strconv.Quote(got)+", the body's method another")
	}
	if kind := jsonedit.Kind(jsonedit.Get(x.meta, metaCapabilities)); kind != '{' {
		return refusal(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "_meta has no object "+metaCapabilities)
	}
	m, ok := x.known()
	if !ok || m.named == "" {
		return nil
	}
	name, ok := jsonedit.Unquote(jsonedit.Get(x.m.Params, m.named))
	if !ok {
		return refusal(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "params has no text "+m.named)
	}
	if got, ok := mcp.DecodeHeader(header(x.r, "Mcp-Name")); !x.v.Local && (!ok || got != name) {
		return refusal(http.StatusBadRequest, codeHeaders, "the header Mcp-Name is missing, or differs from params."+m.named)
	}
	return nil
}

func (x *exchange) checkRevision() *failure {
	switch {
	case x.asked == "":
		return refusal(http.StatusBadRequest, jsonrpc.CodeInvalidParams, "_meta has no text "+metaRevision)
	case !x.v.Local && x.revision != x.asked:
		return refusal(http.StatusBadRequest, codeHeaders, "the header MCP-Protocol-Version is missing, or differs from "+metaRevision)
	case x.asked != revModern:
		f := refusal(http.StatusBadRequest, codeRevision, "the protocol revision is not supported here")
		f.Data = append(jsonedit.AppendQuote([]byte(`{"supported":["`+revModern+`"],"requested":`), x.asked), '}')
		return f
	}
	return nil
}

// capabilities are what the gateway has for its clients. A list may be empty.
const capabilities = `{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"completions":{},"logging":{}}`

// discover tells a client of the stateless era what there is.
func (x *exchange) discover(ctx context.Context, _ func(string, []byte)) answer {
	view, f := x.view(ctx)
	if f != nil {
		return answer{failure: f}
	}
	out := []byte(`{"resultType":"complete","supportedVersions":["` + revModern + `"],"capabilities":` + capabilities + `,`)
	out = view.appendInstructions(out)
	return answer{result: append(x.appendCaching(out, len(view.Failed()) > 0), '}')}
}

// appendInstructions appends what a server that is seen alone tells models, as a member with a comma behind it.
func (v *view) appendInstructions(dst []byte) []byte {
	if v.Instructions() == "" {
		return dst
	}
	return append(jsonedit.AppendQuote(append(dst, `"instructions":`...), v.Instructions()), ',')
}

// appendCaching appends the members that say how long a result may be kept, and by whom. What the gateway shows depends on
// the key.
func (x *exchange) appendCaching(dst []byte, partial bool) []byte {
	ttl := x.d.o.ListTTL.Milliseconds()
	if partial {
		ttl = 0
	}
	dst = strconv.AppendInt(append(dst, `"ttlMs":`...), ttl, 10)
	dst = append(dst, `,"cacheScope":"private","_meta":{"`+metaServer+`":`...)
	return append(append(dst, x.d.info...), '}')
}

// appendInfo appends what the gateway says that it is.
func appendInfo(dst []byte, version string) []byte {
	if version == "" {
		version = "dev"
	}
	return append(jsonedit.AppendQuote(append(dst, `{"name":"fairlead","title":"Fairlead","version":`...), version), '}')
}
