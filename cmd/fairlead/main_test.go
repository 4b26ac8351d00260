package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "listen: 127.0.0.1:0\n")
	write(t, bad, "listn: 127.0.0.1:0\nmodels:\n  - {name: a}\nmocks: 3\n")
	for name, tt := range map[string]struct {
		args     []string
		code     int
		out, log []string // parts of them; nil: nothing is written
	}{
		"nothing":         {nil, 2, nil, []string{"usage: fairlead COMMAND", "serve", "demo", "check", "tools", "version"}},
		"help":            {[]string{"--help"}, 0, []string{"usage: fairlead COMMAND"}, nil},
		"unknown command": {[]string{"server"}, 2, nil, []string{`no command "server"`, "usage:"}},
		"unknown flag":    {[]string{"check", "--conf", "x"}, 2, nil, []string{"-conf", "usage: fairlead check"}},
		"too much":        {[]string{"check", "--config", good, "more"}, 2, nil, []string{`"more" is too much`, "usage: fairlead check"}},
		"help of command": {[]string{"serve", "--help"}, 0, []string{"usage: fairlead serve", "-config", "-listen"}, nil},
		"version":         {[]string{"version"}, 0, []string{"fairlead ", "go1.", "commit "}, nil},
		"check":           {[]string{"check", "--config", good}, 0, []string{good + ": no mistakes"}, nil},
		"check nothing":   {[]string{"check"}, 2, nil, []string{"--config FILE is missing", "usage: fairlead check"}},
		"tools nothing":   {[]string{"tools"}, 2, nil, []string{"--config FILE is missing", "usage: fairlead tools"}},
		"check no file":   {[]string{"check", "--config", dir + "/none"}, 1, nil, []string{dir + "/none", "no such file"}},
		"check mistakes": {[]string{"check", "--config", bad}, 1, []string{
			bad + ":1:1: listn: unknown key; did you mean listen?\n", bad + ":3:5: models[0].provider: is missing", bad + ":4:8: mocks: must be true or false",
		}, nil},
		"serve no file":    {[]string{"serve", "--config", dir + "/none"}, 1, nil, []string{"no such file"}},
		"serve a bad file": {[]string{"serve", "--config", bad}, 1, nil, []string{bad + ":1:1: listn", "\n" + bad + ":4:8: mocks", "fairlead serve: the config has mistakes"}},
		"serve open":       {[]string{"serve", "--config", good, "--listen", "0.0.0.0:0"}, 1, nil, []string{"needs keys"}},
		"serve nowhere":    {[]string{"serve", "--config", good, "--listen", "here"}, 1, nil, []string{"host:port"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, log strings.Builder
			if code := run(t.Context(), tt.args, &out, &log); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			contains(t, "standard output", out.String(), tt.out)
			contains(t, "standard error", log.String(), tt.log)
		})
	}
}

func contains(t *testing.T, what, got string, parts []string) {
	t.Helper()
	if parts == nil && got != "" {
		t.Errorf("%s has %q", what, got)
	}
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s has no %q:\n%s", what, p, got)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
