package bm25

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		" -_- ":                          "",
		"read_file":                      "read file",
		"readFile, ReadFiles: list-Dirs": "read file readfile read file readfile list dir",
		"HTTPServer getURL GitHub":       "http server httpserver get url geturl git hub github",
		"sha256 of v2":                   "sha256 of v2",
		"Entries, boxes, class, status":  "entry boxe class status",
		"Straße ÜBERALL naïve":           "straße überall naïve",
		"日本のfile":                        "日 本 の file",
		"a\xffb":                         "a b",
	} {
		if got := strings.Join(slices.Collect(Words(text)), " "); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// tools are names and descriptions as servers have them.
var tools = [][2]string{
	0: {"read_file", "Read the complete contents of a file from the file system."},
	1: {"write_file", "Create a new file or completely overwrite an existing file."},
	2: {"list_directory", "Get a detailed listing of all files and directories in a path."},
	3: {"search_repositories", "Search for GitHub repositories"},
	4: {"create_issue", "Create a new issue in a GitHub repository"},
	5: {"send_email", "Send an email to one or more recipients"},
	6: {"get_weather", "Forecast of the weather at a place"},
}

func index() *Index {
	var texts [][]Field
	for _, tool := range tools {
		texts = append(texts, []Field{{tool[0], 3}, {tool[1], 1}})
	}
	return New(texts)
}

func TestSearch(t *testing.T) {
	x := index()
	for query, want := range map[string][]int{
		"read a file":            {0, 1, 2, 4, 5, 6},
		"readFile":               {0, 1, 2},
		"repository":             {3, 4},
		"searching repos":        {3, 4},
		"github":                 {3, 4},
		"emails":                 {5},
		"mail":                   nil,
		"weather forecast":       {6},
		"directories":            {2},
		"":                       nil,
		"zzz":                    nil,
		"the":                    {0, 6},
		"create create an issue": {4, 1, 5},
	} {
		got := x.Search(query)
		if len(want) > 2 { // the first of them matter
			got = got[:min(len(got), len(want))]
			if len(got) > 0 {
				got, want = got[:1], want[:1]
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", query, got, want)
		}
	}
	if x.Size() < 500 || x.Size() > 20_000 {
		t.Errorf("it says that it takes %d bytes", x.Size())
	}
}

func TestNothingIndexed(t *testing.T) {
	if got := New(nil).Search("file"); got != nil {
		t.Errorf("nothing finds %v", got)
	}
	if got := New([][]Field{nil, {{"file", 1}}}).Search("file"); !slices.Equal(got, []int{1}) {
		t.Errorf("it finds %v", got)
	}
}

// TestBounds: a text without end and a query without end are looked at up to a point.
func TestBounds(t *testing.T) {
	long := strings.Repeat("word ", 1<<20) + "end"
	x := New([][]Field{{{long, 1}}, {{"end", 1}}})
	if got := x.Search("end"); !slices.Equal(got, []int{1}) {
		t.Errorf("the end is found in %v", got)
	}
	if got := x.Search(strings.Repeat("nothing ", 1<<20) + "end"); got != nil {
		t.Errorf("a query without end finds %v", got)
	}
	if w := slices.Collect(Words(strings.Repeat("ä", 1000))); len(w) != 1 || len(w[0]) > maxWord || !utf8.ValidString(w[0]) {
		t.Errorf("a long word is %q", w)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add("read_file readFile", "HTTPServer 日本 files", "reading")
	f.Add("\xff\xfeA", "ǅuro ǈ", "İi")
	f.Fuzz(func(t *testing.T, a, b, query string) {
		for w := range Words(a) {
			if w == "" || len(w) > 4*maxWord || strings.ContainsAny(w, " _-.,") {
				t.Fatalf("%q is a word of %q", w, a)
			}
		}
		texts := [][]Field{{{a, 3}, {b, 1}}, {{b, 1}}}
		x := New(texts)
		got := x.Search(query)
		if again := New(texts).Search(query); !slices.Equal(got, again) {
			t.Fatalf("%q finds %v and then %v", query, got, again)
		}
		if strings.Contains(query, " ") || query == "" {
			return
		}
		if whole := New([][]Field{{{query, 1}}}); len(slices.Collect(Words(query))) > 0 && len(whole.Search(query)) != 1 {
			t.Fatalf("%q does not find itself", query)
		}
	})
}
