package config

import (
	"slices"

	"github.com/fairlead/fairlead/internal/secret"
)

// The tables below are the whole of the file's form. The decoder and the JSON Schema both read them.

func configFields(c *Config) []field {
	return []field{
		{name: "listen", to: text{&c.Listen, listenAddr}, doc: "Host and port to serve on. Anything but a loopback address needs keys."},
		{name: "public_url", to: address{&c.PublicURL, publicURL}, doc: "Where clients reach this gateway, such as https://gateway.example.com: what they are told to come back to, and a name of the gateway's own. https, or http on a loopback address."},
		{name: "models", to: list[Model]{to: &c.Models, fields: modelFields}, doc: "The models that clients may ask for."},
		{name: "mcp_servers", to: named[Server]{&c.Servers, newServer, serverName, serverFields}, doc: "The MCP servers, by name. Their order decides who keeps a tool name that two have."},
		{name: "toolsets", to: toolsets{&c.Toolsets}, doc: `Named choices of tools: of each server the tools by its own names, or ["*"] for all of the server, its prompts and resources too. A toolset is asked for wherever a server is, by its name.`},
		{name: "keys", to: list[Key]{to: &c.Keys, fields: keyFields}, doc: "The clients' keys. None at all, and no oauth: no key is asked for, and listen must be a loopback address."},
		{name: "oauth", to: group{oauthFields(&c.OAuth)}, doc: "Access tokens that MCP clients may send instead of a key. Needs public_url."},
		{
			name: "stream_tool_rounds", to: choice{&c.StreamToolRounds, []string{StreamStandard, StreamHidden, StreamAnnotated, StreamLegacy}},
			doc: "How rounds of tool calls show in a chat stream.",
		},
		{name: "limits", to: group{limitFields(&c.Limits)}, doc: "What one request may take."},
		{name: "timeouts", to: group{timeoutFields(&c.Timeouts)}, doc: "What providers and quiet connections are held to."},
		{name: "external_mcp", to: group{externalFields(&c.ExternalMCP)}, doc: "MCP servers that a request names by their URL."},
		{name: "rules", to: list[Rule]{to: &c.Rules, fields: policyFields}, doc: "Rules about uses of MCP servers: the first one that is true decides. docs/policy.md tells of them."},
		{
			name: "taint", to: choice{&c.Taint, []string{TaintAsk, TaintDeny, TaintOff}},
			doc: "What becomes of a call that writes or sends out, after a result of a server whose trust is untrusted was read: a person is asked, it is denied, or nothing is done.",
		},
		{name: "pins", to: lockPath{&c.Pins}, doc: "The lockfile of what MCP servers show to models, which fairlead pin writes; a relative path starts in the folder of the config. What is new in it or has changed is withheld until fairlead pin --accept. Absent: everything is shown."},
		{name: "flagged", to: either{&c.WithholdFlagged, [2]string{"warn", "withhold"}}, doc: "What is done with what servers show when it reads like orders to a model and no lockfile decides: warn says so in the log, withhold also leaves it out."},
		{name: "mocks", to: truth{&c.Mocks}, doc: "Whether mock_response and mock_tool_calls in requests are honoured."},
		{name: "prices", to: named[Price]{&c.Prices, newPrice, priceName, priceFields}, doc: "What models cost, by provider/model, or by model for every provider; a * at the end stands for the rest of a name. It counts before what is built in."},
		{
			name: "store", to: storage{&c.Store},
			doc: "Where kept replies, open approvals, hidden turns and users' tokens for MCP servers are: the path of a file (SQLite; relative paths start in the folder of the config), or postgres://user:password@host/database for several replicas, best as ${NAME}. Absent: in memory, and gone when the gateway ends.",
		},
		{
			name: "secrets", to: hiddenTexts{&c.Secrets, texts{each: secretItem, least: 1, once: true}},
			doc: "What seals the ids of MCP sessions and the tokens of users for MCP servers, best as ${NAME}, 16 characters or more. The first one seals and all of them open, so that a new one is put in front and an old one taken out a day later. Replicas have the same. Absent: random, so that sessions and logins end with the process.",
		},
	}
}

func secretItem(to *string) value { return hidden{func(s string) { *to = s }, sealing} }

func modelFields(m *Model) []field {
	return slices.Concat(
		[]field{{name: "name", to: text{&m.Name, modelName}, required: true, doc: `What clients ask for; "*" takes any name and passes it on, "a/*" any that begins with a/, and passes on the rest.`}},
		placeFields(&m.Place),
		[]field{
			{
				name: "unknown_params", to: either{&m.DropUnknown, [2]string{"refuse", "drop"}},
				doc: "What is done with members of a request that the provider's wire has no word for: the request is refused, or they are left out and named in x-fairlead-dropped-params.",
			},
			{name: "deployments", to: list[Deployment]{to: &m.Deployments, zero: Deployment{Weight: 1}, fields: deploymentFields}, doc: "Several places where the model runs, instead of one provider."},
			{
				name: "strategy", to: choice{&m.Strategy, []string{StrategyWeighted, StrategyBusy, StrategyLatency, StrategyCheapest}},
				doc: "Which of the deployments that can be asked is asked; by default weighted.",
			},
			{name: "retries", to: count{&m.Retries, 0, 10}, doc: "How often one request may be sent again to a place that has failed it; by default 2 with deployments or fallbacks, else 0."},
			{name: "fallbacks", to: group{fallbackFields(&m.Fallbacks)}, doc: "Models that are asked instead, by what went wrong."},
		},
	)
}

// placeFields are the keys that say where a model runs. Which of them must be there, check knows.
func placeFields(p *Place) []field {
	return []field{
		{name: "provider", to: text{&p.Provider, plainName}, doc: "A provider that the gateway knows, such as openai or anthropic."},
		{name: "model", to: text{&p.Model, modelName}, doc: "The provider's name for the model; by default the same name."},
		{name: "api_key", to: hidden{func(s string) { p.APIKey = secret.New(s) }, credential}, doc: "The provider's key, best as ${NAME} or ${file:/path}. Without one azure asks Microsoft Entra ID for a token: with AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, or as a managed identity."},
		{name: "base_url", to: address{&p.BaseURL, baseURL}, doc: "Where the provider is, as its own SDK takes it."},
		{name: "region", to: text{&p.Region, regionName}, doc: "The region of a provider that has several, such as us-east-1 for bedrock or europe-west4 for vertex; by default what AWS_REGION or the profile says, or GOOGLE_CLOUD_LOCATION, else global."},
		{name: "project", to: text{&p.Project, projectName}, doc: "The project at Google Cloud, for vertex; by default the one of the credentials, or what GOOGLE_CLOUD_PROJECT says."},
		{name: "credentials", to: hidden{func(s string) { p.Credentials = secret.New(s) }, credentials}, doc: "Google's credentials for vertex in JSON, those of a service account say, best as ${file:/path/key.json}; by default the application default credentials."},
		{name: "api_version", to: text{&p.Version, versionName}, doc: "The version of the provider's API, for azure: with a date such as 2024-10-21 requests go to the API of deployments, which model names; without one to the v1 API."},
		{name: "headers", to: pairs{&p.Headers, headerName, headerValue, true}, doc: "Headers for every request to the provider."},
		{
			name: "wire", to: choice{&p.Wire, []string{"chat", "responses", "messages", "gemini", "converse", "cohere"}},
			doc: "The format in which the provider is asked, where it speaks several: OpenAI's chat completions or responses, Anthropic's messages, Google's gemini, Amazon's converse, or Cohere's own. By default the provider's own.",
		},
		{name: "rules", to: group{ruleFields(&p.Rules)}, doc: "What the model takes, where the built-in rules say something else or nothing."},
	}
}

func deploymentFields(p *Deployment) []field {
	return append(placeFields(&p.Place), field{name: "weight", to: count{&p.Weight, 1, 1000}, doc: "Its part of the requests, beside the weights of the others."})
}

func fallbackFields(f *Fallbacks) []field {
	list := func(name string, to *[]string, doc string) field {
		return field{name: name, to: texts{to: to, each: oneModel, once: true}, doc: doc}
	}
	return []field{
		list("rate_limit", &f.RateLimit, "When the provider takes no more requests or tokens for now, or the credit is used up."),
		list("context_window", &f.ContextWindow, "When the conversation is too long for the model."),
		list("content_filter", &f.ContentFilter, "When the provider's filter refuses the request."),
		list("outage", &f.Outage, "When the provider cannot be reached, is too slow, fails or refuses its key."),
	}
}

func newServer(name string) Server {
	return Server{Name: name, Transport: "auto", Protocol: "auto", Prefix: name, ListTTL: defaultListTTL}
}

func serverFields(s *Server) []field {
	return []field{
		{name: "command", to: texts{to: &s.Command, each: oneArgument, least: 1}, doc: "The program to run and its arguments; it speaks MCP on standard input and output."},
		{name: "env", to: pairs{&s.Env, envName, anyText, false}, doc: "The environment of the command, beside PATH and HOME."},
		{name: "url", to: address{&s.URL, serverURL}, doc: "Where the server is, instead of a command."},
		{name: "client_processes", to: count{&s.ClientProcesses, 0, 1000}, doc: "How many further processes of the command may run, one for each MCP client that it may ask things: that declares sampling, elicitation or roots. 0: all clients share one, which asks nobody."},
		{name: "openapi", to: documentAt{&s.Document}, doc: "An OpenAPI document, instead of a server: each operation of the HTTP API that it describes is a tool. The path of a file, which starts in the folder of the config, or a URL."},
		{name: "base_url", to: address{&s.BaseURL, baseURL}, doc: "Where the requests of an OpenAPI document go. Absent: to the first of its servers, which must be on the document's own host if that is a URL."},
		{name: "transport", to: choice{&s.Transport, []string{"auto", "http", "sse", "stdio"}}, doc: "How to speak to the server: auto, http or sse with a url, stdio with a command."},
		{name: "protocol", to: choice{&s.Protocol, protocols()}, doc: "The revision of MCP; auto finds out and remembers."},
		{name: "headers", to: pairs{&s.Headers, headerName, headerValue, true}, doc: "Headers for every request to the server."},
		{name: "forward_headers", to: texts{to: &s.ForwardHeaders, each: oneForwarded, once: true}, doc: "Headers that are taken from the client's request."},
		{name: "auth", to: group{serverAuthFields(&s.Auth)}, doc: "How the server is shown who asks, by tokens of OAuth or by signatures of AWS."},
		{name: "tools", to: group{toolFields(s)}, doc: "Which of the server's tools are offered."},
		{name: "prefix", to: text{&s.Prefix, prefix}, doc: `What stands before the names of the offered tools; by default the server's name, "" for none.`},
		{name: "timeout", to: duration{&s.Timeout}, doc: "How long one call may take; by default limits.call_time."},
		{name: "list_ttl", to: duration{&s.ListTTL}, doc: "How long the list of tools is taken as fresh."},
		trust(&s.Untrusted, "Whether what the server says may come from strangers: then taint decides what is called after it."),
		{name: "pinned", to: texts{to: &s.Pinned, each: onePinned, once: true}, doc: "Which kinds of what the server shows the lockfile of pins holds: tools, prompts, resources, templates, instructions; by default all, [] for none."},
	}
}

// protocols are the values of a server's protocol.
func protocols() []string {
	return []string{"auto", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}
}

func toolFields(s *Server) []field {
	return []field{
		{name: "allow", to: texts{to: &s.Allow, each: oneTool, once: true}, doc: "The server's own names of the tools that are offered; absent: all."},
		{name: "deny", to: texts{to: &s.Deny, each: oneTool, once: true}, doc: "The server's own names of tools that are not offered, allowed or not."},
		{name: "params", to: params(&s.Params), doc: "What the parameters of a tool may be, by the tool's own name and that of the parameter: texts, numbers as they are written, or beginnings with * behind them. A parameter that is not named may not be given."},
	}
}

func keyFields(k *Key) []field {
	return []field{
		{name: "name", to: text{&k.Name, plainName}, required: true, doc: "What logs call this key."},
		{name: "key", to: hidden{func(s string) { k.Hash = HashKey(s) }, credential}, doc: "The key's text, best as ${NAME} or ${file:/path}."},
		{name: "key_hash", to: hidden{func(string) {}, func(s string) string { return parseKeyHash(s, &k.Hash) }}, doc: "Instead of key: sha256:<64 hex digits>."},
		{name: "models", to: texts{to: &k.Models, each: oneModel, once: true}, doc: "The models it may use, by name or as a beginning with * behind it; absent: all."},
		{name: "mcp_servers", to: texts{to: &k.Servers, each: oneServer, once: true}, doc: `The MCP servers it may use; absent: none; ["*"]: all.`},
		{name: "toolsets", to: texts{to: &k.Toolsets, each: oneServer, once: true}, doc: "The toolsets it may use, beside mcp_servers: of a server that is not there, it has the tools of these sets alone."},
		{name: "attach", to: texts{to: &k.Attach, each: oneServer, once: true}, doc: "Servers and toolsets whose tools are offered and run in every request of this key that names no MCP server itself."},
		{name: "tool_search", to: truth{&k.ToolSearch}, doc: "Whether models and MCP clients get two tools, one that finds tools and one that calls them, in place of all tools."},
		{name: "long_results", to: choice{&k.LongResults, []string{ResultsCut, ResultsSpill}}, doc: "What becomes of this key's tool results that are over limits.result_bytes; by default what limits.long_results says."},
	}
}

func limitFields(l *Limits) []field {
	return []field{
		{name: "rounds", to: count{&l.Rounds, 1, 1000}, doc: "How often the model may ask for tools in one request."},
		{name: "calls", to: count{&l.Calls, 1, 10000}, doc: "Tool calls in one request, all rounds together."},
		{name: "concurrent_calls", to: count{&l.ConcurrentCalls, 1, 1000}, doc: "Tool calls side by side."},
		{name: "wall_time", to: duration{&l.WallTime}, doc: "How long a whole request may take."},
		{name: "call_time", to: duration{&l.CallTime}, doc: "How long one tool call may take."},
		{name: "result_bytes", to: size{&l.ResultBytes, 256 << 20}, doc: "How much of one tool's result the model gets."},
		{name: "long_results", to: choice{&l.LongResults, []string{ResultsCut, ResultsSpill}}, doc: "What becomes of the rest of a longer result: it is cut off, or kept for an hour, and the model may read on with the tool read_result."},
		{name: "spill_bytes", to: size{&l.SpillBytes, 256 << 20}, doc: "How much of one result is kept."},
		{name: "body_bytes", to: size{&l.BodyBytes, 1 << 30}, doc: "How large a client's request may be."},
		{name: "upload_bytes", to: size{&l.UploadBytes, 8 << 30}, doc: "How large one may be that is a form with files. It is passed on as it comes; one that names its model behind a file waits in a temporary file."},
	}
}

func timeoutFields(t *Timeouts) []field {
	return []field{
		{name: "connect", to: duration{&t.Connect}, doc: "Until a connection to the provider stands."},
		{name: "first_byte", to: duration{&t.FirstByte}, doc: "From the request to the first byte of the reply."},
		{name: "between_events", to: duration{&t.BetweenEvents}, doc: "Between two events of a stream."},
		{name: "keepalive", to: duration{&t.KeepAlive}, doc: "How long a streaming client hears nothing before it gets a comment."},
	}
}

func externalFields(e *ExternalMCP) []field {
	return []field{
		{name: "allow", to: texts{to: &e.Allow, each: oneHost, once: true}, doc: `Hosts that a request's server_url may name: host, host:port, *.domain, or "*" for all.`},
		trust(&e.Untrusted, "Whether what these servers say may come from strangers, as for a server of the config."),
	}
}

func oneArgument(s *string) value  { return argument{s} }
func oneForwarded(s *string) value { return folded{s, forwardedName} }
func oneHost(s *string) value      { return folded{s, externalHost} }
func oneTool(s *string) value      { return text{s, toolName} }
func oneModel(s *string) value     { return text{s, modelName} }
func onePinned(s *string) value    { return choice{s, PinnedKinds()} }
func oneServer(s *string) value    { return text{s, notEmpty} }
