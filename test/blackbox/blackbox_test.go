// Package blackbox looks at the gateway from outside its process. What can be said as a conversation stands in testdata as a
// transcript that a person can read; faults, and what takes more than one connection, are Go tests beside it.
//
// A transcript is a txtar file. On top, in prose: which promise it pins. Then come what is given:
//
//	-- config --             YAML, whole top-level keys; they replace those of the base config
//	-- server NAME --        a scripted MCP server: mcptest.Spec as JSON, with "transport" (stdio, http, sse, down) and "config"
//	-- api NAME --           an HTTP API (see api), -- document NAME -- the OpenAPI document of one
//	-- model --              the scripted model, one reply a line (see parseScript)
//	-- show --               what is printed beside the usual (see showing)
//	-- request --            as HTTP text; -- request 2 -- and so on for a conversation
//
// and what is expected, which UPDATE_GOLDEN=1 rewrites: -- response --, -- response 2 --, -- model saw --, -- NAME saw --.
// Sections of the last two kinds are optional. {{model}}, {{gateway}}, {{dead}}, {{server NAME}}, {{api NAME}}
// and {{document NAME}} stand for addresses.
package blackbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/mcp/mcptest"
	"github.com/fairlead/fairlead/test/gateway"
)

func TestMain(m *testing.M) {
	mcptest.Main() // these do not return in a child
	floodServer()
	code := m.Run()
	gateway.Clean()
	os.Exit(code)
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no transcripts: %v", err)
	}
	gateway.Binary(t) // built before the tests stand side by side
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runTranscript(t, file)
		})
	}
}
