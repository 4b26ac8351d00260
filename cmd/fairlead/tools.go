package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/llm"
)

func tools(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`")
	asJSON := f.Bool("json", false, "print one JSON object, as GET /v1/mcp/tools answers")
	return func(ctx context.Context, out, log io.Writer) error {
		if *path == "" {
			return fmt.Errorf("%w: --config FILE is missing", errUsage)
		}
		cfg, err := app.LoadConfig(app.Options{Path: *path, Getenv: os.Getenv})
		if err != nil {
			return err
		}
		l, _, flush := logger(log, slog.LevelError)
		defer flush()
		v, _ := built()
		a, err := app.Open(cfg, app.Options{Version: v, Log: l})
		if err != nil {
			return err
		}
		defer a.Close()
		list, failed, err := a.Tools(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(out, list, failed)
		} else {
			err = writeTable(out, log, list, failed)
		}
		if err == nil && len(failed) > 0 {
			err = errTold
		}
		return err
	}
}

// writeTable writes the tools for a person, and the servers that failed to log.
func writeTable(out, log io.Writer, list []llm.Tool, failed []llm.ServerError) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(list) > 0 {
		_, _ = fmt.Fprintln(w, "NAME\tSERVER\tTOOL\tDESCRIPTION")
	}
	for _, t := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, t.Server, plain(t.Tool), plain(t.Description))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range failed {
		if f.Login != "" {
			_, _ = fmt.Fprintf(log, "fairlead tools: the server %s wants you to log in first: open %s in a browser, while the gateway runs\n", f.Server, f.Login)
			continue
		}
		_, _ = fmt.Fprintf(log, "fairlead tools: the server %s has no tools: %s\n", f.Server, plain(f.Error))
	}
	return nil
}

// plain is the first line of a server's text, cut to a width that people read, without control characters: what a
// server says is not trusted with a terminal.
func plain(s string) string {
	const width = 100
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	if len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return string(r)
}

type toolJSON struct {
	Name        string         `json:"name"`
	Server      string         `json:"server"`
	Tool        string         `json:"tool"`
	Description string         `json:"description"`
	InputSchema jsontext.Value `json:"inputSchema"`
}

func writeJSON(out io.Writer, list []llm.Tool, failed []llm.ServerError) error {
	all := struct {
		Tools  []toolJSON        `json:"tools"`
		Errors []llm.ServerError `json:"errors"`
	}{Errors: failed}
	for _, t := range list {
		all.Tools = append(all.Tools, toolJSON{t.Name, t.Server, t.Tool, t.Description, t.Schema})
	}
	b, err := json.Marshal(all, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	_, err = escaped{out}.Write(append(b, '\n'))
	return err
}
