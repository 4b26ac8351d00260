package mcp

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Server is one MCP server as the config names it.
type Server struct {
	Name           string
	Command        []string          // stdio
	Env            map[string]string // stdio: all the child gets beside PATH and HOME
	URL            string            // http, sse; openapi: where requests go, "" for where the document says
	Document       string            // openapi: the OpenAPI document, the path of a file or a URL
	Stamp          string            // openapi: another one when the file has changed
	Transport      string            // auto | http | sse | stdio | openapi; empty: auto (stdio when Command is set)
	Protocol       string            // auto, or a pinned revision such as "2025-11-25"; empty: auto
	Headers        map[string]string // sent to the server with every request (secrets already expanded)
	ForwardHeaders []string          // taken from the client's request
	Allow, Deny    []string          // the server's own tool names; Allow nil: all
	Params         ParamLists        // what the parameters of some tools may be
	Untrusted      bool              // its results may be written by strangers
	Prefix         string            // before offered names; "" for none
	Timeout        time.Duration     // one call; 0: the gateway's default
	ListTTL        time.Duration     // 0: the default
	External       bool              // named by a request, not by the config: dialled through the guarded dialer
	Auth           *Auth             // how it is shown who asks; nil: by headers alone
	Authorizer     Authorizer        // what shows it, for one session; nil: nothing does
	Client         []byte            // what is declared to the server, a raw object, for a session of one client's own; nil: nothing
	Children       int               // stdio: how many processes clients that can be asked may have of their own; 0: all share one, which asks nobody
}

// Session is one open connection to a server: a child process, or an HTTP session. It is used by many requests at once.
type Session interface {
	// ListTools walks all pages, within bounds. A *PartialError comes with what was listed until then.
	ListTools(ctx context.Context) ([]ToolDef, error)
	// CallTool returns the result object as it came, `{"content":[…],…}`. When ctx ends, the server is told to cancel
	// this one call. A JSON-RPC error of the server is a *RPCError, a session that is gone a *LostError.
	CallTool(ctx context.Context, call ToolCall) ([]byte, error)
	// Pass sends a client's request and returns the result object as it came, one that asks for input too. Otherwise it is
	// as CallTool.
	Pass(ctx context.Context, r Request) ([]byte, error)
	// List walks all pages of a list and returns its elements, each a JSON object without ambiguity. What the server does
	// not offer is empty.
	List(ctx context.Context, k Kind) ([][]byte, error)
	// Offers reports whether the server has declared a capability: ("resources", "subscribe").
	Offers(path ...string) bool
	// Follow has f called when the server says that a list other than that of tools has changed, or a resource. f must not
	// block. It counts from now on, in place of an earlier one.
	Follow(f func(method string, params []byte))
	// Subscribe asks to be told of changes of a resource, until ctx ends or the session does. It returns when the server has
	// taken the subscription or refused it.
	Subscribe(ctx context.Context, uri string) error
	// Done is closed when the session cannot be used any more.
	Done() <-chan struct{}
	// Close ends the session, and the process behind it with all its children.
	Close() error
}

// Kind is one kind of list that servers have.
type Kind struct {
	Method     string
	Member     string // of the result
	Capability string
	Noun       string // for people
}

// The lists.
var (
	Tools     = Kind{"tools/list", "tools", "tools", "tools"}
	Prompts   = Kind{"prompts/list", "prompts", "prompts", "prompts"}
	Resources = Kind{"resources/list", "resources", "resources", "resources"}
	Templates = Kind{"resources/templates/list", "resourceTemplates", "resources", "resource templates"}
)

// ToolDef is a tool as its server lists it.
type ToolDef struct {
	Name        string
	Description string
	InputSchema []byte // raw JSON
	Hints
	Raw []byte // the whole object as it came
}

// ToolCall is one tools/call.
type ToolCall struct {
	Name      string            // the server's own name
	Arguments []byte            // a JSON object, as the model wrote it
	Meta      map[string]string // members of _meta: traceparent, tracestate
	Headers   http.Header       // HTTP transports: beside the session's own, for this request only
	Progress  func()            // called for each progress notification of this call; may be nil
}

// Asker is implemented by sessions whose server may ask its client for something in the midst of a request, by requests of its
// own: those of the older era.
type Asker interface{ Asks() bool }

// Client is a client that declares that it can be asked things.
type Client struct {
	Key          string // tells clients apart
	Capabilities []byte // a raw object
}

// Request is one request of an MCP client that is passed on to a server.
type Request struct {
	Method       string
	Params       []byte      // a JSON object without ambiguity, or nil; its _meta is not looked at
	Name         string      // of the tool, prompt or resource that Params name; for the headers of the stateless era
	Meta         []byte      // raw members of _meta that are the client's own, each with a comma behind it
	Capabilities []byte      // what the client declares, a raw object; nil: nothing
	LogLevel     string      // the client wants the server's log of this request from this level on; "": it does not
	Progress     bool        // the client wants to hear of progress
	Headers      http.Header // HTTP transports: beside the session's own, for this request only
	// Ask answers what a server of the older era asks in the midst of the request. It may take as long as it likes: the
	// call's time stands still meanwhile. Client is who answers, and gets a session of its own; nil: nobody does, so that Ask
	// had better refuse. Of requests with the same Party, one may be asked for another; "" stands for none.
	Ask    func(method string, params []byte) (result []byte, err *RPCError)
	Client *Client
	Party  string
	// Notify is called for each notification that belongs to this request, in their order and before Pass returns. It must
	// not block; params may be kept. The progress token in them is not the client's. It may be nil.
	Notify func(method string, params []byte)
}

// Dial opens a session. ctx bounds the opening only. headers are the credentials of the caller, nil for none. changed is
// called when the server says that its tools have changed.
type Dial func(ctx context.Context, server Server, headers http.Header, changed func()) (Session, error)

// RPCError is an error that the server answered with. The message is the server's.
type RPCError struct {
	Code    int
	Message string
	Data    []byte
}

// Error is the server's message.
func (e *RPCError) Error() string { return e.Message }

// LostError says that a session is gone. Message names no address and can be shown to a client and a model.
type LostError struct {
	Message string // "the process exited with status 1"
	Unsent  bool   // the server has certainly not begun the call: it may be repeated on a new session
	Err     error
}

// Error is the message.
func (e *LostError) Error() string { return e.Message }

// Unwrap returns the cause, for the log.
func (e *LostError) Unwrap() error { return e.Err }

// PartialError says why a list is not whole: a bound was reached, or the server's pages do not end. What came before is good.
// Message names no address and can be shown to a client and a model.
type PartialError struct{ Message string }

// Error is the message.
func (e *PartialError) Error() string { return e.Message }

// Unavailable is an error whose message can be shown to clients and models as it is: it names no address and no secret.
type Unavailable struct {
	Message string
	Err     error
}

// Error is the message.
func (e *Unavailable) Error() string { return e.Message }

// Unwrap returns the cause, for the log.
func (e *Unavailable) Unwrap() error { return e.Err }

// SafeMessage returns what of err may be shown to clients and models.
func SafeMessage(err error) string {
	if e, ok := errors.AsType[*RPCError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*LostError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*Unavailable](err); ok {
		return e.Message
	}
	if e := Login(err); e != nil {
		return e.Text()
	}
	if e, ok := errors.AsType[*PartialError](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Error()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "the server could not be reached"
}
