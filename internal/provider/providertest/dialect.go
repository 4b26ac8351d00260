package providertest

import (
	"net/http"
	"strings"
)

// dialect is one wire that the model speaks.
type dialect struct {
	wire   string // its name
	path   string // what the path of its requests ends in
	read   func(*Server, *Request) *refusal
	stream func(*player)
	plain  func(*player)
	refuse func(w http.ResponseWriter, status int, code string, bad *refusal)
	answer func(*Request) []byte // the reply to what no script answers; nil: the script does
}

var dialects = []dialect{
	{
		wire: "chat", path: "/chat/completions", read: func(_ *Server, r *Request) *refusal { return r.read() },
		stream: (*player).stream, plain: (*player).plain, refuse: writeError,
	},
	{wire: "responses", path: "/responses", read: readResponses, stream: streamResponses, plain: plainResponses, refuse: writeError},
	{wire: "messages", path: "/messages", read: readMessages, stream: streamMessages, plain: plainMessages, refuse: writeMessagesError},
	{wire: "messages", path: "/messages/count_tokens", read: readCount, answer: countTokens, refuse: writeMessagesError},
	{wire: "converse", path: "/converse", read: readConverse, plain: plainConverse, refuse: writeBedrockError},
	{wire: "converse", path: "/converse-stream", read: readConverse, stream: streamConverse, refuse: writeBedrockError},
	{wire: "messages", path: "/invoke", read: readInvoke, plain: plainMessages, refuse: writeBedrockError},
	{wire: "messages", path: "/invoke-with-response-stream", read: readInvoke, stream: streamInvoke, refuse: writeBedrockError},
	{wire: "messages", path: "/count-tokens", read: readCounted, answer: invokedCount, refuse: writeBedrockError},
	{wire: "cohere", path: "/v2/chat", read: readCohere, stream: streamCohere, plain: plainCohere, refuse: writeCohereError},
	{wire: "gemini", path: ":generateContent", read: readGemini, plain: plainGemini, refuse: writeGeminiError},
	{wire: "gemini", path: ":streamGenerateContent", read: readGemini, stream: streamGemini, refuse: writeGeminiError},
	{wire: "messages", path: "/count-tokens:rawPredict", read: readPredict, answer: countTokens, refuse: writeMessagesError},
	{wire: "messages", path: ":rawPredict", read: readPredict, plain: plainMessages, refuse: writeMessagesError},
	{wire: "messages", path: ":streamRawPredict", read: readPredict, stream: streamMessages, refuse: writeMessagesError},
}

// dialectOf returns the dialect that r is spoken in, or nil.
func dialectOf(r *http.Request) *dialect {
	for i := range dialects {
		if d := &dialects[i]; r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, d.path) {
			return d
		}
	}
	return nil
}
