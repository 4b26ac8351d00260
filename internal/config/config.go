// Package config reads the gateway's one YAML file into typed values. It is strict, and it reports every mistake that a
// file has, each with its line and column.
package config

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/secret"
)

// Config is a whole configuration, checked and with its defaults filled in. It is not changed after it has been read.
type Config struct {
	Listen           string // host:port; port 0 picks a free one
	PublicURL        string // where clients reach the gateway, without a slash at its end; empty: nobody has said
	Models           []Model
	Servers          []Server // mcp_servers, in the order of the file
	Toolsets         []Toolset
	Keys             []Key  // empty, and no OAuth either: no key is asked for, and Listen is a loopback address
	OAuth            OAuth  // whose access tokens are taken beside keys
	StreamToolRounds string // standard | hidden | annotated | legacy
	Limits           Limits
	Timeouts         Timeouts
	ExternalMCP      ExternalMCP
	Rules            []Rule        // about uses of MCP servers, in the order in which they are asked
	Taint            string        // what a tool may do that writes or sends out, after results of no trust were read: ask | deny | off
	Pins             string        // the lockfile of what servers show; empty: nothing is held to what was accepted
	WithholdFlagged  bool          // what reads like orders to a model is withheld where no lockfile decides; else it is logged
	Mocks            bool          // mock_response and mock_tool_calls in requests are honoured
	Prices           []Price       // of models, before those that are built in
	Store            secret.String // a file, or postgres://…; empty: what outlives a request is kept in memory
	// Secrets seal what clients hold for the gateway; the first one seals, all open. None: a secret of the process's own.
	Secrets []secret.String
}

// Model is one name that clients may ask for, and where it runs: its own Place, or Deployments.
type Model struct {
	Name string // "*" takes any name that no other model has, "openai/*" those with this beginning
	Place
	Deployments []Deployment // nil: Place holds
	Strategy    string       // which deployment is asked: weighted | least_busy | lowest_latency | cheapest; empty: weighted
	Retries     int          // how often one request may be sent again to a place that has failed it
	Fallbacks   Fallbacks
	// DropUnknown leaves out of a request what the provider's wire has no word for; else the request is refused.
	DropUnknown bool
}

// Place is where a model runs.
type Place struct {
	Provider string
	Model    string // the provider's name for it; empty when the model Takes: the rest of the client's name is passed on
	APIKey   secret.String
	BaseURL  string // empty: the provider's own
	Region   string // of a provider that has several addresses; empty: its environment says it
	Version  string // of the provider's API, where it has several; empty: the one that needs no name
	Project  string // of a provider whose customers have several; empty: its environment says it
	// Credentials are those of a provider that takes more than a key; empty: those that its own libraries find.
	Credentials secret.String
	Headers     map[string]secret.String // added to every upstream request
	Wire        string                   // chat | responses | messages | gemini | converse | cohere; empty: the one that the provider is spoken to in unasked
	// Rules count before what is built in about the model.
	Rules Rules
}

// Deployment is one of several places of a model.
type Deployment struct {
	Place
	Weight int // its part of the requests, beside the others' weights
}

// Fallbacks are the names of the models that are asked instead, in this order, by what went wrong. They lead in no circle.
type Fallbacks struct {
	RateLimit     []string
	ContextWindow []string
	ContentFilter []string
	Outage        []string
}

// Places are where the model runs: one or more.
func (m *Model) Places() []Deployment {
	if m.Deployments != nil {
		return m.Deployments
	}
	return []Deployment{{Place: m.Place, Weight: 1}}
}

// Takes reports whether the name ends in *, so that the model takes every name with its beginning.
func (m *Model) Takes() bool { return strings.HasSuffix(m.Name, "*") }

// Server is one MCP server: a command, a URL, or an HTTP API that an OpenAPI document describes.
type Server struct {
	Name           string
	Command        []string                 // stdio; empty when URL is set
	Env            map[string]secret.String // stdio: all the environment the child gets, beside PATH and HOME
	URL            string                   // may hold a secret in its query; it is not for messages
	Document       string                   // openapi: the path of a file or a URL, which may hold a secret in its query
	BaseURL        string                   // openapi: where requests go; empty: where the document says
	Transport      string                   // auto | http | sse | stdio
	Protocol       string                   // auto, or a revision such as "2025-11-25"
	Headers        map[string]secret.String // sent to the server with every request
	ForwardHeaders []string                 // taken from the client's request; lower case
	Auth           ServerAuth               // instead of an Authorization in them
	Allow          []string                 // the server's own tool names; nil: all
	Deny           []string                 // taken out of what Allow lets through
	Prefix         string                   // before offered names; "" for none
	Timeout        time.Duration            // one call; 0: Limits.CallTime
	ListTTL        time.Duration            // how long a list of tools is taken as fresh
	// ClientProcesses is how many further processes of Command may run, one for each client that it may ask things.
	ClientProcesses int
	Untrusted       bool // its results may be written by strangers
	// Params are what the parameters of some tools may be, by the server's own name of the tool and the name of the parameter:
	// a text, or a beginning with * behind it.
	Params map[string]map[string][]string
	Pinned []string // the kinds of what it shows that Config.Pins hold; nil: all
}

// Key is one client's key. Its text is not kept.
type Key struct {
	Name    string
	Hash    [sha256.Size]byte // HashKey of the key's text
	Models  []string          // nil: all; "*" stands for all, "openai/*" for a beginning; empty and not nil: none
	Servers []string          // nil: none; "*" stands for all
	// Toolsets it may use, beside Servers: of servers that are in these alone, only the tools that one of them has.
	Toolsets    []string
	Choices     []ToolChoice // what Toolsets come to
	Attach      []string     // servers and toolsets that every request of this key gets when it names none itself
	ToolSearch  bool         // models and MCP clients find tools by a search, in place of being told of all
	LongResults string       // cut | spill; empty: Limits.LongResults
}

// HashKey returns what a Key keeps of its text.
func HashKey(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// Limits bound one request.
type Limits struct {
	Rounds          int           // model calls that may ask for tools
	Calls           int           // tool calls in all rounds together
	ConcurrentCalls int           // tool calls side by side
	WallTime        time.Duration // the whole request, tool rounds included
	CallTime        time.Duration // one tool call
	ResultBytes     int64         // one tool result; what is over is cut off with a notice, or kept
	LongResults     string        // cut | spill: what becomes of a result that is over ResultBytes
	SpillBytes      int64         // how much of a result is kept
	BodyBytes       int64         // the body of a client's request
	UploadBytes     int64         // the body of one that is a form, with files
}

// Timeouts are what a provider and a quiet client connection are held to.
type Timeouts struct {
	Connect       time.Duration // until the provider's connection stands, TLS included
	FirstByte     time.Duration // from the request's last byte to the reply's first
	BetweenEvents time.Duration // between two events of a stream
	KeepAlive     time.Duration // a comment is sent to a streaming client that has heard nothing for so long
}

// ExternalMCP says which MCP servers a request may name by their own URL.
type ExternalMCP struct {
	Allow     []string // hosts in lower case: "host", "host:port", "*.domain", or "*" for all; empty: none
	Untrusted bool     // their results may be written by strangers
}

// The values of Config.StreamToolRounds.
const (
	StreamStandard  = "standard"
	StreamHidden    = "hidden"
	StreamAnnotated = "annotated"
	StreamLegacy    = "legacy"
)

// The values of Limits.LongResults.
const (
	ResultsCut   = "cut"
	ResultsSpill = "spill"
)

// The values of Model.Strategy.
const (
	StrategyWeighted = "weighted"
	StrategyBusy     = "least_busy"
	StrategyLatency  = "lowest_latency"
	StrategyCheapest = "cheapest"
)

const defaultListTTL = 5 * time.Minute

// Default returns the configuration of an empty file: no models, no servers, no keys.
func Default() *Config {
	return &Config{
		Listen:           "127.0.0.1:4000",
		StreamToolRounds: StreamStandard,
		Taint:            TaintAsk,
		Limits: Limits{
			Rounds: 10, Calls: 64, ConcurrentCalls: 8, WallTime: 10 * time.Minute, CallTime: time.Minute,
			ResultBytes: 256 << 10, LongResults: ResultsCut, SpillBytes: 16 << 20, BodyBytes: 32 << 20, UploadBytes: 512 << 20,
		},
		Timeouts: Timeouts{
			Connect: 10 * time.Second, FirstByte: 5 * time.Minute, BetweenEvents: 2 * time.Minute, KeepAlive: 15 * time.Second,
		},
	}
}

// Open reports whether everyone is let in, with neither keys nor tokens.
func (c *Config) Open() bool { return len(c.Keys) == 0 && len(c.OAuth.Issuers) == 0 }

// WithListen returns a copy that listens on addr, host:port. The error says what to do when the address is none, or when
// it would serve other machines without keys.
func (c *Config) WithListen(addr string) (*Config, error) {
	if w := listenAddr(addr); w != "" {
		return nil, fmt.Errorf("the listen address %s, not %q", w, addr)
	}
	out := *c
	if out.Listen = addr; c.Open() && !IsLoopback(addr) {
		return nil, fmt.Errorf("the listen address %s serves other machines, so it needs keys: add keys to the config, or listen on 127.0.0.1", addr)
	}
	return &out, nil
}
