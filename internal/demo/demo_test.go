package demo

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the built-in MCP server: the demonstration runs it as a child.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve-tools" {
		if err := ServeTools(os.Stdin, os.Stdout, os.Args[2]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheDemonstrationAnswers(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = Run(ctx, Options{Once: true, Listen: "127.0.0.1:0", Out: &out, Self: []string{self, "serve-tools"}, Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
	for _, want := range []string{"scripted stand-in", "offers 4 tools", "✓ demo-current_time", "✓ demo-calculate", "✓ demo-add_note", "The sum comes to 397.8.", "It is in the notes."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the show does not say %q", want)
		}
	}
	t.Log(out.String())
}

func TestCalculate(t *testing.T) {
	for expression, want := range map[string]string{
		"12 * 34": "408", "2340 * 17 / 100": "397.8", "(1+2)*-3": "-9", "0.1+0.2": "0.3", "1/3": "0.3333333333333333", "10/5": "2",
		"1/0": "", "x": "", "1e999999999": "", "0x10": "", "1 << 2": "", "\"a\" + \"b\"": "", strings.Repeat("9*", 150) + "9": "",
	} {
		got, err := calculate(expression)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%s: got %q, %v; want %q", expression, got, err, want)
		}
	}
}
