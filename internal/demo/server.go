package demo

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // the demonstration runs on machines without a time zone database

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/jsonrpc"
)

// revision is the newest MCP revision that the built-in server speaks.
const revision = "2025-11-25"

// tool is one tool of the built-in server.
type tool struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	InputSchema jsontext.Value `json:"inputSchema"`
	Annotations annotations    `json:"annotations"`

	run func(s *server, args arguments) (string, error)
}

type annotations struct {
	ReadOnly bool `json:"readOnlyHint"`
}

// arguments are what the tools take, all of them together.
type arguments struct {
	Zone       string `json:"zone"`
	Expression string `json:"expression"`
	Text       string `json:"text"`
}

var tools = []tool{
	{
		Name: "current_time", Description: "The current date and time in a time zone", Annotations: annotations{true},
		InputSchema: jsontext.Value(`{"type":"object","properties":{"zone":{"type":"string","description":"IANA name such as Europe/Paris; UTC when absent"}}}`),
		run: func(s *server, a arguments) (string, error) {
			zone, err := time.LoadLocation(a.Zone)
			if err != nil {
				return "", fmt.Errorf("there is no time zone %q", a.Zone)
			}
			return s.now().In(zone).Format("2006-01-02 15:04:05 MST"), nil
		},
	},
	{
		Name: "calculate", Description: "The value of an arithmetic expression with + - * / and parentheses", Annotations: annotations{true},
		InputSchema: jsontext.Value(`{"type":"object","properties":{"expression":{"type":"string"}},"required":["expression"]}`),
		run:         func(_ *server, a arguments) (string, error) { return calculate(a.Expression) },
	},
	{
		Name: "add_note", Description: "Adds a line to the notes file",
		InputSchema: jsontext.Value(`{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}`),
		run:         func(s *server, a arguments) (string, error) { return s.addNote(a.Text) },
	},
	{
		Name: "read_notes", Description: "All lines of the notes file", Annotations: annotations{true},
		InputSchema: jsontext.Value(`{"type":"object","properties":{}}`),
		run:         func(s *server, _ arguments) (string, error) { return s.readNotes() },
	},
}

// server is the built-in MCP server: a few tools that everybody understands, over stdio.
type server struct {
	notes string // the notes file
	now   func() time.Time
}

// maxNotes bounds the notes file.
const maxNotes = 64 << 10

func (s *server) addNote(text string) (string, error) {
	line := strings.Join(strings.Fields(text), " ")
	if line == "" {
		return "", fmt.Errorf("a note needs text")
	}
	if st, err := os.Stat(s.notes); err == nil && st.Size()+int64(len(line)) > maxNotes {
		return "", fmt.Errorf("the notes file is full")
	}
	f, err := os.OpenFile(s.notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("the notes file cannot be written")
	}
	_, err = fmt.Fprintln(f, line)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("the notes file cannot be written")
	}
	return "noted: " + line, nil
}

func (s *server) readNotes() (string, error) {
	b, err := os.ReadFile(s.notes)
	if err != nil || len(b) == 0 {
		return "there are no notes yet", nil
	}
	return strings.TrimRight(string(b), "\n"), nil
}

// ServeTools is the built-in MCP server: it answers on out what comes on in, until in ends. notes is the path of its notes file.
func ServeTools(in io.Reader, out io.Writer, notes string) error {
	s := &server{notes: notes, now: time.Now}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		reply := s.answer(lines.Bytes())
		if reply == nil {
			continue
		}
		if _, err := out.Write(append(reply, '\n')); err != nil {
			return fmt.Errorf("write a reply: %w", err)
		}
	}
	return lines.Err()
}

func (s *server) answer(line []byte) []byte {
	m, err := jsonrpc.Parse(line)
	switch {
	case err != nil:
		return jsonrpc.AppendError(nil, nil, &jsonrpc.Error{Code: jsonrpc.CodeParse, Message: err.Error()})
	case !m.IsRequest():
		return nil
	}
	result, rpcErr := s.handle(m.Method, m.Params)
	if rpcErr != nil {
		return jsonrpc.AppendError(nil, m.ID, rpcErr)
	}
	b, err := json.Marshal(result)
	if err != nil {
		return jsonrpc.AppendError(nil, m.ID, &jsonrpc.Error{Code: jsonrpc.CodeInternal, Message: "the result cannot be written"})
	}
	return jsonrpc.AppendResult(nil, m.ID, b)
}

// object is a JSON object of a reply.
type object map[string]any

func (s *server) handle(method string, params []byte) (any, *jsonrpc.Error) {
	switch method {
	case "initialize":
		return object{"protocolVersion": revision, "capabilities": object{"tools": object{}}, "serverInfo": object{"name": "fairlead-demo", "version": "1"}}, nil
	case "ping":
		return object{}, nil
	case "tools/list":
		return object{"tools": tools}, nil
	case "tools/call":
		return s.call(params)
	}
	return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "there is no method " + method}
}

func (s *server) call(params []byte) (any, *jsonrpc.Error) {
	var p struct {
		Name      string    `json:"name"`
		Arguments arguments `json:"arguments"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the arguments are not what the tool takes"}
	}
	for _, t := range tools {
		if t.Name != p.Name {
			continue
		}
		text, err := t.run(s, p.Arguments)
		if err != nil {
			return content(err.Error(), true), nil
		}
		return content(text, false), nil
	}
	return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no tool " + p.Name}
}

func content(text string, isError bool) object {
	return object{"content": []object{{"type": "text", "text": text}}, "isError": isError}
}
