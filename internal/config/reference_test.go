package config

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestReferenceIsFresh holds docs/config.md to the table of keys.
func TestReferenceIsFresh(t *testing.T) {
	const path = "../../docs/config.md"
	intro, err := os.ReadFile("testdata/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.Write(intro)
	section(&b, "The file", "", configFields(Default()))
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil { //nolint:gosec // a published file
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the table of keys says; run go test ./internal/config -update", path)
	}
}

// section writes the keys of one mapping as a table, and then the mappings below it.
func section(b *bytes.Buffer, title, path string, fields []field) {
	fmt.Fprintf(b, "\n## %s\n\n| key | value | default | |\n| --- | --- | --- | --- |\n", title)
	for _, f := range fields {
		what, standard := describeValue(f.to)
		if f.required {
			standard = "required"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, what, standard, markdown.Replace(f.doc))
	}
	for _, f := range fields {
		here := join(path, f.name)
		switch v := f.to.(type) {
		case group:
			section(b, "`"+here+"`", here, v.fields)
		case list[Model]:
			section(b, "Each of `"+here+"`", here+"[]", v.fields(new(Model)))
		case list[Deployment]:
			p := v.zero
			section(b, "Each of `"+here+"`", here+"[]", v.fields(&p))
		case list[Rule]:
			section(b, "Each of `"+here+"`", here+"[]", v.fields(new(Rule)))
		case list[Key]:
			section(b, "Each of `"+here+"`", here+"[]", v.fields(new(Key)))
		case list[Issuer]:
			section(b, "Each of `"+here+"`", here+"[]", v.fields(new(Issuer)))
		case list[Grant]:
			section(b, "Each of `"+here+"`", here+"[]", v.fields(new(Grant)))
		case optional[Introspection]:
			section(b, "`"+here+"`", here, v.fields(new(Introspection)))
		case named[Server]:
			s := v.zero("")
			section(b, "Each of `"+here+"`", here+".NAME", v.fields(&s))
		case named[Price]:
			p := v.zero("")
			section(b, "Each of `"+here+"`", here+".NAME", v.fields(&p))
		}
	}
}

// describeValue says what a key takes, and what it has when the file does not name it.
func describeValue(v value) (what, standard string) {
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	switch v := v.(type) {
	case text:
		return "text", code(*v.to)
	case address:
		return "URL", ""
	case documentAt:
		return "path, or URL", ""
	case hidden:
		return "secret text", ""
	case lockPath:
		return "path", ""
	case storage:
		return "path, or secret URL", ""
	case choice:
		return code(strings.Join(v.allowed, "`, `")), code(*v.to)
	case either:
		return code(strings.Join(v.words[:], "`, `")), code(v.word())
	case truth:
		return "`true`, `false`", code(fmt.Sprint(*v.to))
	case count:
		return fmt.Sprintf("%d to %d", v.least, v.most), strings.TrimPrefix(code(fmt.Sprint(*v.to)), "`0`")
	case duration:
		return "duration", code(formatDuration(*v.to))
	case size:
		return "size, at most " + formatSize(v.most), code(formatSize(*v.to))
	case texts:
		return "list of texts", ""
	case pairs:
		return "mapping of texts", ""
	case named[Server], named[Price], toolsets:
		return "mapping by name", ""
	case rate:
		return "number", ""
	case expression:
		return "CEL expression", ""
	case mapping[map[string][]string]:
		return "mapping of mappings of lists", ""
	case renames, claims:
		return "mapping of texts", ""
	case group, optional[Introspection]:
		return "mapping", ""
	default:
		return "list", ""
	}
}

var markdown = strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;", "_", `\_`)
