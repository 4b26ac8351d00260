package main

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/llm"
)

// TestAttack28Terminal: what servers say cannot give orders to a terminal, wherever the command writes it.
func TestAttack28Terminal(t *testing.T) {
	const evil = "a\x1b[2Jb\r\nc\u009b31md\u202ee\u200bf\U000E0041\x07g é 😀"
	list := []llm.Tool{{Name: "s-t", Server: "s", Tool: evil, Description: evil, Schema: []byte(`{"type":"object"}`)}}
	failed := []llm.ServerError{{Server: "s", Error: evil}}
	var table, told, text strings.Builder
	if err := writeTable(&table, &told, list, failed); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(&text, list, failed); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	l, _, flush := logger(&log, 0)
	l.Info(evil, "name", evil)
	flush()
	for name, s := range map[string]string{"tools": table.String(), "errors": told.String(), "JSON": text.String(), "log": log.String()} {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && r < ' ' || hidden(r) }) {
			t.Errorf("%s: %q", name, s)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("the log has %d lines for one record: %q", n, log.String())
	}
	var back struct {
		Tools []struct {
			Tool string `json:"tool"`
		} `json:"tools"`
	}
	if err := json.Unmarshal([]byte(text.String()), &back); err != nil || len(back.Tools) != 1 || back.Tools[0].Tool != evil {
		t.Errorf("the JSON says %q, %v", back.Tools, err)
	}
}
