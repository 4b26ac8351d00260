// Package floors holds the imports of the module to its table of floors, and draws ARCHITECTURE.md from the same table.
package floors

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

const module = "github.com/fairlead/fairlead"

var update = flag.Bool("update", false, "write the drawing in ARCHITECTURE.md again")

//go:embed floors.txt
var tableText string

// room is one line of the table.
type room struct {
	floor     int
	path      string // below the module's root; "." for the root package
	all, kits bool
	about     string
}

// table is all rooms by path.
type table map[string]room

// readTable reads the lines `floor path [+flag…] words…`; '#' opens a comment.
func readTable(text string) (table, []string, error) {
	rooms, order := table{}, []string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		floor, err := strconv.Atoi(f[0])
		if err != nil || len(f) < 3 {
			return nil, nil, fmt.Errorf("not a line of the table: %q", line)
		}
		r := room{floor: floor, path: f[1]}
		f = f[2:]
		for ; strings.HasPrefix(f[0], "+"); f = f[1:] {
			r.all = r.all || f[0] == "+all"
			r.kits = r.kits || f[0] == "+kits"
		}
		r.about = strings.Join(f, " ")
		if _, twice := rooms[r.path]; twice {
			return nil, nil, fmt.Errorf("%s is in the table twice", r.path)
		}
		rooms[r.path] = r
		order = append(order, r.path)
	}
	return rooms, order, nil
}

// parent is the room that r is a leaf of: the nearest folder above it on the same floor.
func (t table) parent(r room) (room, bool) {
	for dir := path.Dir(r.path); dir != "."; dir = path.Dir(dir) {
		if p, ok := t[dir]; ok {
			return p, p.floor == r.floor
		}
	}
	return room{}, false
}

func isKit(p string) bool  { return strings.HasSuffix(p, "test") }
func isList(p string) bool { return path.Base(p) == "all" }

func below(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// refuse says why from may not import to; empty when it may.
func (t table) refuse(from, to room, inTest bool) string {
	parent, isLeaf := t.parent(to)
	switch {
	case isKit(to.path) && !inTest && !from.kits && !isKit(from.path):
		return "a test kit is for _test files"
	case (isKit(to.path) || inTest && to.kits) && to.floor <= from.floor:
		return "" // the demonstration is a kit for tests, too
	case to.floor > from.floor:
		return "it is on a higher floor"
	case below(from.path, to.path):
		return "" // a leaf and its parent
	case isList(from.path) && isLeaf && below(to.path, path.Dir(from.path)):
		return ""
	case inTest && below(to.path, from.path):
		return "" // a room's tests may run its own leaves
	case to.floor == from.floor:
		return "neighbours never import each other"
	case inTest || !isLeaf:
		return ""
	case isList(to.path) && !from.all:
		return "only app imports lists of adapters"
	case !isList(to.path):
		return "only " + parent.path + "/all imports the leaves of " + parent.path
	}
	return ""
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// stale looks at every Go file, so that go test does not take an old result for a new tree: it cannot know what go list reads.
func stale(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache"):
			return fs.SkipDir
		case strings.HasSuffix(file, ".go"):
			_, err = os.Stat(file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T) []pkg {
	t.Helper()
	stale(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for d := jsontext.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := json.UnmarshalDecode(d, &p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // packages of tests alone stand above all floors
			pkgs = append(pkgs, p)
		}
	}
}

// local is an import path below the module's root; false when it is not of this module.
func local(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func TestImports(t *testing.T) {
	rooms, _, err := readTable(tableText)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		from, ok := rooms[name]
		if !ok {
			t.Errorf("%s is not in internal/floors/floors.txt: give it a floor", name)
			continue
		}
		hold := func(imports []string, inTest bool) {
			for _, i := range imports {
				name, ours := local(i)
				if to, known := rooms[name]; ours && known && name != from.path {
					if why := rooms.refuse(from, to, inTest); why != "" {
						t.Errorf("%s (floor %d) imports %s (floor %d): %s", from.path, from.floor, to.path, to.floor, why)
					}
				}
			}
		}
		hold(p.Imports, false)
		hold(p.TestImports, true)
		hold(p.XTestImports, true)
	}
}

func TestRefuse(t *testing.T) {
	rooms, _, err := readTable(tableText)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		inTest   bool
		ok       bool
	}{
		{from: "internal/app", to: "internal/api", ok: true},
		{from: "internal/app", to: "internal/wire/all", ok: true},
		{from: "internal/app", to: "internal/wire/chat"},
		{from: "internal/app", to: "internal/demo"},
		{from: "internal/api", to: "internal/wire/all"},
		{from: "internal/api", to: "internal/wire/all", inTest: true, ok: true},
		{from: "internal/wire/all", to: "internal/wire/chat", ok: true},
		{from: "internal/wire/all", to: "internal/provider/compat"},
		{from: "internal/wire/chat", to: "internal/wire", ok: true},
		{from: "internal/wire", to: "internal/wire/chat"},
		{from: "internal/wire", to: "internal/wire/chat", inTest: true, ok: true},
		{from: "internal/wire/chat", to: "internal/wire/messages"},
		{from: "internal/agent", to: "internal/route"},
		{from: "internal/agent", to: "internal/mcp/mcptest"},
		{from: "internal/agent", to: "internal/mcp/mcptest", inTest: true, ok: true},
		{from: "internal/mcp", to: "internal/mcp/mcptest", inTest: true, ok: true},
		{from: "internal/demo", to: "internal/mcp/mcptest", ok: true},
		{from: "internal/demo", to: "internal/mcp/all"},
		{from: ".", to: "internal/demo"},
		{from: ".", to: "internal/demo", inTest: true, ok: true},
		{from: "internal/mcp/upstream/conformanceclient", to: "internal/mcp/upstream", ok: true},
		{from: "internal/mcp/upstream/conformanceclient", to: "internal/mcp/all", ok: true},
		{from: "internal/api", to: "internal/mcp/all"},
		{from: "internal/llm", to: "internal/fault"},
	} {
		why := rooms.refuse(rooms[c.from], rooms[c.to], c.inTest)
		if (why == "") != c.ok {
			t.Errorf("%s imports %s (in a test: %v): refused %q, want allowed %v", c.from, c.to, c.inTest, why, c.ok)
		}
	}
}

const (
	drawingStart = "<!-- floors: drawn by `go test ./internal/floors -update` -->\n"
	drawingEnd   = "<!-- /floors -->\n"
)

func TestDrawing(t *testing.T) {
	const file = "../../ARCHITECTURE.md"
	rooms, order, err := readTable(tableText)
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, p := range list(t) {
		name, _ := local(p.ImportPath)
		built[name] = true
	}
	order = slices.DeleteFunc(order, func(p string) bool { return !built[p] })

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), drawingStart)
	old, tail, ok2 := strings.Cut(rest, drawingEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the drawing: %q … %q", file, drawingStart, drawingEnd)
	}
	drawing := draw(rooms, order)
	if *update {
		if err := os.WriteFile(file, []byte(head+drawingStart+drawing+drawingEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(old, drawing); diff != "" {
		t.Errorf("ARCHITECTURE.md is not drawn from the table; run go test ./internal/floors -update:\n%s", diff)
	}
}

// draw lists the rooms floor by floor, leaves under their parent.
func draw(rooms table, order []string) string {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	fmt.Fprint(w, "```\n")
	last := -1
	for _, p := range order {
		r := rooms[p]
		mark := " "
		if r.floor != last {
			mark, last = strconv.Itoa(r.floor), r.floor
		}
		name := strings.TrimPrefix(p, "internal/") + "/"
		if p == "." {
			name = "fairlead.go"
		}
		if parent, leaf := rooms.parent(r); leaf {
			name = "  " + strings.TrimPrefix(p, parent.path+"/") + "/"
		}
		fmt.Fprintf(w, "%s  %-22s %s\n", mark, name, r.about)
	}
	fmt.Fprint(w, "```\n")
	_ = w.Flush()
	return b.String()
}
