package mcp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// shownTools lists what a visit sees.
func shownTools(t *testing.T, c *Catalogue, v *Visit) string {
	t.Helper()
	view, err := c.View(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, def := range view.Each {
		names = append(names, def.Name)
	}
	return strings.Join(names, " ")
}

// What is on a shelf is what its key says, although the rules may change between the two; and a shelf of a toolset is not that
// of the whole server.
func TestShelvesFollowTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 19 {
			names = append(names, fmt.Sprint("t", i))
		}
		f := &fakeServer{tools: defs(names...)}
		for i := range f.tools {
			f.tools[i].Raw = fmt.Appendf(nil, `{"name":%q}`, f.tools[i].Name)
		}
		server := webServer("a")
		server.Deny = []string{"t3"}
		c := newCatalogue(t, fakes{"a": f}, Options{}, server)
		want := strings.Replace(strings.Join(names, " "), "t3 ", "", 1)
		for _, hidden := range []string{"t0", "t7", "t8", "t18"} {
			asked := 0
			changing := func(u Use) Verdict {
				if u.Tool == hidden {
					asked++
				}
				return permit(u.Tool != hidden || asked > 1)
			}
			if got := shownTools(t, c, &Visit{Server: "a", Selection: Selection{Access: changing}}); got != strings.TrimSpace(strings.Replace(want+" ", hidden+" ", "", 1)) {
				t.Errorf("without %s: %s", hidden, got)
			}
			// The same key later is the same shelf.
			fixed := func(u Use) Verdict { return permit(u.Tool != hidden) }
			if got := shownTools(t, c, &Visit{Server: "a", Selection: Selection{Access: fixed}}); strings.Contains(got+" ", hidden+" ") {
				t.Errorf("later, without %s: %s", hidden, got)
			}
		}
		sel := Selection{Access: everything, Whole: func(string) bool { return true }, Toolsets: []Toolset{{Name: "some", Tools: map[string][]string{"a": {"t1"}}}}}
		for range 2 {
			if got := shownTools(t, c, &Visit{Server: "some", Selection: sel}); got != "t1" {
				t.Errorf("the toolset shows %s", got)
			}
			if got := shownTools(t, c, &Visit{Selection: sel}); got != want {
				t.Errorf("all servers show %s", got)
			}
		}
	})
}
