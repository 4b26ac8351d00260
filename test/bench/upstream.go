package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// serve answers raw requests on a free port, says which on standard output, and ends with standard input.
func serve(answer func(w io.Writer, path string, body []byte) error) error {
	l, err := listen()
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = l.Close()
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil // closed
		}
		go func() {
			defer c.Close()
			r := bufio.NewReaderSize(c, 128<<10)
			var body []byte
			for {
				path, b, err := readRequest(r, body)
				if err != nil || answer(c, path, b) != nil {
					return
				}
				body = b
			}
		}()
	}
}

// readRequest reads one request. The body is in buf when it fits.
func readRequest(r *bufio.Reader, buf []byte) (path string, body []byte, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			words := bytes.Fields(line)
			if len(words) != 3 {
				return "", nil, fmt.Errorf("bad request line %q", line)
			}
			path = string(words[0]) + " " + string(words[1])
		case len(line) == 0:
			if cap(buf) < length {
				buf = make([]byte, length)
			}
			body = buf[:length]
			_, err := io.ReadFull(r, body)
			return path, body, err
		case hasPrefixFold(line, "content-length:"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil || length > 64<<20 {
				return "", nil, fmt.Errorf("bad length: %w", err)
			}
		}
	}
}

func plainReply(contentType, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"

func httpChunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// event is one event of a chat stream.
func event(delta, finish string) string {
	return fmt.Sprintf(`data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764043200,"model":"bench-1","system_fingerprint":"fp_0","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`+"\n\n", delta, finish)
}

const usageEvent = `data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764043200,"model":"bench-1","choices":[],"usage":{"prompt_tokens":200,"completion_tokens":98,"total_tokens":298}}` + "\n\n"

// stream is a chat stream: a role, so many pieces of text, an end; in all that many events, and the mark of the end.
func stream(events int, last string) []string {
	out := []string{event(`{"role":"assistant","content":""}`, "null")}
	for i := range events - 3 {
		text := " and so on"
		if i == events-4 {
			text = last
		}
		out = append(out, event(`{"content":"`+text+`"}`, "null"))
	}
	return append(out, event("{}", `"stop"`), usageEvent+done+"\n\n")
}

// model is the model's process: it answers at once, with bytes made before.
func model([]string) error {
	text := strings.Repeat("All work and no play. ", 33)
	plain := plainReply("application/json", `{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1764043200,"model":"bench-1",`+
		`"choices":[{"index":0,"message":{"role":"assistant","content":"`+text+`","refusal":null},"logprobs":null,"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":200,"completion_tokens":98,"total_tokens":298},"system_fingerprint":"fp_0"}`)
	hundred := writes(stream(100, answer))
	second := writes(stream(12, answer))
	first := writes([]string{
		event(`{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"`+callID+`","type":"function","function":{"name":"bench-echo_0","arguments":""}}]}`, "null"),
		event(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"text\":\"hello\","}}]}`, "null"),
		event(`{"tool_calls":[{"index":0,"function":{"arguments":"\"times\":1}"}}]}`, "null"),
		event("{}", `"tool_calls"`),
		usageEvent + done + "\n\n",
	})
	return serve(func(w io.Writer, path string, body []byte) error {
		switch {
		case strings.HasPrefix(path, "POST /plain/"):
			_, err := w.Write(plain)
			return err
		case strings.HasPrefix(path, "POST /stream/"):
			return writeAll(w, hundred)
		case bytes.Contains(body, []byte(callID)):
			return writeAll(w, second)
		}
		return writeAll(w, first)
	})
}

// writes is a stream as it goes out: each event is a chunk and a write of its own, without a pause between them.
func writes(events []string) [][]byte {
	out := [][]byte{[]byte(streamHead)}
	for _, e := range events {
		out = append(out, []byte(httpChunk(e)))
	}
	out[len(out)-1] = append(out[len(out)-1], "0\r\n\r\n"...)
	return out
}

func writeAll(w io.Writer, pieces [][]byte) error {
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// mcpServer is the MCP server's process: streamable HTTP with plain JSON replies, ten tools that echo.
func mcpServer([]string) error {
	var tools []string
	for i := range manyTools {
		tools = append(tools, fmt.Sprintf(`{"name":%q,"description":%q,"inputSchema":%s}`, toolName(i), toolText, toolSchema))
	}
	results := map[string]string{
		"initialize":      `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}`,
		"server/discover": `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}`,
		"ping":            `{}`,
		"tools/list":      `{"tools":[` + strings.Join(tools[:10], ",") + `],"resultType":"complete","ttlMs":3600000,"cacheScope":"private"}`,
		"tools/call":      `{"content":[{"type":"text","text":"echo: hello"}],"isError":false,"resultType":"complete"}`,
	}
	many := `{"tools":[` + strings.Join(tools, ",") + `],"resultType":"complete","ttlMs":3600000,"cacheScope":"private"}`
	return serve(func(w io.Writer, path string, body []byte) error {
		if !strings.HasPrefix(path, "POST ") {
			_, err := io.WriteString(w, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
			return err
		}
		id := member(body, `"id"`)
		if id == "" { // a notification
			_, err := io.WriteString(w, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
			return err
		}
		reply := `{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32601,"message":"no such method"}}`
		r := results[strings.Trim(member(body, `"method"`), `"`)]
		if strings.HasPrefix(path, "POST /many") && r == results["tools/list"] {
			r = many
		}
		if r != "" {
			reply = `{"jsonrpc":"2.0","id":` + id + `,"result":` + r + `}`
		}
		_, err := w.Write(plainReply("application/json", reply))
		return err
	})
}

// member is the scalar that follows a name, which is enough for what clients of this server send.
func member(body []byte, name string) string {
	_, rest, ok := bytes.Cut(body, []byte(name))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, ": \t\r\n")
	if i := bytes.IndexAny(rest, ",} \t\r\n"); i >= 0 {
		return string(rest[:i])
	}
	return ""
}
