package providertest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The shapes of replies of the Gemini API (https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse).
type (
	geminiReply struct {
		Candidates []geminiCandidate `json:"candidates,omitzero"`
		Usage      *geminiUsage      `json:"usageMetadata,omitzero"`
		Model      string            `json:"modelVersion"`
		ID         string            `json:"responseId"`
	}
	geminiCandidate struct {
		Content *geminiSaid `json:"content,omitzero"`
		Finish  string      `json:"finishReason,omitzero"`
		Index   int         `json:"index"`
	}
	geminiSaid struct {
		Parts []geminiSays `json:"parts,omitzero"`
		Role  string       `json:"role"`
	}
	geminiSays struct {
		Text      *string     `json:"text,omitzero"`
		Thought   bool        `json:"thought,omitzero"`
		Call      *geminiCall `json:"functionCall,omitzero"`
		Signature string      `json:"thoughtSignature,omitzero"`
	}
	geminiUsage struct {
		Input    int `json:"promptTokenCount"`
		Output   int `json:"candidatesTokenCount,omitzero"`
		Total    int `json:"totalTokenCount"`
		Cached   int `json:"cachedContentTokenCount,omitzero"`
		Thoughts int `json:"thoughtsTokenCount,omitzero"`
	}
)

// sign makes a signature of a part, and remembers what it signs.
func (s *Server) sign(part string, n int) string {
	signature := signatureOf("part " + strconv.Itoa(n) + part)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[string]string{}
	}
	s.parts[signature] = part
	return signature
}

func (s *Server) signed(signature string) (part string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part, ok = s.parts[signature]
	return part, ok
}

// geminiPlayer plays one step as a reply of the Gemini API. A call is said whole. The first call of a reply is signed, and of
// the third generation's answers the last part.
type geminiPlayer struct {
	*player
	call   *geminiCall // as far as it has come
	args   string
	calls  int
	broken bool // a call's arguments are no JSON object
}

func streamGemini(p *player) {
	g := &geminiPlayer{player: p}
	for _, x := range p.s.pieces {
		if x.kind != argsPiece {
			g.tell(g.ended())
		}
		if !g.piece(x, g.tell) {
			return
		}
	}
	g.tell(g.ended())
	p.begin()
	if p.s.open || p.s.noFinish {
		return
	}
	last := geminiSays{Text: new("")}
	if isGemini3(p.req.Model) && g.calls == 0 {
		last.Signature = p.server.sign("", p.req.N)
	}
	g.chunk(geminiCandidate{Content: &geminiSaid{[]geminiSays{last}, "model"}, Finish: g.finish()}, g.usage())
}

func plainGemini(p *player) {
	g := &geminiPlayer{player: p}
	var parts []geminiSays
	add := func(says []geminiSays) {
		for _, s := range says {
			if n := len(parts); n > 0 && s.Text != nil && parts[n-1].Text != nil && parts[n-1].Thought == s.Thought {
				parts[n-1].Text = new(*parts[n-1].Text + *s.Text)
				continue
			}
			parts = append(parts, s)
		}
	}
	for _, x := range p.s.pieces {
		if x.kind != argsPiece {
			add(g.ended())
		}
		if x.kind <= argsPiece {
			g.piece(x, add)
		}
	}
	add(g.ended())
	if n := len(parts); isGemini3(p.req.Model) && g.calls == 0 && n > 0 && parts[n-1].Text != nil && !parts[n-1].Thought {
		parts[n-1].Signature = p.server.sign(*parts[n-1].Text, p.req.N)
	}
	c := geminiCandidate{Content: &geminiSaid{parts, "model"}}
	if !p.s.noFinish {
		c.Finish = g.finish()
	}
	p.document(marshal(g.reply(c, g.usage())))
}

// piece plays one piece; it reports whether the reply goes on.
func (g *geminiPlayer) piece(x piece, tell func([]geminiSays)) bool {
	switch x.kind {
	case textPiece:
		tell([]geminiSays{{Text: &x.text}})
	case reasoningPiece:
		if g.req.thinks {
			tell([]geminiSays{{Text: &x.text, Thought: true}})
		}
	case callPiece:
		g.call, g.args = &geminiCall{Name: x.name}, ""
		if !strings.Contains(g.req.Model, "-2.5") { // that generation gives none
			g.call.ID = x.id
		}
	case argsPiece:
		g.args += x.text
	case rawPiece:
		g.write(x.text)
	default:
		return g.control(x)
	}
	return true
}

// ended is the part of the call that has come to its end, if there is one.
func (g *geminiPlayer) ended() []geminiSays {
	c := g.call
	if c == nil {
		return nil
	}
	g.call = nil
	if args := jsontext.Value(g.args); g.args != "" {
		if args.Kind() != '{' || !args.IsValid() {
			g.broken = true
			return nil
		}
		c.Args = args
	}
	says := geminiSays{Call: c}
	if g.calls++; g.calls == 1 {
		says.Signature = g.server.sign(string(marshal(c)), g.req.N)
	}
	return []geminiSays{says}
}

// tell sends parts, each in a chunk of its own.
func (g *geminiPlayer) tell(says []geminiSays) {
	for _, s := range says {
		g.chunk(geminiCandidate{Content: &geminiSaid{[]geminiSays{s}, "model"}}, &geminiUsage{Input: g.usage().Input, Total: g.usage().Input})
	}
}

func (g *geminiPlayer) chunk(c geminiCandidate, u *geminiUsage) {
	g.write("data: " + string(marshal(g.reply(c, u))) + "\n\n")
}

func (g *geminiPlayer) reply(c geminiCandidate, u *geminiUsage) geminiReply {
	return geminiReply{Candidates: []geminiCandidate{c}, Usage: u, Model: g.req.Model, ID: "reply-" + strconv.Itoa(g.req.N)}
}

func (g *geminiPlayer) usage() *geminiUsage {
	u := g.s.usage
	if u == (Usage{}) {
		u = Usage{Input: 10, Output: 5}
	}
	return &geminiUsage{Input: u.Input, Output: u.Output - u.Reasoning, Total: u.Input + u.Output, Cached: u.Cached, Thoughts: u.Reasoning}
}

// finish is the reason to stop in the API's words.
func (g *geminiPlayer) finish() string {
	if g.broken {
		return "MALFORMED_FUNCTION_CALL"
	}
	switch reason := *g.reason(); reason {
	case "stop", "tool_calls":
		return "STOP"
	case "length":
		return "MAX_TOKENS"
	case "content_filter":
		return "SAFETY"
	default:
		return reason
	}
}

// geminiStatuses are the codes of Google's APIs in words (https://google.aip.dev/193).
var geminiStatuses = map[int]string{
	http.StatusBadRequest: "INVALID_ARGUMENT", http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusForbidden: "PERMISSION_DENIED",
	http.StatusNotFound: "NOT_FOUND", http.StatusTooManyRequests: "RESOURCE_EXHAUSTED", http.StatusServiceUnavailable: "UNAVAILABLE",
	http.StatusGatewayTimeout: "DEADLINE_EXCEEDED",
}

// writeGeminiError answers with an error in Google's form.
func writeGeminiError(w http.ResponseWriter, status int, _ string, bad *refusal) {
	word := geminiStatuses[status]
	if word == "" {
		word = "INTERNAL"
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":{"code":` + strconv.Itoa(status) + `,"message":` + string(marshal(bad.message)) + `,"status":"` + word + `"}}`)) // the client may have left
}
