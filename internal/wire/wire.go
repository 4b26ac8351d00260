// Package wire cuts the formats that clients and providers speak. Each format is one folder below, used in both
// directions: a Door faces clients, an Upstream faces providers.
package wire

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/llm"
)

// Route is one path that a door serves.
type Route struct {
	Method string
	Path   string // a ServeMux path without the method
}

// Door is the half of a wire that faces clients.
type Door interface {
	// Name is the wire's name, the one in llm.Frame.
	Name() string
	Routes() []Route
	// ReadRequest reads the envelope only: model, stream, mocks, and whether MCP servers are named. It keeps body, and of h
	// what an upstream of the same wire must see.
	ReadRequest(h http.Header, body []byte) (*llm.Request, error)
	// Decode reads what the tool loop must know, and puts what req refers to (req.Replies, req.Approvals) in its place.
	// The conversation stays bytes.
	Decode(ctx context.Context, req *llm.Request) error
	// DecodeAll is Decode, and reads the conversation, the tools and all Params too: for a target of another wire.
	DecodeAll(ctx context.Context, req *llm.Request) error
	// WriteReply writes the whole reply, streamed or not as req says. An error is returned only while nothing has been
	// written: the caller then answers with WriteError. Later errors are told in the stream's own form.
	WriteReply(w http.ResponseWriter, req *llm.Request, reply iter.Seq2[llm.Event, error]) error
	WriteError(w http.ResponseWriter, err error)
}

// Archive is a Door whose replies clients may come back to by their ids: get them, delete them, cancel them, follow them.
type Archive interface {
	Door
	// Collection is the path below which replies are found: "/v1/responses".
	Collection() string
	// AppendInput appends a page of what the client said, as q asks for it (limit, order, after).
	AppendInput(dst []byte, r llm.Reply, q url.Values) ([]byte, error)
	// AppendDeleted appends the answer to a deletion.
	AppendDeleted(dst []byte, id string) []byte
	// AppendFailed appends the body of a reply that is kept as unfinished and that nobody makes any more.
	AppendFailed(dst []byte, r llm.Reply, e *fault.Error) []byte
	// AppendFailedEvent appends the event, with this number, that ends the stream of such a reply.
	AppendFailedEvent(dst []byte, r llm.Reply, number int64, e *fault.Error) []byte
	// Finished reports whether nothing more comes of a reply with this status.
	Finished(status string) bool
}

// Counter is a Door that says how large a request is without having it answered.
type Counter interface {
	Door
	// CountRoute is where it is asked, and op what an upstream of the same wire calls it (llm.Request.Op).
	CountRoute() (r Route, op string)
	// AppendCount appends the answer for a request that DecodeAll has read, as an estimate.
	AppendCount(dst []byte, req *llm.Request) []byte
}

// Upstream is the half of a wire that faces providers.
type Upstream interface {
	// Name is the wire's name, the one in llm.Frame.
	Name() string
	// Path is where requests go, below the provider's base URL: "/chat/completions". llm.Request.Op comes behind it.
	Path() string
	// AppendRequest appends the body that is sent. A request of the same wire is edited, not rebuilt.
	AppendRequest(dst []byte, req *llm.Request) ([]byte, error)
	// ReadReply reads a reply of status 200. It does not close body; it ends early when body fails, with that error.
	ReadReply(req *llm.Request, contentType string, body io.Reader) iter.Seq2[llm.Event, error]
	// ReadError turns a reply of another status into a fault.Error of kind Refused.
	ReadError(status int, body []byte) error
}

// Pather is an Upstream whose requests go to a path that depends on them: the model is a part of it, or whether the reply is
// streamed.
type Pather interface {
	Upstream
	// PathFor is where req goes, below the provider's base URL, escaped and with llm.Request.Op in it. It may end in a query.
	PathFor(req *llm.Request) string
}

// Quirks are the ways in which a provider departs from its wire. The zero value is the wire as its owner documents it.
// They are data of the provider table (provider/compat); the wire's codec obeys them.
type Quirks struct {
	Model           string   // the name that the provider knows the model by; empty: the request's
	NoStreamUsage   bool     // refuses stream_options, or sends usage without being asked
	DropParams      []string // top-level members that the provider refuses: left out
	RenameParams    map[string]string
	ForceWord       string   // its word for tool_choice "required", when it is another
	NoChoiceNone    bool     // refuses tool_choice "none": leave tools and choice out instead
	CallIDLen       int      // call ids must have this many alphanumerics; 0: any
	StrictSchema    bool     // schemas need additionalProperties:false and know few keywords
	ContentRequired bool     // an assistant message must have text, not null
	Replay          []string // members of an assistant message that must come back in later rounds
	MediaInResults  bool     // takes images in tool messages
	UsageMember     string   // where a stream's usage stands, when elsewhere: "x_groq.usage"
	TopK            bool     // takes top_k although the wire does not have it
	ThinkMarks      bool     // some of its models put their reasoning into the text, between <think> and </think>
	// Rules returns what is known of a model beside, by the name that is sent; nil for nothing. A nil Rules knows nothing.
	Rules func(model string) *Rules
}

// Rules are what one model takes, beside what its provider's wire has words for. They are data (provider.Models).
type Rules struct {
	Unsupported []string // parameters that it refuses, by the names that OpenAI's chat completions have for them
	Renames     *Params  // members that it knows by another name
	MaxOutput   int64    // the limit of an answer where the wire demands one and the request names none; 0: the wire's own
	Reasoning   string   // how a wire of several ways asks for reasoning: none | budget | adaptive; empty: the wire's own
	// Bridge says which requests over chat must go over responses: Tools, those that offer tools unless they ask for no
	// reasoning; ToolsEffort, those that offer tools and ask for reasoning; empty: none.
	Bridge string
}

// The values of Rules.Bridge.
const (
	BridgeTools       = "tools"
	BridgeToolsEffort = "tools_effort"
)

// RulesOf are the rules of a model, never nil.
func (q *Quirks) RulesOf(model string) *Rules {
	if q.Rules != nil {
		if r := q.Rules(model); r != nil {
			return r
		}
	}
	return &noRules
}

var noRules Rules
