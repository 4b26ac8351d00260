package providertest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// geminiContent is one content of a conversation.
type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
	Rest  fields       `json:",embed"`
}

// geminiPart is one part of a content.
type geminiPart struct {
	Text      *string         `json:"text"`
	Blob      *geminiBlob     `json:"inlineData"`
	File      *geminiFile     `json:"fileData"`
	Call      *geminiCall     `json:"functionCall"`
	Response  *geminiResponse `json:"functionResponse"`
	Code      jsontext.Value  `json:"executableCode"`
	CodeEnd   jsontext.Value  `json:"codeExecutionResult"`
	Thought   bool            `json:"thought"`
	Signature string          `json:"thoughtSignature"`
	Video     jsontext.Value  `json:"videoMetadata"`
	Rest      fields          `json:",embed"`
}

type geminiBlob struct {
	MediaType string `json:"mimeType"`
	Data      string `json:"data"`
	Name      string `json:"displayName"`
	Rest      fields `json:",embed"`
}

type geminiFile struct {
	MediaType string `json:"mimeType"`
	URI       string `json:"fileUri"`
	Rest      fields `json:",embed"`
}

type geminiCall struct {
	ID   string         `json:"id,omitzero"`
	Name string         `json:"name"`
	Args jsontext.Value `json:"args,omitzero"`
	Rest fields         `json:",embed"`
}

type geminiResponse struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Response jsontext.Value `json:"response"`
	Parts    []struct {
		Blob *geminiBlob `json:"inlineData"`
		File *geminiFile `json:"fileData"`
		Rest fields      `json:",embed"`
	} `json:"parts"`
	Rest fields `json:",embed"`
}

func (p *geminiPart) text() string {
	if p.Text == nil {
		return ""
	}
	return *p.Text
}

func (g *geminiRequest) readTurns() *refusal {
	if len(g.b.Contents) == 0 {
		return refusef("contents", "* GenerateContentRequest.contents: contents is not specified")
	}
	for i, v := range g.b.Contents {
		var c geminiContent
		at := fmt.Sprintf("contents[%d]", i)
		if err := json.Unmarshal(v, &c); err != nil {
			return refusef("contents", "Invalid value at '%s': %v", at, err)
		}
		g.turns = append(g.turns, c)
		g.note(c, string(v), v)
		if c.Role != "user" && c.Role != "model" {
			return refusef("contents", "Please use a valid role: user, model.")
		}
		if bad := c.check(at); bad != nil {
			return bad
		}
	}
	return nil
}

// note writes a content into the messages that every wire's requests are told as.
func (g *geminiRequest) note(c geminiContent, raw string, content jsontext.Value) {
	m := Message{Role: c.Role, Raw: raw, content: content}
	if c.Role == "model" {
		m.Role = "assistant"
	}
	others := 0
	defer func() {
		if c.Role != "model" {
			g.called = nil
		}
	}()
	for _, p := range c.Parts {
		switch {
		case p.Response != nil:
			var r struct {
				Output *string `json:"output"`
				Error  *string `json:"error"`
			}
			text := string(p.Response.Response)
			if json.Unmarshal(p.Response.Response, &r) == nil && (r.Output != nil || r.Error != nil) {
				text = *cmpOr(r.Output, r.Error)
			}
			g.Request.Messages = append(g.Request.Messages, Message{Role: "tool", CallID: g.answers(p.Response.ID), Text: text, Raw: raw, content: content})
			continue
		case p.Call != nil:
			m.Calls = append(m.Calls, ToolCall{g.calls(p.Call.ID), p.Call.Name, string(p.Call.Args)})
		case !p.Thought:
			m.Text += p.text()
		}
		others++
	}
	if c.Role == "model" || others > 0 {
		g.Request.Messages = append(g.Request.Messages, m)
	}
}

// calls is the id under which a call is told. One without an id gets its number.
func (g *geminiRequest) calls(id string) string {
	if g.made++; id == "" {
		id = "number " + strconv.Itoa(g.made)
	}
	g.called = append(g.called, id)
	return id
}

// answers is the id of the call that a result belongs to. Without one, the order says it.
func (g *geminiRequest) answers(id string) string {
	if len(g.called) > 0 {
		if id == "" {
			id = g.called[0]
		}
		g.called = g.called[1:]
	}
	return id
}

func cmpOr[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func (c *geminiContent) check(at string) *refusal {
	if bad := c.Rest.unknown(at); bad != nil {
		return bad
	}
	if len(c.Parts) == 0 {
		return refusef("contents", "* GenerateContentRequest.%s.parts: contents.parts must not be empty.", at)
	}
	for i := range c.Parts {
		if bad := c.Parts[i].check(fmt.Sprintf("%s.parts[%d]", at, i)); bad != nil {
			return bad
		}
	}
	return nil
}

func (p *geminiPart) check(at string) *refusal {
	n := 0
	for _, has := range []bool{p.Text != nil, p.Blob != nil, p.File != nil, p.Call != nil, p.Response != nil, len(p.Code) > 0, len(p.CodeEnd) > 0} {
		if has {
			n++
		}
	}
	switch {
	case len(p.Rest) > 0:
		return p.Rest.unknown(at)
	case n == 0:
		return refusef("contents", "* GenerateContentRequest.%s.data: required oneof field 'data' must have one initialized field", at)
	case n > 1:
		return refusef("contents", "Invalid value at '%s' (oneof), oneof field 'data' is already set.", at)
	case p.Blob != nil:
		return p.Blob.check(at + ".inline_data")
	case p.File != nil && p.File.URI == "":
		return refusef("contents", "* GenerateContentRequest.%s.file_data.file_uri: [FIELD_INVALID]", at)
	case p.File != nil:
		return p.File.Rest.unknown(at + ".file_data")
	case p.Call != nil:
		return checkCall(p.Call.Rest, p.Call.Name, p.Call.Args, true, at+".function_call")
	case p.Response != nil:
		for _, b := range p.Response.Parts {
			if b.Blob != nil {
				if bad := b.Blob.check(at + ".function_response.parts"); bad != nil {
					return bad
				}
			}
		}
		return checkCall(p.Response.Rest, p.Response.Name, p.Response.Response, false, at+".function_response")
	}
	return nil
}

func checkCall(rest fields, name string, v jsontext.Value, empty bool, at string) *refusal {
	switch {
	case len(rest) > 0:
		return rest.unknown(at)
	case name == "":
		return refusef("contents", "* GenerateContentRequest.%s.name: Name cannot be empty.", at)
	case v.Kind() != '{' && (!empty || len(v) > 0):
		return refusef("contents", "Invalid value at '%s' (type.googleapis.com/google.protobuf.Struct), %s", at, v)
	}
	return nil
}

func (b *geminiBlob) check(at string) *refusal {
	_, err := base64.StdEncoding.DecodeString(b.Data)
	switch {
	case len(b.Rest) > 0:
		return b.Rest.unknown(at)
	case b.MediaType == "":
		return refusef("contents", "* GenerateContentRequest.%s.mime_type: mime_type is not specified", at)
	case b.Data == "" || err != nil:
		return refusef("contents", "Invalid value at '%s.data' (TYPE_BYTES), Base64 decoding failed for %.20q", at, b.Data)
	}
	return nil
}

// join joins neighbouring contents of the model: Google's own SDK keeps the chunks of a stream as contents of their own.
func (g *geminiRequest) join() {
	var out []geminiContent
	for _, c := range g.turns {
		if n := len(out); n > 0 && c.Role == "model" && out[n-1].Role == "model" {
			out[n-1].Parts = append(slices.Clip(out[n-1].Parts), c.Parts...)
			continue
		}
		out = append(out, c)
	}
	g.turns = out
}

// checkTurns holds the conversation against the rules of function calling: a turn of calls follows the user or results, and is
// answered by as many results at once.
func (g *geminiRequest) checkTurns() *refusal {
	g.join()
	for i, c := range g.turns {
		calls, responses := c.calls(), c.responses()
		var before []*geminiCall
		if i > 0 {
			before = g.turns[i-1].calls()
		}
		switch {
		case len(calls) > 0 && c.Role != "model" || len(responses) > 0 && c.Role != "user":
			return refusef("contents", "Please use a valid role: function calls are said by the model, function responses by the user.")
		case len(calls) > 0 && (i == 0 || g.turns[i-1].Role != "user"):
			return refusef("contents", "Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
		case len(responses) > 0 && len(before) == 0:
			return refusef("contents", "Please ensure that function response turn comes immediately after a function call turn.")
		case len(before) != len(responses):
			return refusef("contents", "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
		if bad := answered(before, responses); bad != nil {
			return bad
		}
	}
	if last := g.turns[len(g.turns)-1]; last.Role != "user" {
		return refusef("contents", "Please ensure that multiturn requests end with a user role or a function response.")
	}
	return g.checkSignatures()
}

// answered wants the results in the order of their calls, by name and, where the model gave one, by id.
func answered(calls []*geminiCall, responses []*geminiResponse) *refusal {
	for i, r := range responses {
		if c := calls[i]; c.Name != r.Name || c.ID != r.ID {
			return refusef("contents", "The function response %d (%s %s) does not match the function call in its place (%s %s).", i, r.Name, r.ID, c.Name, c.ID)
		}
	}
	return nil
}

func (c *geminiContent) calls() (out []*geminiCall) {
	for i := range c.Parts {
		if p := &c.Parts[i]; p.Call != nil {
			out = append(out, p.Call)
		}
	}
	return out
}

func (c *geminiContent) responses() (out []*geminiResponse) {
	for i := range c.Parts {
		if p := &c.Parts[i]; p.Response != nil {
			out = append(out, p.Response)
		}
	}
	return out
}

// The words that stand for a signature that is gone (https://ai.google.dev/gemini-api/docs/thought-signatures).
var noSignatures = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

// checkSignatures wants signatures as they were given, in the parts that they were given with, and of the third generation the
// first call of each step since the user last spoke signed.
func (g *geminiRequest) checkSignatures() *refusal {
	spoke := 0
	for i, c := range g.turns {
		if c.Role == "user" && len(c.responses()) == 0 {
			spoke = i
		}
		for k, p := range c.Parts {
			if p.Signature == "" || slices.Contains(noSignatures, p.Signature) {
				continue
			}
			if signed, ok := g.s.signed(p.Signature); !ok || signed != partOf(&p) {
				return refusef("contents", "Corrupted thought signature at contents[%d].parts[%d].", i, k)
			}
		}
	}
	if !isGemini3(g.Model) {
		return nil
	}
	for i, c := range g.turns[spoke:] {
		at := slices.IndexFunc(c.Parts, func(p geminiPart) bool { return p.Call != nil })
		if at >= 0 && c.Parts[at].Signature == "" {
			return refusef("contents", "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. "+
				"Additional data, function call `default_api:%s` , position %d.", c.Parts[at].Call.Name, spoke+i+1)
		}
	}
	return nil
}

// partOf is what a signature signs: the part without it.
func partOf(p *geminiPart) string {
	if p.Call != nil {
		return string(marshal(p.Call))
	}
	return p.text()
}
