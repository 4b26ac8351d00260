package mcp

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestOfferedName(t *testing.T) {
	long := strings.Repeat("t", 70)
	tests := []struct{ server, prefix, tool, want string }{
		{"files", "files", "read", "files-read"},
		{"files", "", "read", "read"},
		{"files", "fs", "read_file", "fs-read_file"},
		{"files", "files", "read.all the/things", "files-read_all_the_things"},
		{"files", "files", "日本", "files-__"},
		{"files", "", strings.Repeat("t", 64), strings.Repeat("t", 64)},
		{"files", "", long, strings.Repeat("t", 55) + "_799130d0"},
		{"other", "", long, strings.Repeat("t", 55) + "_1adfe518"},
		{"files", "files", long, "files-" + strings.Repeat("t", 49) + "_799130d0"},
	}
	for _, tt := range tests {
		if got := offeredName(&Server{Name: tt.server, Prefix: tt.prefix}, tt.tool); got != tt.want {
			t.Errorf("offeredName(%s, prefix %q, %q) = %q, want %q", tt.server, tt.prefix, tt.tool, got, tt.want)
		}
	}
}

func TestNamesTake(t *testing.T) {
	n := names{"mine": true}
	long := strings.Repeat("x", 64)
	var got []string
	for _, name := range []string{"a", "a", "a_2", "a", "mine", long, long} {
		got = append(got, n.take(name))
	}
	want := []string{"a", "a_2", "a_2_2", "a_3", "mine_2", long, long[:62] + "_2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// FuzzNames: whatever a server calls its tools, the offered names are ones that every provider takes, and no two are alike.
func FuzzNames(f *testing.F) {
	f.Add("files", "files", "read", "read")
	f.Add("a", "", "日本\x00", "日本 ")
	f.Add("a", "p", strings.Repeat("y", 100), strings.Repeat("y", 64))
	f.Fuzz(func(t *testing.T, server, prefix, one, two string) {
		if one == "" || two == "" || len(clean(prefix)) > 40 {
			return
		}
		s := &Server{Name: server, Prefix: prefix}
		n := names{}
		var got []string
		for _, tool := range []string{one, two, one, two, one} {
			got = append(got, n.take(offeredName(s, tool)))
		}
		for i, name := range got {
			if !goodName.MatchString(name) {
				t.Errorf("%q is not a name that providers take", name)
			}
			if slices.Contains(got[:i], name) {
				t.Errorf("%q is given twice", name)
			}
		}
	})
}
