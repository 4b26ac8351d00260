// Package mcptest is a scripted MCP server for tests, and the base of the built-in demo server. It speaks both eras of the
// protocol over standard input and output, streamable HTTP and HTTP+SSE, misbehaves in ways that a [Spec] names, and records
// what it was asked.
//
// In the same process, over HTTP:
//
//	srv := mcptest.New(mcptest.Spec{Tools: []mcptest.Tool{{Name: "echo", Do: mcptest.Echo}}})
//	ts := httptest.NewServer(srv.HTTP()) // or srv.SSE()
//	defer func() { srv.Close(); ts.Close() }()
//
// As a child process: the test binary runs itself. TestMain calls [Main] first, and the test takes the child's command and
// environment from [Spec.Command]:
//
//	func TestMain(m *testing.M) {
//		mcptest.Main() // does not return in the child
//		os.Exit(m.Run())
//	}
//
//	argv, env := mcptest.Spec{Tools: tools, Record: file}.Command()
//
// These go into a config as command and env, also for a gateway that runs as a process of its own. Requests to a child are
// read from the file Record by [ReadRecord].
package mcptest

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Spec says what a server offers and how it misbehaves. It passes to a child as JSON.
type Spec struct {
	Name      string `json:"name,omitzero"`
	Era       string `json:"era,omitzero"`       // "legacy", "modern"; empty: both
	Revision  string `json:"revision,omitzero"`  // what a legacy server chooses; empty: the client's
	Tools     []Tool `json:"tools,omitzero"`     // see also Server.SetTools
	PageSize  int    `json:"page_size,omitzero"` // tools on one page; 0: all
	Record    string `json:"record,omitzero"`    // a file that a line of JSON is appended to for each message that comes
	JSON      bool   `json:"json,omitzero"`      // streamable HTTP: answer with JSON rather than a stream
	Stateless bool   `json:"stateless,omitzero"` // streamable HTTP, legacy: no session id, no stream of the server's own

	// Faults, each alone or together.
	ExitOnDiscover bool   `json:"exit_on_discover,omitzero"` // stdio: end with status 3 on the probe
	HangOnDiscover bool   `json:"hang_on_discover,omitzero"` // never answer the probe
	ExitAtStart    bool   `json:"exit_at_start,omitzero"`    // stdio: end with status 3 after a line on standard error
	Stubborn       bool   `json:"stubborn,omitzero"`         // stdio: live on without input, and through SIGTERM
	Spawn          bool   `json:"spawn,omitzero"`            // stdio: start a child that lives on like that
	Status         int    `json:"status,omitzero"`           // HTTP: answer every request so
	ListError      string `json:"list_error,omitzero"`       // answer tools/list with this error
	ListHang       bool   `json:"list_hang,omitzero"`        // never answer tools/list
	SameCursor     bool   `json:"same_cursor,omitzero"`      // name the same next page for ever
	EndlessPages   bool   `json:"endless_pages,omitzero"`    // name another next page for ever
	CutStreams     bool   `json:"cut_streams,omitzero"`      // streamable HTTP, legacy: end each stream before the answer, which GET gets
	Noise          bool   `json:"noise,omitzero"`            // stdio: write lines that are no messages
	Ask            string `json:"ask,omitzero"`              // send this request to the client in every tools/call, and wait for its answer
}

// Tool is one tool. Do says what it does; Func is for servers in the same process and comes first.
type Tool struct {
	Name        string         `json:"name,omitzero"`
	Description string         `json:"description,omitzero"`
	Schema      jsontext.Value `json:"schema,omitzero"` // default {"type":"object"}
	Annotations jsontext.Value `json:"annotations,omitzero"`
	Raw         jsontext.Value `json:"raw,omitzero"` // the whole object as listed, in place of the four above

	Do     string         `json:"do,omitzero"`
	Text   string         `json:"text,omitzero"`   // of Say, Fail and Refuse
	Millis int            `json:"millis,omitzero"` // before the answer; of Steps: between two
	Count  int            `json:"count,omitzero"`  // of Steps: notifications; of Flood: bytes
	Result jsontext.Value `json:"result,omitzero"` // the whole result, in place of Do
	Error  jsontext.Value `json:"error,omitzero"`  // a whole JSON-RPC error, in place of Do
	Asks   []Ask          `json:"asks,omitzero"`   // what the client is asked first (older era), one after the other; Echo answers with the answers

	Func func(ctx context.Context, c *Call) (result []byte, err error) `json:"-"`
}

// What a tool can do.
const (
	Say    = ""       // answer with Text
	Echo   = "echo"   // answer with the arguments as text
	Fail   = "fail"   // answer with Text and isError
	Refuse = "refuse" // answer with a JSON-RPC error, -32000 and Text
	Steps  = "steps"  // send Count progress notifications, then answer with Text
	Hang   = "hang"   // never answer; the end of the call is recorded as "cancelled"
	Die    = "die"    // end the process, with status 3 and a line on standard error, or break the connection
	Flood  = "flood"  // answer with Count bytes of text
	Want   = "want"   // ask for input (2026-07-28)
	Forget = "forget" // streamable HTTP: forget all sessions, then answer
	Change = "change" // add the tool "new" and say that the list has changed, then answer
	Env    = "env"    // answer with the environment as text
)

// Call is one call of a tool.
type Call struct {
	Name     string
	Args     []byte // the raw arguments; nil if absent
	Meta     []byte // the raw _meta; nil if absent
	Params   []byte // the raw params
	Notify   func(method string, params []byte)
	Progress func(done, total int)
	// Ask sends the client a request and returns its result, or an error object (older era). It returns nil when the call ends.
	Ask func(method string, params []byte) []byte
}

// Ask is a request of the server's to its client.
type Ask struct {
	Method string         `json:"method"`
	Params jsontext.Value `json:"params,omitzero"`
}

// Text returns a result with one text.
func Text(s string) []byte { return text(s, false) }

func text(s string, failed bool) []byte {
	dst, _ := jsontext.AppendQuote([]byte(`{"content":[{"type":"text","text":`), s)
	dst = append(dst, "}]"...)
	if failed {
		dst = append(dst, `,"isError":true`...)
	}
	return append(dst, '}')
}

// variable is the environment variable that makes a test binary a server.
const variable = "MCPTEST_SERVER"

// Command returns the command that runs this binary as a server of the spec, and the environment that it needs. The binary's
// TestMain must call [Main].
func (s Spec) Command() (argv []string, env map[string]string) {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // raw values of the spec that are not JSON
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{self}, map[string]string{variable: string(b)}
}

// Main runs a server over standard input and output and exits, if the environment asks for it as [Spec.Command] does.
// Otherwise it does nothing.
func Main() {
	v := os.Getenv(variable)
	if v == "" {
		return
	}
	if v == "sleep" {
		sleepForEver()
	}
	var s Spec
	if err := json.Unmarshal([]byte(v), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	runChild(s)
}

// Request is one message that a server got: a request, a notification, or "cancelled" when a call has ended without an answer.
type Request struct {
	Method string              `json:"method"`
	Params jsontext.Value      `json:"params,omitzero"`
	Answer jsontext.Value      `json:"answer,omitzero"` // the client's result or error to a request of the server's
	Header map[string][]string `json:"header,omitzero"` // HTTP only
	Verb   string              `json:"verb,omitzero"`   // HTTP only: POST, GET or DELETE; Method is empty for the last two
	PID    int                 `json:"pid,omitzero"`
}

// ReadRecord reads what a child has recorded so far.
func ReadRecord(file string) ([]Request, error) {
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Request
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var r Request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
